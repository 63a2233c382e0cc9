"""Takes in what other programs have logged: old days go straight to the archive, the others through the writer.

A day is merged with what is there of it, so doing it again changes nothing; what is done is remembered, and left out
the next time. How a program's files lie and what their lines say is `ingest.justlog`'s and `ingest.overrustle`'s; what
is between a line and its place in the archive is `store.archive`'s; several processes are `ingest.import_pool`'s.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import orjson

from ingest.errors import ReplayError
from ingest.lines import LineFile, Progress
from store.archive.archive import Archive
from store.archive.objects import Place
from store.archive.sorting import Sorter
from store.archive.told import Told
from store.errors import ArchiveError
from store.glance import Glance
from store.horizon import Horizon
from store.keys import MS_IN_DAY
from store.message import Message
from store.opted_out import OptedOut
from store.shapes import CHANNEL
from store.writer import Writer

_AT_ONCE = 1000
_SETTLE_SECONDS = 10.0
"""What is taken in counts as done at the latest so long after it, when the names are written too."""
_SHOWN = 1000
"""Characters of a line in the report."""
HAS_OPTED_OUT = "its author, or its channel, has opted out"


@dataclass(frozen=True, slots=True)
class Part:
    """What is taken in at one go.

    Attributes:
        channel_id: whose log it is.
        files: what it is read from.
        days: starts of days, Unix milliseconds, whose lines alone are taken; None: all are.
        state: what it is remembered by; empty until its files were seen.
        size: how many bytes its files had then.
    """

    channel_id: int
    files: tuple[Path, ...]
    days: frozenset[int] | None = None
    state: str = ""
    size: int = 0

    def seen(self) -> Part:
        """Give it with the state that its files have now: when one of them has changed, it is read again.

        That is before they are read: whoever wrote them may be writing yet.

        Raises:
            OSError: one cannot be looked at.
        """
        stats = [path.stat() for path in self.files]
        found = [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in zip(self.files, stats, strict=True)]
        said = orjson.dumps([found, sorted(self.days or ())])
        state = f"{hashlib.blake2b(said, digest_size=12).hexdigest()} {self.files[0]}"
        return replace(self, state=state, size=sum(stat.st_size for stat in stats))


class Reading(Protocol):
    """Reads the lines of one file, in their order."""

    async def prepare(self, lines: Sequence[bytes]) -> None:
        """Look up what has to be known before these lines are read."""
        ...

    def read(self, line: bytes) -> Glance | Message | str:
        """Give what a line says: at a glance where it stays as it is; or why it has no place in a log."""
        ...


class Tree(Protocol):
    """The files of a program; goes to other processes as it is."""

    async def open(self, archive: Archive) -> None:
        """Look at the store that lines will go to, if that has to be known; before anything else is asked."""
        ...

    async def parts(self) -> list[Part]:
        """Give what there is to be taken in, in order.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        ...

    @property
    def wanted(self) -> str:
        """Which files it should have, for whoever named a folder that has none."""
        ...

    @property
    def left_out(self) -> list[str]:
        """What `parts` left out, and why."""
        ...

    def reading(self, part: Part) -> Reading:
        """Give what reads a file of a part."""
        ...


@dataclass(slots=True)
class Imported:
    """What an import came to.

    Attributes:
        parts: how many days, or months of users, were taken in now.
        before: how many were taken in earlier.
        archived: lines that went to the archive.
        written: lines that went to Cassandra.
        nameless: lines whose author's id is not known: they stand in their channel's log alone.
        refused: lines that could not be taken in, by reason.
        failed: what is wrong with files and days that could not be taken in, or not wholly.
    """

    parts: int = 0
    before: int = 0
    archived: int = 0
    written: int = 0
    nameless: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, other: Imported) -> None:
        """Add what another came to."""
        self.parts += other.parts
        self.before += other.before
        self.archived += other.archived
        self.written += other.written
        self.nameless += other.nameless
        self.refused += other.refused
        self.failed += other.failed


