"""Looks after the archive: reads every file against what is recorded of it, and records anew what the files say."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from store.archive import format as archived
from store.archive import table
from store.archive.exporter import Exporter
from store.archive.files import Files, whole
from store.archive.format import Encoder, UserLines
from store.archive.index import ArchivedDay, ArchiveIndex
from store.archive.objects import Place
from store.archive.read_back import read_back
from store.archive.restoring import RestoredDay, Restorer
from store.archive.scratch import scratch
from store.archive.sorting import Sorter
from store.archive.table import Table
from store.archive.told import Told
from store.errors import ArchiveDamaged, ArchiveError, LineError
from store.keys import MS_IN_DAY
from store.lease import Lease
from store.message import Message
from store.opted_out import OptedOut

_BLOCKS_AT_ONCE = 8
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a day: what is wrong with it, or None; and how many lines it has."""

    place: Place
    problem: str | None
    lines: int = 0


async def verify(
    files: Files, index: ArchiveIndex, exporter: Exporter, channel_id: int | None = None
) -> AsyncIterator[Finding]:
    """Read every file, of a channel or of all, and yield what was found; every byte of a file is looked at.

    Args:
        files: the archive.
        index: what is recorded of it.
        exporter: keeps others away from a day with which something seems wrong, while it is looked at once more.
        channel_id: whose; None: all.

    Raises:
        StoreUnavailable: the archive or Cassandra cannot answer.
    """
    places = {place async for place in files.objects.places(channel_id)}
    channels = {place.channel_id for place in places} | ({channel_id} if channel_id is not None else set())
    channels |= set(await index.channels()) if channel_id is None else set()
    for channel in sorted(channels):
        recorded = {day.place for day in await index.days(channel)}
        for place in sorted(recorded | {place for place in places if place.channel_id == channel}):
            state = await _state(files, index, place)
            finding = await _verified(files, place, state)
            if finding is not None and finding.problem is not None:
                async with exporter.held(place) as lease:
                    # It may have been replaced, or removed, while it was read.
                    if lease is not None and (now := await _state(files, index, place)) != state:
                        finding = await _verified(files, place, now)
            if finding is not None:
                yield finding


@dataclass(frozen=True, slots=True)
class _State:
    """How a day stands: what is recorded of it, the table of its file, and what is wrong with that; or None."""

    recorded: ArchivedDay | None
    table: Table | None
    problem: str | None = None


async def _state(files: Files, index: ArchiveIndex, place: Place) -> _State:
    files.forget(place)
    recorded = await index.day(place)
    if recorded is None and await files.objects.stored(place) is None:
        return _State(None, None)
    try:
        return _State(recorded, await files.table(place))
    except ArchiveDamaged as error:
        return _State(recorded, None, str(error))


async def _verified(files: Files, place: Place, state: _State) -> Finding | None:
    """Give what was found of a day; None if it is neither there nor recorded."""
    found = state.table
    if found is None:
        return None if state.problem is None else Finding(place, state.problem)
    try:
        read = await read_back(files, place)
        await _check_blocks(files, place, found)
    except ArchiveDamaged as error:
        return Finding(place, str(error))
    if read != (found.lines, found.digest, found.size):
        return Finding(place, "it does not hold the text that its table says")
    if state.recorded is None:
        return Finding(place, "it is not recorded: `logstv archive reindex` records it", found.lines)
    if state.recorded.generation != found.generation:
        return Finding(place, "it is not the file that was recorded: `logstv archive reindex` records it", found.lines)
    return Finding(place, None, found.lines)


async def _check_blocks(files: Files, place: Place, found: Table) -> None:
    numbers = range(len(found.blocks))
    for at in range(0, len(numbers), _BLOCKS_AT_ONCE):
        blocks = found.blocks[at : at + _BLOCKS_AT_ONCE]
        start = found.head_bytes
        spans = [(start + block.offset, start + block.offset + block.length) for block in blocks]
        for block, piece in zip(blocks, await files.objects.ranges(place, spans), strict=True):
            await asyncio.to_thread(archived.text_of, block, piece)


async def reindex(
    files: Files,
    index: ArchiveIndex,
    exporter: Exporter,
    channel_id: int | None = None,
    restorer: Restorer | None = None,
) -> AsyncIterator[Finding]:
    """Record what the files say, of a channel or of all; one that another wrote is given a table of its own first.

    Lines of those who are out are taken out of the files: a copy, or what another wrote, may have them. Yields what
    became of each day.

    Args:
        files: the archive.
        index: where it is recorded.
        exporter: keeps others away from a day, knows who is out, and writes files anew.
        channel_id: whose; None: all.
        restorer: brings back names, and lines that Cassandra should have; None: neither.

    Raises:
        StoreUnavailable: the archive or Cassandra cannot answer.
    """
    async for place in files.objects.places(channel_id):
        async with exporter.held(place) as lease:
            if lease is None:
                finding = Finding(place, "another works on it; do this once more in a moment")
            elif await files.objects.stored(place) is None:
                continue  # it was removed since it was seen
            else:
                try:
                    finding = Finding(place, None, await _recorded(files, index, exporter, place, lease, restorer))
                except ArchiveError as error:
                    finding = Finding(place, str(error))
        yield finding
    if restorer is not None:
        await restorer.flush()


