"""Received lines wait on disk until all their rows are acknowledged, so that neither a crash nor an outage loses one.

They are written in groups, every few milliseconds, before anything else is done with them, and given out in their
order: from memory while the writes keep up, from disk when they do not. The file is `ingest.spool_file`'s.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import structlog

from ingest.errors import SpoolError
from ingest.source import ReceivedLine
from ingest.spool_file import Group, SpoolFile
from ingest.waiting import MOST_WAITING, Taken

log = structlog.get_logger(__name__)

T = TypeVar("T")

_GROUP_SECONDS = 0.02
"""How long lines gather before they are synced to disk together: what a crash can take with it."""
_MOST_IN_GROUP = 512
_KEEP_SECONDS = 15.0
"""How long acknowledged lines stay: a node that is killed loses what its commit log has not synced, 10 s by default."""
_AGAIN_SECONDS = 1.0
_AGAIN_GROUPS = MOST_WAITING // _MOST_IN_GROUP
_LAST_SECONDS = 10.0
"""How long a disk that takes nothing is tried at the end."""
_ALARM_SHARE = 0.5
_ALARM_SECONDS = 60.0
_SHRINK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a commit.

    Attributes:
        full: whether lines were left out because the spool holds as much as it may.
        committed: what is on disk.
        refused: what is not.
        error: why not; empty if nothing went wrong.
    """

    full: bool = False
    committed: list[Group] = field(default_factory=list)
    refused: list[list[ReceivedLine]] = field(default_factory=list)
    error: str = ""