class Report:
    """The lines that could not be taken in, as JSON lines: of which file, why, and what they say.

    Several processes may write to one.

    Args:
        path: the file; None: nobody wants to know.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._waiting: list[bytes] = []

    def tell(self, file: Path, reason: str, line: bytes) -> None:
        """Take note of a line."""
        if self._path is not None:
            text = line.decode("utf-8", "backslashreplace")[:_SHOWN]
            self._waiting.append(orjson.dumps({"file": str(file), "reason": reason, "line": text}) + b"\n")
            if len(self._waiting) >= _AT_ONCE:
                self.flush()

    def flush(self) -> None:
        """Write what was noted."""
        if self._path is not None and self._waiting:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(b"".join(self._waiting))
            self._waiting.clear()


class Importer:
    """Takes in parts of a tree, one after the other.

    Args:
        tree: whose parts.
        archive: where old days go.
        writer: takes what is newer than the horizon, and what is of a channel with a retention of its own.
        horizon_ms: what was said before it goes to the archive, Unix milliseconds; None: nothing does.
        report: is told of lines that cannot be taken in.
        progress: told of what is read.
        dry: only look at what would be done.
    """

    def __init__(
        self,
        tree: Tree,
        archive: Archive,
        writer: Writer,
        horizon_ms: int | None,
        *,
        report: Report,
        progress: Progress = lambda _count: None,
        dry: bool = False,
    ) -> None:
        self._tree = tree
        self._archive = archive
        self._writer = writer
        self._horizon_ms = horizon_ms
        self._report = report
        self._progress = progress
        self._dry = dry
        self._unsettled: list[Part] = []
        self._settled_at = time.monotonic()

    @classmethod
    async def open(
        cls,
        tree: Tree,
        archive: Archive,
        *,
        report: Report,
        progress: Progress = lambda _count: None,
        dry: bool = False,
    ) -> Importer:
        """Look at where lines will go.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        horizon_ms = await (await Horizon.open(archive.session)).of(CHANNEL)
        return cls(tree, archive, await archive.writer(), horizon_ms, report=report, progress=progress, dry=dry)

    async def take(self, part: Part) -> tuple[Imported, list[Part]]:
        """Take in a part; a file or day that cannot be is named, and holds up no other.

        Returns:
            What it came to, and which parts, this one or others before, are now done for good.

        Raises:
            StoreUnavailable: Cassandra or the archive cannot answer; doing it again is right.
        """
        await self._archive.optouts.refresh()
        taking = _Taking(self._archive.optouts.now(), part.days)
        outcome = taking.outcome
        try:
            for path in part.files:
                try:
                    await self._read(path, part, taking)
                except ReplayError as error:
                    outcome.failed.append(str(error))
            await self._write(taking)
            for channel_id, sorter in taking.old.items():
                await self._export(channel_id, sorter, outcome)
        finally:
            self._report.flush()
            for sorter in taking.old.values():
                sorter.close()
        if outcome.failed:
            return outcome, []
        outcome.parts = 1
        self._unsettled.append(part)
        due = time.monotonic() - self._settled_at > _SETTLE_SECONDS
        return outcome, await self.settle() if due else []

    async def settle(self) -> list[Part]:
        """Write the names that wait to be written; give the parts that are done for good.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if not self._dry:
            await self._writer.flush()
        settled, self._unsettled, self._settled_at = self._unsettled, [], time.monotonic()
        return settled

    async def _read(self, path: Path, part: Part, taking: _Taking) -> None:
        file, reading = LineFile(path, self._progress), self._tree.reading(part)
        await asyncio.to_thread(file.check)
        pieces = file.pieces()
        try:
            while (lines := await asyncio.to_thread(next, pieces, None)) is not None:
                await reading.prepare(lines)
                for line in lines:
                    self._sort(path, line, reading.read(line), taking)
                if len(taking.recent) >= _AT_ONCE:
                    await self._write(taking)
        finally:
            if file.too_long:
                taking.outcome.refused["it is longer than a line of chat can be"] += file.too_long

    def _sort(self, path: Path, line: bytes, said: Glance | Message | str, taking: _Taking) -> None:
        """Put a line where it goes: to a day of the archive, or among those that are written."""
        if isinstance(said, str):
            self._refuse(path, line, said, taking)
            return
        if isinstance(said, Glance):
            told, channel_id = Told.at_a_glance(said, line), said.channel_id
        elif said.unstorable is not None or said.channel_id is None:
            self._refuse(path, line, said.unstorable or "", taking)
            return
        else:
            told, channel_id = Told.of(said), said.channel_id
        if taking.days is not None and told.sent_ms // MS_IN_DAY * MS_IN_DAY not in taking.days:
            return
        shown = told.shown(channel_id, taking.out)
        if shown is None:
            taking.outcome.refused[HAS_OPTED_OUT] += 1
            return
        taking.outcome.nameless += not shown.users and b" PRIVMSG #" in shown.line
        if self._is_recent(shown, channel_id, said.channel_login):
            taking.recent.append(shown.message(channel_id))
            return
        sorter = taking.old.get(channel_id)
        if sorter is None:
            sorter = taking.old[channel_id] = Sorter()
        sorter.add(shown)
        if self._dry:
            return
        if isinstance(said, Glance):
            self._writer.learn_at_a_glance(said)
        else:
            self._writer.learn_names(said)

    def _is_recent(self, told: Told, channel_id: int, login: str | None) -> bool:
        """Say whether a line belongs in Cassandra: one of a channel with a retention of its own does, however old."""
        if self._horizon_ms is None or told.sent_ms >= self._horizon_ms:
            return True
        return self._writer.retention.of_channel(channel_id, login) is not None

    def _refuse(self, path: Path, line: bytes, reason: str, taking: _Taking) -> None:
        taking.outcome.refused[reason] += 1
        self._report.tell(path, reason, line)

    async def _write(self, taking: _Taking) -> None:
        """Write what is newer than the horizon."""
        recent, taking.recent = taking.recent, []
        if self._dry:
            taking.outcome.written += len(recent)
            return
        for at in range(0, len(recent), _AT_ONCE):
            written = await self._writer.write(recent[at : at + _AT_ONCE])
            taking.outcome.written += written.messages
            for refused in written.refused:
                taking.outcome.refused[refused.reason] += 1

    async def _export(self, channel_id: int, sorter: Sorter, outcome: Imported) -> None:
        """Bring lines to their days in the archive."""
        if self._dry:
            outcome.archived += len(sorter)
            return
        for day_ms, lines in itertools.groupby(sorter, key=lambda told: told.sent_ms // MS_IN_DAY * MS_IN_DAY):
            place, counted = Place(channel_id, day_ms), _Counted(lines)
            try:
                await self._archive.exporter.merge(place, counted.pieces())
            except ArchiveError as error:
                outcome.failed.append(f"{place}: {error}")
            else:
                outcome.archived += counted.count


@dataclass(slots=True)
class _Taking:
    """A part that is being taken in.

    Attributes:
        out: who has opted out.
        days: starts of days, Unix milliseconds, whose lines alone are taken; None: all are.
        old: what goes to the archive, by channel.
        recent: what is written next.
        outcome: what it came to so far.
    """

    out: OptedOut
    days: frozenset[int] | None
    old: dict[int, Sorter] = field(default_factory=dict)
    recent: list[Message] = field(default_factory=list)
    outcome: Imported = field(default_factory=Imported)


class _Counted:
    """The lines of a day, some at a time, and how many they were."""

    def __init__(self, lines: Iterator[Told]) -> None:
        self.count = 0
        self._lines = lines

    async def pieces(self) -> AsyncIterator[list[Told]]:
        while piece := list(itertools.islice(self._lines, _AT_ONCE)):
            self.count += len(piece)
            yield piece