async def _recorded(
    files: Files, index: ArchiveIndex, exporter: Exporter, place: Place, lease: Lease, restorer: Restorer | None
) -> int:
    """Record a day, and give how many lines it has. Nobody who opts out meanwhile is left in it."""
    files.forget(place)
    if not (await files.objects.start(place, len(table.FIXED))).startswith(table.FIXED):
        await _adopt(files, place)
    while True:
        out = await exporter.out()
        day, users, hidden = await _read(files, place, out, None if restorer is None else restorer.day(place))
        lease.check()
        if hidden:
            lines = day.lines - await exporter.rewrite(place, out.shown, lease)
            files.forget(place)
        else:
            await index.record(day, users)
            lines = day.lines
        if not lines or (await exporter.out()).version == out.version:
            return lines


async def _read(
    files: Files, place: Place, out: OptedOut, taking: RestoredDay | None
) -> tuple[ArchivedDay, dict[int, UserLines], bool]:
    """Read a day; give what is recorded of it and of its users, and whether it holds anything of those who are out."""
    users: dict[int, tuple[int, set[int]]] = {}
    found = await files.table(place)
    firsts = [block.first_line for block in found.blocks]
    number, line, hidden = 0, 0, False
    async for piece in files.messages(place, whole):
        if taking is not None:
            await taking.take(piece)
        for message in piece:
            hidden = hidden or (bool(out) and out.shown(message) is not message)
            while number + 1 < len(firsts) and firsts[number + 1] <= line:
                number += 1
            for user in message.users:
                count, blocks = users.get(user, (0, set()))
                users[user] = count + 1, blocks | {number}
            line += 1
    told = {user: UserLines(count, sorted(blocks)) for user, (count, blocks) in users.items()}
    return ArchivedDay(place, found.lines, found.size, found.digest, found.generation), told, hidden


async def _adopt(files: Files, place: Place) -> None:
    """Write a file that justlog wrote in our format, at the same place."""
    known = await files.objects.stored(place)
    with scratch() as packed, scratch() as body:
        async for piece in files.objects.pieces(place):
            await asyncio.to_thread(packed.write, piece)
        encoded = await asyncio.to_thread(_encoded, packed, place, body)
        size = encoded.table.size
        if not await files.objects.replace(place, lambda: archived.chunks(encoded, body), size, known):
            raise ArchiveError(f"{place.path} was replaced meanwhile; record it once more")
    files.forget(place)


def _encoded(packed: BinaryIO, place: Place, body: BinaryIO) -> archived.Encoded:
    """Bring the lines of a file of justlog into order, in bounded memory."""
    strays = 0
    with contextlib.closing(Sorter()) as sorter:
        for line in _lines(packed, place):
            message = None if line is None else message_of(line, place)
            if message is None:
                strays += line != ""
            else:
                sorter.add(Told.of(message))
        if strays:
            raise ArchiveError(
                f"{place.path} holds {strays:,} lines that have no place on that day; it was left as it is"
            )
        encoder = Encoder(body, place.channel_id)
        encoder.add(sorter)
        return encoder.finish()


def _lines(packed: BinaryIO, place: Place) -> Iterator[str | None]:
    """Yield the lines of a file; None for one that is longer than a line of chat can be."""
    packed.seek(0)
    try:
        with gzip.GzipFile(fileobj=packed) as text:
            goes_on = False
            while line := text.readline(_LONGEST_LINE):
                is_whole = len(line) < _LONGEST_LINE or line.endswith(b"\n")
                if not goes_on:
                    yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape") if is_whole else None
                goes_on = not is_whole
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ArchiveDamaged(f"{place.path} cannot be read: {error}") from error


def message_of(line: str, place: Place) -> Message | None:
    """Give the message of a line of another's file; None if it has no place in that day."""
    if not line:
        return None
    try:
        message = Message.parse(line, channel_id=place.channel_id)
    except LineError:
        return None
    inside = message.unstorable is None and message.channel_id == place.channel_id
    if not inside or not place.day_ms <= message.position.sent_ms < place.day_ms + MS_IN_DAY:
        return None
    return message