class Spool:
    """Lines on disk, for as long as it is entered.

    Args:
        folder: where the file lies.
        most_bytes: how large the lines that wait may grow; then the source is held back.

    Attributes:
        durable: what is not written when the process ends is there again the next time.
        unsettled: how many lines came in, now or before, and are not done.
        bytes: how much they take on disk.
        alarm: what is wrong, as a sentence; empty when all is well.
        ending: to be set when the source is about to be stopped: a full spool then takes what it has read, too.
    """

    durable = True

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.unsettled = 0
        self.bytes = 0
        self.alarm = ""
        self.ending = False
        self._folder = folder
        self._most_bytes = most_bytes
        self._pending: list[ReceivedLine] = []  # not on disk yet
        self._fresh: deque[Group] = deque()  # the oldest that wait, in memory
        self._fresh_lines = 0
        self._behind = False  # whether there are more on disk, after _read_to
        self._read_to = 0  # the newest that is in memory, or was
        self._on_disk = 0  # the newest that is known to be there
        self._again: list[int] = []  # written once, and to be written again
        self._written: deque[tuple[float, int, int, int]] = deque()  # when, group, its lines, its bytes
        self._last_written = 0.0
        self._out: dict[int, Group] = {}  # taken, and not done
        self._passed_by = itertools.count(-1, -1)  # numbers of groups that the disk could not take
        self._ended = False
        self._changed = asyncio.Event()  # something may be taken
        self._room = asyncio.Event()  # something may be put
        self._wanted = threading.Event()  # something is to be committed
        self._lock = threading.Lock()  # of what the thread that commits changes too: _pending and _written
        self._taking = asyncio.Lock()
        self._all_in = False  # whether no more comes to disk
        self._alarm_at = 0.0

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            SpoolError: the folder cannot be used.
        """
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._file = await self._in_thread(SpoolFile.first_free, self._folder)
        self.unsettled, self.bytes = await self._in_thread(self._file.held)
        self._behind = self.unsettled > 0
        if self._behind:
            log.info("spool.found", lines=self.unsettled, bytes=self.bytes, path=str(self._file.path))
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._commits = self._tasks.create_task(self._commit_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()
        await asyncio.wait([self._commits], timeout=_LAST_SECONDS)
        self._commits.cancel()
        await self._in_thread(self._file.close)
        self._thread.shutdown()
        if self._pending:
            log.error("spool.lost", lines=len(self._pending), reason=self.alarm)
        if self.unsettled:
            log.info("spool.left", lines=self.unsettled - len(self._pending), path=str(self._file.path))
        await self._tasks.__aexit__(kind, error, trace)

    @property
    def path(self) -> Path:
        """The file that is this worker's own."""
        return self._file.path

    async def put(self, chunk: list[ReceivedLine]) -> None:
        """Take lines in; wait while neither disk nor memory has room."""
        while len(self._pending) >= MOST_WAITING:
            self._room.clear()
            await self._room.wait()
        with self._lock:
            self._pending += chunk
        self.unsettled += len(chunk)
        self._wanted.set()

    async def end(self) -> None:
        """Say that no more lines come."""
        self._ended = True
        self._wanted.set()
        self._changed.set()

    async def take(self, most: int) -> Taken:
        """Give the oldest lines, about as many as there are up to `most`; none once it has ended and is empty."""
        async with self._taking:
            while not self._fresh:
                if self._behind or self._again:
                    await self._read()
                elif self._all_in:
                    return Taken()
                else:
                    self._changed.clear()
                    await self._changed.wait()
            groups = [self._fresh.popleft()]
            count = len(groups[0].lines)
            while self._fresh and count + len(self._fresh[0].lines) <= most:
                groups.append(self._fresh.popleft())
                count += len(groups[-1].lines)
            self._fresh_lines -= count
            self._wanted.set()
            self._out.update((group.number, group) for group in groups)
            return Taken([line for group in groups for line in group.lines], tuple(group.number for group in groups))

    def done(self, taken: Taken) -> None:
        """Say that these lines are written, or set aside."""
        now = asyncio.get_running_loop().time()
        self._last_written = now
        self.unsettled -= len(taken.lines)
        for number in taken.groups:
            group = self._out.pop(number)
            if number > 0:
                self.bytes -= group.size
                with self._lock:
                    self._written.append((now, number, len(group.lines), group.size))
        self._wanted.set()

    def again(self) -> None:
        """Have what was acknowledged in the last seconds written once more: Cassandra was away and may have lost it."""
        with self._lock:
            written = list(self._written)
            self._written.clear()
        for _, number, lines, size in written:
            self._again.append(number)
            self.unsettled += lines
            self.bytes += size
        self._changed.set()

    async def _commit_all(self) -> None:
        """Bring to disk what comes in, and remove what is done, until no more comes."""
        loop = asyncio.get_running_loop()
        shrunk = loop.time()
        while True:
            outcome = await self._in_thread(self._commit)
            self._publish(outcome)
            if self._ended and not self._pending:
                self._all_in = True
                self._changed.set()
                return
            if outcome.error or outcome.full:
                await asyncio.sleep(_AGAIN_SECONDS)
            if loop.time() - shrunk > _SHRINK_SECONDS and not self._behind:
                shrunk = loop.time()
                try:
                    await self._in_thread(self._file.give_back)
                except SpoolError as error:
                    self._warn("spool.unwritable", str(error))

    def _commit(self) -> _Outcome:
        """Wait for lines, gather some more, bring them to disk; in the thread, so that a busy loop delays nothing."""
        self._wanted.wait(_AGAIN_SECONDS)
        self._wanted.clear()
        if not self._ended:
            time.sleep(_GROUP_SECONDS)
        with self._lock:
            lines = self._pending[:MOST_WAITING]
        # What is done is removed also from a full spool, or there would never be room.
        full = bool(lines) and self.bytes >= self._most_bytes and not self._ended and not self.ending
        if full:
            lines = []
        done = self._removable()
        if not lines and not done:
            if self._file.short:
                self._file.hold_reserve()
            return _Outcome(full=full)
        groups = [lines[start : start + _MOST_IN_GROUP] for start in range(0, len(lines), _MOST_IN_GROUP)]
        numbers = [number for _, number, _, _ in done]
        try:
            committed = self._file.change(groups, numbers)
        except SpoolError as error:
            if not self._file.make_room(numbers):
                with self._lock:
                    self._written.extendleft(reversed(done))
            return _Outcome(full=full, refused=groups, error=str(error))
        with self._lock:
            self._pending = self._pending[len(lines) :]
        return _Outcome(full=full, committed=committed)

    def _publish(self, outcome: _Outcome) -> None:
        """Hand out what was brought to disk, and say what is wrong."""
        for group in outcome.committed:
            self.bytes += group.size
            self._add(group)
        self._room.set()
        self._changed.set()
        if outcome.error:
            self._warn("spool.unwritable", outcome.error)
            self._pass_by(outcome.refused)
        elif outcome.full:
            self._warn("spool.full", f"the spool holds its {self._most_bytes >> 20} MiB: the chat servers have to wait")
        elif self.bytes > self._most_bytes * _ALARM_SHARE:
            self._warn("spool.filling", f"the spool is {100 * self.bytes // self._most_bytes} % full")
        elif outcome.committed or not (self._pending or self._file.short):
            self.alarm = ""

    def _add(self, group: Group) -> None:
        """Keep a group that is on disk in memory too, if the writes keep up."""
        self._on_disk = group.number
        if group.number <= self._read_to:
            return  # a reader found it there before we heard that it was
        if not self._behind and self._fresh_lines < MOST_WAITING:
            self._fresh.append(group)
            self._fresh_lines += len(group.lines)
            self._read_to = group.number
        else:
            self._behind = True

    def _pass_by(self, groups: Sequence[list[ReceivedLine]]) -> None:
        """Hand lines to the writes that the disk could not take: better at risk for a moment than not read at all."""
        passed = 0
        for lines in groups:
            if self._behind or self._fresh_lines >= MOST_WAITING:
                break
            self._fresh.append(Group(next(self._passed_by), lines, 0))
            self._fresh_lines += len(lines)
            passed += len(lines)
        with self._lock:
            self._pending = self._pending[passed:]

    def _removable(self) -> list[tuple[float, int, int, int]]:
        """Take what was acknowledged long enough before the last acknowledgement."""
        removable = []
        with self._lock:
            while self._written and self._written[0][0] < self._last_written - _KEEP_SECONDS:
                removable.append(self._written.popleft())
        return removable

    async def _read(self) -> None:
        """Bring the oldest groups that wait from disk to memory."""
        again, self._again = self._again[:_AGAIN_GROUPS], self._again[_AGAIN_GROUPS:]
        on_disk = self._on_disk
        try:
            if again:
                groups = await asyncio.to_thread(self._file.numbered, again)
            else:
                groups = await asyncio.to_thread(self._file.after, self._read_to, MOST_WAITING)
        except SpoolError as error:
            self._again = again + self._again
            self._warn("spool.unreadable", str(error))
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        if not again:
            self._read_to = groups[-1].number if groups else max(self._read_to, on_disk)
            # What came to disk since it was looked at is not among these.
            self._behind = bool(groups) or self._on_disk > self._read_to
        self._fresh.extend(groups)
        self._fresh_lines += sum(len(group.lines) for group in groups)

    def _warn(self, event: str, sentence: str) -> None:
        self.alarm = sentence
        now = asyncio.get_running_loop().time()
        if now >= self._alarm_at:
            self._alarm_at = now + _ALARM_SECONDS
            log.error(event, reason=sentence, lines=self.unsettled, bytes=self.bytes)

    async def _in_thread(self, work: Callable[..., T], *given: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)
