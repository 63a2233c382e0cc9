"""Exports closed days: reads them out of Cassandra, stores them, reads them back, compares, and records them.

May be stopped at any point, and run by many at once; what was begun is done again. Which lines a day has in the end is
the same whoever exports it and however often.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO

import structlog

from store.archive import format as archived
from store.archive.files import Files, whole
from store.archive.format import Encoded, Encoder
from store.archive.index import ArchivedDay, ArchiveIndex
from store.archive.lease import A_DAY, name_of
from store.archive.objects import Place, Stored
from store.archive.outcomes import ExportCounts, Exported, Waiting
from store.archive.read_back import read_back
from store.archive.scratch import scratch
from store.archive.told import Told
from store.deletions import Deletions
from store.errors import ArchiveDamaged, ArchiveUnavailable, StoreError, StoreUnavailable
from store.horizon import Horizon
from store.keys import MS_IN_DAY
from store.lease import Lease, Leases
from store.merging import merged
from store.message import Message
from store.opted_out import NOBODY, OptedOut
from store.optouts import Optouts
from store.reader import Log, Reader
from store.shapes import CHANNEL

log = structlog.get_logger(__name__)

SETTLE_MS = 60_000
"""A note of late lines is looked at so long after it was written, so that no clock is so far behind; so is a bucket."""

_UNAVAILABLE_AT_MOST = 3
_FROM_THE_FIRST: Mapping[int, int] = MappingProxyType({})
_WAIT_SECONDS = 2 * A_DAY.ttl_seconds
"""So long a day may be another's, who may have been killed, until who has lines for it gives up."""

Line = Message | Told
"""A line on its way to the archive, as it came."""

Shown = Callable[[Message], Message | None]
"""From a message to what of it may be kept; None: nothing."""


