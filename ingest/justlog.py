"""Takes in a tree of files that justlog wrote: old days go straight to the archive, the others through the writer.

A day is merged with what is there of it, so doing it again changes nothing; files that are done are remembered, and
left out the next time. What is between a line and its place in the archive is `store.archive`'s.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import ReplayError
from ingest.replay import Replay
from ingest.source import ReceivedLine
from store.archive.archive import Archive
from store.archive.objects import Place
from store.errors import ArchiveError, LineError
from store.keys import MS_IN_DAY
from store.message import Message
from store.writer import Writer

_FILE = re.compile(r"(\d{1,18})/\d{4}/\d{1,2}/\d{1,2}/channel\.txt(\.gz)?")
_WRITTEN_AT_ONCE = 1000

Progress = Callable[[int], None]
"""Called with the bytes of the files that were read since the last call."""


@dataclass(slots=True)
class Imported:
    """What an import came to.

    Attributes:
        files: how many were taken in now.
        before: how many were taken in earlier.
        archived: lines that went to the archive.
        written: lines that went to Cassandra.
        refused: lines without a place, by reason.
        failed: what is wrong with files and days that could not be taken in, or not wholly.
    """

    files: int = 0
    before: int = 0
    archived: int = 0
    written: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    channel_id: int

    @property
    def state(self) -> str:
        """What it is remembered by: one that has changed is read again."""
        found = self.path.stat()
        return json.dumps([str(self.path), found.st_size, found.st_mtime_ns])


_Lines = dict[tuple[int, int], ReceivedLine]
"""Lines by their place."""


class JustlogImport:
    """An import of one tree.

    Args:
        folder: holds `{channel id}/{year}/{month}/{day}/channel.txt`, plain or gzip, at its top or below.
        done: the file that remembers what was taken in.
        archive: where old days go.
        writer: takes what is newer than the horizon.
        horizon_ms: what was said before it goes to the archive, Unix milliseconds; None: nothing does.
        progress: told of what is read.
    """

    def __init__(
        self,
        folder: Path,
        done: Path,
        archive: Archive,
        writer: Writer,
        horizon_ms: int | None,
        progress: Progress = lambda _count: None,
    ) -> None:
        self._folder = folder
        self._done = done
        self._archive = archive
        self._writer = writer
        self._horizon_ms = horizon_ms
        self._progress = progress
        self._apart: frozenset[int] = frozenset()
        self.outcome = Imported()

    async def run(self) -> Imported:
        """Take in every file that was not taken in before; one that cannot be is named, and holds up no other.

        Raises:
            StoreUnavailable: Cassandra or the archive cannot answer; beginning again goes on where this ended.
        """
        self._apart = frozenset(
            each.channel_id for each in await self._archive.wanted.all()
            if each.retention_days is not None and each.channel_id is not None
        )  # fmt: skip
        known = set(self._done.read_text().splitlines()) if self._done.exists() else set()
        for file in files_of(self._folder):
            if file.state in known:
                self.outcome.before += 1
                self._progress(file.path.stat().st_size)
                continue
            failures = len(self.outcome.failed)
            await self._take(file)
            if len(self.outcome.failed) == failures:
                self.outcome.files += 1
                self._done.parent.mkdir(parents=True, exist_ok=True)
                with self._done.open("a") as done:
                    done.write(file.state + "\n")
        await self._writer.flush()
        return self.outcome

    async def _take(self, file: _File) -> None:
        await self._archive.optouts.refresh()
        old: dict[Place, _Lines] = {}
        recent: list[Message] = []
        try:
            async for chunk in Replay([file.path], progress=self._progress).chunks():
                for received in chunk:
                    self._sort(file, received, old, recent)
                if len(recent) >= _WRITTEN_AT_ONCE:
                    await self._write(recent)
                    recent = []
        except ReplayError as error:
            self.outcome.failed.append(str(error))
        await self._write(recent)
        for place, lines in old.items():
            try:
                await self._export(place, lines)
            except ArchiveError as error:
                self.outcome.failed.append(f"{place} of {file.path}: {error}")

    def _sort(self, file: _File, received: ReceivedLine, old: dict[Place, _Lines], recent: list[Message]) -> None:
        """Put a line where it goes: to a day of the archive, or among those that are written."""
        try:
            message = _message(received, file.channel_id)
        except LineError as error:
            self.outcome.refused[str(error)] += 1
            return
        channel_id = message.channel_id
        if message.unstorable is not None or channel_id is None:
            self.outcome.refused[message.unstorable or ""] += 1
            return
        shown = self._archive.optouts.now().shown(message)
        if shown is None:
            self.outcome.refused["its author, or its channel, has opted out"] += 1
            return
        position = message.position
        if self._horizon_ms is None or position.sent_ms >= self._horizon_ms or channel_id in self._apart:
            recent.append(shown)
            return
        place = Place(channel_id, position.sent_ms // MS_IN_DAY * MS_IN_DAY)
        old.setdefault(place, {})[position.order] = received

    async def _write(self, recent: list[Message]) -> None:
        if not recent:
            return
        written = await self._writer.write(recent)
        self.outcome.written += written.messages
        for refused in written.refused:
            self.outcome.refused[refused.reason] += 1

    async def _export(self, place: Place, lines: _Lines) -> None:
        async def pieces() -> AsyncIterator[list[Message]]:
            places = sorted(lines)
            for at in range(0, len(places), _WRITTEN_AT_ONCE):
                piece = [_message(lines[order], place.channel_id) for order in places[at : at + _WRITTEN_AT_ONCE]]
                await self._writer.learn(piece)
                yield piece

        await self._archive.exporter.merge(place, pieces())
        self.outcome.archived += len(lines)


def files_of(folder: Path) -> Iterator[_File]:
    """Yield the days of channels that lie in a tree, by path."""
    for path in sorted(folder.rglob("channel.txt*")):
        match = _FILE.fullmatch("/".join(path.parts[-5:]))
        if match is not None and path.is_file():
            yield _File(path, int(match[1]))


def _message(received: ReceivedLine, channel_id: int) -> Message:
    return Message.parse(received.line, channel_id=channel_id, occurrence=received.occurrence)
