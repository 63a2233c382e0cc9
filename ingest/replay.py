"""Reads raw IRC lines from files, plain or gzip, as if they were being said."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from ingest.errors import ReplayError
from ingest.lines import LineFile, Progress
from ingest.source import ReceivedLine
from ingest.wire import command_of, is_chat

_TIMES = re.compile(r"(?<=[@;])(tmi-sent-ts|rm-received-ts)=(\d{1,18})(?![^;])")
_OWN_ID = re.compile(r"[@;]id=[^; ]")
_SECONDS_REMEMBERED = 120
_LINES_REMEMBERED = 100_000


class Replay:
    """The lines of some files, one after the other.

    Attributes:
        ignored: how many lines were no chat.
        too_long: how many were too long and skipped.

    Args:
        paths: raw IRC lines, ended by LF or CR LF; a file that begins as gzip is inflated.
        shift_to_now: move all times by the same, so that the newest line of all files is said now.
        rate: lines a second; None: as fast as they are taken.
        progress: told of what is read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        shift_to_now: bool = False,
        rate: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.ignored = 0
        self.too_long = 0
        self._paths = paths
        self._shift = shift_to_now
        self._rate = rate
        self._progress = progress or (lambda _count: None)
        self._stopped = False

    async def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        """Yield the chat lines of the files, in their order.

        Raises:
            ReplayError: a file cannot be read, or is damaged. Of one that ends too early, what is there was yielded; of
                one whose bytes are wrong, nothing, since what they inflate to may be wrong too.
        """
        shift_ms = 0
        if self._shift:
            newest = await asyncio.to_thread(self._newest_ms)
            shift_ms = time.time_ns() // 1_000_000 - newest if newest else 0
        started, given = time.monotonic(), 0
        for path in self._paths:
            await asyncio.to_thread(LineFile(path).check)
            pieces = self._pieces(path, self._progress)
            occurrences = Occurrences()
            while (lines := await asyncio.to_thread(next, pieces, None)) is not None:
                chunk = [self._received(line, shift_ms, occurrences) for line in lines]
                for part in self._paced(chunk):
                    if self._rate is not None:
                        await asyncio.sleep(started + given / self._rate - time.monotonic())
                    if self._stopped:
                        return
                    given += len(part)
                    yield part

    async def stop(self) -> None:
        """Have `chunks` end: what was not yielded can be read again."""
        self._stopped = True

    def _paced(self, chunk: list[ReceivedLine]) -> Iterator[list[ReceivedLine]]:
        """Cut a chunk into parts of about a twentieth of a second each, if there is a rate."""
        size = len(chunk) if self._rate is None else max(1, int(self._rate / 20))
        for start in range(0, len(chunk), size or 1):
            yield chunk[start : start + size]

    def _received(self, line: str, shift_ms: int, occurrences: Occurrences) -> ReceivedLine:
        if shift_ms and line.startswith("@"):
            tag_part, space, rest = line.partition(" ")
            line = _TIMES.sub(lambda match: f"{match[1]}={int(match[2]) + shift_ms}", tag_part) + space + rest
        return ReceivedLine(line, occurrence=occurrences.count(line))

    def _pieces(self, path: Path, progress: Progress) -> Iterator[list[str]]:
        """Yield the chat lines of a file, some at a time."""
        file = LineFile(path, progress)
        try:
            for lines in file.pieces():
                found = [line.decode("utf-8", "surrogateescape") for line in lines]
                chat = [line for line in found if is_chat(command_of(line))]
                self.ignored += len(found) - len(chat)
                yield chat
        finally:
            self.too_long += file.too_long

    def _newest_ms(self) -> int:
        newest = 0
        for path in self._paths:
            with contextlib.suppress(ReplayError):  # told of when its lines are read
                for lines in self._pieces(path, lambda _count: None):
                    newest = max([newest, *(_sent_ms(line) or 0 for line in lines)])
        self.ignored = self.too_long = 0
        return newest


class Occurrences:
    """Tells byte-equal lines without an id apart, as long as they stand near each other in a file.

    Old lines have no id and times in whole seconds; two that are equal are two messages. An equal CLEARCHAT or
    CLEARMSG is the same event, recorded twice.
    """

    def __init__(self) -> None:
        self._seen: dict[int, dict[str, int]] = {}
        self._lines = 0

    def count(self, line: str) -> int:
        """Give how many such lines came before this one in its second."""
        if _OWN_ID.search(line.partition(" ")[0]) or command_of(line) in ("CLEARCHAT", "CLEARMSG"):
            return 0
        if (sent := _sent_ms(line)) is None:
            return 0
        seen = self._seen.setdefault(sent // 1000, {})
        before = seen.get(line, 0)
        seen[line] = before + 1
        self._lines += not before
        while len(self._seen) > _SECONDS_REMEMBERED or (self._lines > _LINES_REMEMBERED and len(self._seen) > 1):
            self._lines -= len(self._seen.pop(next(iter(self._seen))))
        return before


def _sent_ms(line: str) -> int | None:
    """Give when a line says that it was sent, or else received; None if it does not say."""
    if not line.startswith("@"):
        return None
    times = {match[1]: int(match[2]) for match in _TIMES.finditer(line.partition(" ")[0])}
    return times.get("tmi-sent-ts", times.get("rm-received-ts"))


def total_bytes(paths: Sequence[Path]) -> int:
    """Give the size of some files, for a progress bar.

    Raises:
        ReplayError: one cannot be read.
    """
    try:
        if folder := next((path for path in paths if path.is_dir()), None):
            raise ReplayError(f"{folder} cannot be read: it is a folder; name the files in it")
        return sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise ReplayError(f"{error.filename} cannot be read: {error.strerror}") from error