class Exporter:
    """Exports days of channels.

    Args:
        reader: of what is in Cassandra.
        files: the archive.
        index: what is known of it.
        leases: keeps others away.
        optouts: whose lines are not kept; None: everyone's are.
        horizon: since when Cassandra has every line; None: nobody knows.
        grace_ms: so long after its end a day is closed.
        clock_ms: Unix milliseconds.
        block_bytes: text in a block of a file.
    """

    def __init__(
        self,
        reader: Reader,
        files: Files,
        index: ArchiveIndex,
        leases: Leases,
        *,
        optouts: Optouts | None = None,
        horizon: Horizon | None = None,
        grace_ms: int,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        block_bytes: int = archived.BLOCK_BYTES,
    ) -> None:
        self._reader = reader
        self._files = files
        self._index = index
        self._leases = leases
        self._optouts = optouts
        self._horizon = horizon
        self._grace_ms = grace_ms
        self._clock_ms = clock_ms
        self._block_bytes = block_bytes
        self.counts = ExportCounts()

    async def run(
        self,
        channel_ids: Iterable[int],
        since: Mapping[int, int] = _FROM_THE_FIRST,
        tried: Callable[[Place], object] = lambda _: None,
    ) -> Exported:
        """Export every closed day that is not in the archive, and those to which lines came late.

        A day that cannot be exported holds up no other.

        Args:
            channel_ids: of which channels.
            since: from which day on the archive keeps a channel's days, Unix milliseconds; all where nothing is said.
            tried: told of each day that was exported, or could not be.

        Raises:
            StoreUnavailable: Cassandra, or the archive, cannot answer.
        """
        outcome = Exported()
        due: dict[Place, int | None] = {}
        for channel_id in channel_ids:
            due |= (await self.waiting(channel_id, since.get(channel_id, 0))).due
        # What expires first comes first, of whatever channel.
        for place in sorted(due, key=lambda place: (place.day_ms, place.channel_id)):
            await self._try(place, due[place], outcome)
            tried(place)
        return outcome

    async def waiting(self, channel_id: int, since_ms: int = 0) -> Waiting:
        """Give what of a channel is not in the archive.

        Args:
            channel_id: which.
            since_ms: from which day on the archive keeps its days.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        now_ms = self._clock_ms()
        closed_ms = (now_ms - self._grace_ms) // MS_IN_DAY * MS_IN_DAY
        log_ = Log(CHANNEL, (channel_id,), since_ms, newest_first=False)
        there = {bucket.start_ms // MS_IN_DAY * MS_IN_DAY for bucket in await self._reader.buckets(log_)}
        known = {day.place.day_ms for day in await self._index.days(channel_id)}
        late = await self._index.late(channel_id)
        missing = sorted(day for day in there - known if day < closed_ms)
        return Waiting(
            len([day for day in there if day >= closed_ms]),
            tuple(Place(channel_id, day) for day in missing),
            {
                Place(channel_id, day): noted
                for day, noted in late.items()
                if since_ms <= day < closed_ms and noted // 1000 <= now_ms - SETTLE_MS
            },
        )

    async def merge(self, place: Place, pieces: AsyncIterator[Sequence[Line]]) -> int:
        """Export a day with further lines, in order; give how many lines it has.

        Raises:
            ArchiveError: it cannot be; what the archive has of it is damaged.
            StoreUnavailable: Cassandra or the archive cannot answer, or another exports the day now.
        """
        async with self.held(place) as lease:
            if lease is None:
                raise StoreUnavailable(f"{place} is being exported by another; begin again in a moment")
            return await self.export(place, lease, pieces)

    @contextlib.asynccontextmanager
    async def held(self, place: Place) -> AsyncIterator[Lease | None]:
        """Keep others away from a day while the block runs; gives None where another does not end in time.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        for _ in range(_WAIT_SECONDS):
            async with self._leases.held(name_of(place)) as lease:
                if lease is not None:
                    yield lease
                    return
            await asyncio.sleep(1)
        yield None

    async def out(self) -> OptedOut:
        """Give who is out now.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if self._optouts is None:
            return NOBODY
        await self._optouts.refresh()
        return self._optouts.now()

    async def export(
        self, place: Place, lease: Lease | None = None, more: AsyncIterator[Sequence[Line]] | None = None
    ) -> int:
        """Export a day, merged with what the archive has of it; give how many lines it has.

        Args:
            place: which day.
            lease: that others are kept away by.
            more: further lines of it, in order.

        Raises:
            ArchiveError: it cannot be; what the archive has of it is damaged.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        begun = time.monotonic()
        out = await self.out()
        in_file = set[int]()
        with scratch() as body:
            known = await self._files.objects.stored(place)
            encoded = await self._merged(place, more, body, out, in_file if known is not None else None)
            if encoded.table.lines:
                await self._forget_gone(place, in_file - encoded.users.keys())
                await self._store(place, encoded, body, lease, known)
        day = ArchivedDay.of(place, encoded)
        if encoded.table.lines:
            await self._index.record_users(day, encoded.users)
        # Who opted out before this may have been erased from where this day was not yet; who does later is found there.
        now_out = await self.out()
        has_changed = now_out.version != out.version
        if has_changed:
            await self._index.note(place)  # for whoever is stopped from here on
        if encoded.table.lines:
            await self._index.record_day(day)
        if has_changed or not encoded.table.lines:
            await self.rewrite(place, now_out.shown, lease)
        if not encoded.table.lines:
            await self._unlist(place)
        self.counts.days += 1
        self.counts.lines += encoded.table.lines
        self.counts.bytes += encoded.table.size
        self.counts.seconds += time.monotonic() - begun
        return encoded.table.lines

    async def rewrite(self, place: Place, shown: Shown, lease: Lease | None = None, whose: Collection[int] = ()) -> int:
        """Write a day anew with what may stay of its lines; give how many went. A day that keeps none is removed.

        Only the file says who had lines in it: what is known of those who have none any more is forgotten before it is
        replaced. What says that this is to be done goes last, so that who was stopped does it again.

        Args:
            place: which day.
            shown: what stays of a line.
            lease: that others are kept away by.
            whose: users on whose account it is done: what is known of them here says so.

        Raises:
            ArchiveError: what the archive has of it is damaged.
            StoreUnavailable: Cassandra or the archive cannot answer; doing it again is right.
        """
        gone, users = 0, set[int]()

        async def kept() -> AsyncIterator[list[Message]]:
            nonlocal gone
            async for piece in _noting(self._files.messages(place, whole), users):
                left = [stays for message in piece if (stays := shown(message)) is not None]
                gone += len(piece) - len(left)
                yield left

        self._files.forget(place)
        known = await self._files.objects.stored(place)
        encoded = None
        if known is not None:
            with scratch() as body:
                encoded = await self._encode(place, kept(), body)
                await self._index.forget_users(place, users - encoded.users.keys() - set(whose))
                if not encoded.table.lines:
                    if lease is not None:
                        lease.check()
                    await self._files.objects.delete(place)
                    self._files.forget(place)
                elif encoded.table.generation != (await self._files.table(place)).generation:
                    await self._store(place, encoded, body, lease, known)
        # Where there is no file, whoever removed it was stopped before saying so.
        if encoded is None or not encoded.table.lines:
            await self._index.forget_day(place)
        else:
            await self._index.record(ArchivedDay.of(place, encoded), encoded.users)
        await self._index.forget_users(place, set(whose) - (encoded.users.keys() if encoded else set()))
        return gone

    async def _unlist(self, place: Place) -> None:
        """Take a closed day of which nothing is left out of Cassandra's index: it would wait until that expires.

        Lines that are not shown are still to be erased, and found by it; one that is under way has a newer row there.
        """
        now_ms, day = time.time_ns() // 1_000_000, Log.of_day(place.channel_id, place.day_ms)
        if place.day_ms + MS_IN_DAY + self._grace_ms > self._clock_ms():
            return
        if not (await self._reader.page(day, limit=1)).messages:
            deletions = await Deletions.open(self._reader.session, self._reader, now_ms - SETTLE_MS)
            buckets = await self._reader.buckets(day)
            await deletions.carry_out(deletions.index_row(CHANNEL, day.key, bucket) for bucket in buckets)

    async def _try(self, place: Place, noted: int | None, outcome: Exported) -> None:
        try:
            async with self._leases.held(name_of(place)) as lease:
                if lease is None:
                    outcome.waiting += 1
                    return
                lines = await self.export(place, lease)
                if noted is not None:
                    await self._index.settle(place, noted)
        except ArchiveUnavailable as error:
            # One file may be at fault; several in a row are the archive.
            outcome.unavailable += 1
            await self._failed(place, error, outcome)
            if outcome.unavailable >= _UNAVAILABLE_AT_MOST:
                raise
        except StoreUnavailable:
            raise
        except StoreError as error:
            await self._failed(place, error, outcome)
        else:
            log.info("archive.exported", day=str(place), lines=lines)
            outcome.unavailable = 0
            outcome.days += 1
            outcome.lines += lines

    async def _merged(
        self,
        place: Place,
        more: AsyncIterator[Sequence[Line]] | None,
        body: BinaryIO,
        out: OptedOut,
        in_file: set[int] | None,
    ) -> Encoded:
        """Encode what Cassandra and the archive have of a day; what the archive should have and has not is missed.

        Takes note of the users who have something in the file that is there; None: there is none.
        """
        day = Log.of_day(place.channel_id, place.day_ms)

        async def encoded_of(*sources: AsyncIterator[Sequence[Line]]) -> Encoded:
            return await self._encode(place, _shown(place, merged(sources, descending=False), out), body)

        def read() -> list[AsyncIterator[Sequence[Line]]]:
            return [self._reader.stream(day)]

        sources = read() if more is None else [more, *read()]
        self._files.forget(place)
        if in_file is not None:
            try:
                return await encoded_of(*sources, _noting(self._files.messages(place, whole), in_file))
            except ArchiveDamaged as error:
                if more is not None:
                    raise
                log.warning("archive.damaged", day=str(place), reason=str(error))
                body.seek(0)
                body.truncate()
                sources = read()
                in_file -= out.users.keys()  # that they have lines there is needed until the day is mended
        encoded = await encoded_of(*sources)
        recorded = await self._index.day(place)
        lacks = recorded is not None and encoded.table.lines < recorded.lines
        if recorded is not None and lacks and not await self._lacks_those_who_are_out(place, out):
            raise ArchiveDamaged(
                f"the archived day {place} is missing or damaged, and Cassandra no longer has all of its "
                f"{recorded.lines:,} lines: put its file {place.path} back from a copy",
                str(place),
            )
        return encoded

    async def _lacks_those_who_are_out(self, place: Place, out: OptedOut) -> bool:
        """Say whether Cassandra has all lines of a day but of users who are out, and whether any of them had some.

        How many is not known: removals of their lines name their logins alone.
        """
        horizon_ms = place.day_ms + 1 if self._horizon is None else await self._horizon.of(CHANNEL)
        if horizon_ms is not None and place.day_ms < horizon_ms:
            return False
        return await self._index.has_any(place, [user for user, end_ms in out.users.items() if place.day_ms < end_ms])

    async def _forget_gone(self, place: Place, users: Collection[int]) -> None:
        """Forget users who have something in the file of a day, and will not have: as `rewrite`, before it goes."""
        if users:
            await self._index.note(place)  # for whoever is stopped from here on
            await self._index.forget_users(place, users)

    async def _failed(self, place: Place, error: StoreError, outcome: Exported) -> None:
        self.counts.failures += 1
        log.error("archive.failed", day=str(place), reason=str(error))
        outcome.failed[place] = str(error)
        with contextlib.suppress(StoreUnavailable):
            await self._index.failed(place, str(error))

    async def _encode(self, place: Place, pieces: AsyncIterator[Sequence[Line]], body: BinaryIO) -> Encoded:
        encoder = Encoder(body, place.channel_id, self._block_bytes)
        async for piece in pieces:
            await asyncio.to_thread(encoder.add, map(_told, piece))
        return await asyncio.to_thread(encoder.finish)

    async def _store(
        self, place: Place, encoded: Encoded, body: BinaryIO, lease: Lease | None, known: Stored | None
    ) -> None:
        """Store a file in the stead of the one that was known, read it back as any reader would, and compare."""
        if lease is not None:
            lease.check()
        table = encoded.table
        ours = await self._files.objects.replace(place, lambda: archived.chunks(encoded, body), table.size, known)
        self._files.forget(place)
        if await read_back(self._files, place) == (table.lines, table.digest, table.size):
            return  # also where another has stored the same, or an answer to us was lost
        if not ours:
            raise ArchiveUnavailable(f"another has replaced the file of {place} meanwhile; it is done again")
        raise ArchiveDamaged(f"what was stored of {place} is not what comes back; it is exported again")


async def _shown(place: Place, pieces: AsyncIterator[Sequence[Line]], out: OptedOut) -> AsyncIterator[Sequence[Line]]:
    """Yield what may be kept of lines."""
    async for piece in pieces:
        kept = [_told(line).shown(place.channel_id, out) for line in piece] if out else piece
        yield [line for line in kept if line is not None]


async def _noting(pieces: AsyncIterator[Sequence[Message]], users: set[int]) -> AsyncIterator[Sequence[Message]]:
    """Yield messages, and take note of the users in whose logs they stand."""
    async for piece in pieces:
        users.update(user for message in piece for user in message.users)
        yield piece


def _told(line: Line) -> Told:
    return line if isinstance(line, Told) else Told.of(line)
