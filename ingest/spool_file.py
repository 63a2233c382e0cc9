"""The file under the spool: groups of lines in an SQLite database, which is whole again after any crash.

When groups are written and removed is `ingest.spool`'s; here everything blocks.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import lz4.frame
import structlog

from ingest.errors import SpoolError
from ingest.reserve import Reserve
from ingest.source import ReceivedLine

log = structlog.get_logger(__name__)

_MOST_FILES = 64
_SPARE_PAGES = 16 * 1024
"""Free pages of 4 KiB that the file keeps for the next lines; what is beyond is given back to the disk."""
_RESERVE_BYTES = 12 * 1024 * 1024
"""Enough for the journal between two of its checkpoints, 1,000 pages by default, and for what these add to the file."""


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that were written to disk together.

    Attributes:
        number: groups are read in the order of their numbers; below zero: the disk could not take it.
        lines: as they were received.
        size: bytes on disk.
    """

    number: int
    lines: list[ReceivedLine]
    size: int


class SpoolFile:
    """A database that one process at a time has open.

    Attributes:
        reserve: space with which a full disk is emptied.
        short: whether that is used up; no lines are written then.

    Args:
        path: of the file; made when it is not there.

    Raises:
        SpoolError: the file cannot be used, or another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reserve = Reserve(path.with_suffix(".reserve"), _RESERVE_BYTES)
        self.short = False
        self._one_at_a_time = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            # A writer that has the file for itself needs no shared memory; what is committed is on the disk.
            for pragma in ("locking_mode=EXCLUSIVE", "auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL"):
                self._database.execute(f"PRAGMA {pragma}").fetchall()
            # AUTOINCREMENT: a number that was used is never used again, so order is kept also over restarts.
            columns = "number INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER, lines BLOB"
            self._database.execute(f"CREATE TABLE IF NOT EXISTS groups ({columns})")
            self._database.execute("BEGIN IMMEDIATE").execute("COMMIT")
            self._database.execute("SELECT sum(length(lines)) FROM groups").fetchone()  # a damaged page shows here
        except (sqlite3.Error, OSError) as error:
            if (database := getattr(self, "_database", None)) is not None:
                database.close()
            raise SpoolError(f"the spool {path} cannot be used: {error}") from error

    @classmethod
    def first_free(cls, folder: Path) -> Self:
        """Open the first file of a folder that no other process has, and take over what others left behind.

        A worker that comes back finds its own; the lines of one that does not come back are the next worker's.

        Raises:
            SpoolError: the folder cannot be used.
        """
        own = None
        for number in range(1, _MOST_FILES + 1):
            path = folder / f"spool-{number}.sqlite"
            if own is not None and not path.exists():
                break
            with contextlib.suppress(_Taken):
                if own is None:
                    own = cls._opened_on_full_disk(path)
                else:
                    own.take_over_if_possible(cls._opened(path))
        if own is None:
            raise SpoolError(
                f"all {_MOST_FILES} files in {folder} are used by other workers: set LOGSTV_DATA_DIR apart"
            )
        own.hold_reserve()
        return own

    @classmethod
    def _opened_on_full_disk(cls, path: Path) -> Self:
        """Open a file also where the disk was full when it was used last."""
        try:
            return cls._opened(path)
        except SpoolError as error:
            if not isinstance(error.__cause__, sqlite3.OperationalError):
                raise
            Reserve(path.with_suffix(".reserve"), _RESERVE_BYTES).give_up()
            return cls._opened(path)

    @classmethod
    def _opened(cls, path: Path) -> Self:
        try:
            return cls(path)
        except SpoolError as error:
            cause = error.__cause__
            if _is_taken(error):
                raise _Taken from error
            if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, sqlite3.OperationalError):
                raise
        _set_aside(path)  # not a database, or one that the disk has spoilt
        return cls(path)

    def change(self, new: Sequence[Sequence[ReceivedLine]], done: Iterable[int]) -> list[Group]:
        """Write groups and remove others, all or nothing; on return it is on the disk.

        Raises:
            SpoolError: the disk is full or broken; nothing was changed.
        """
        if new and self.short and not self.hold_reserve():
            raise SpoolError(f"the spool {self.path} cannot be written: the disk is full")
        packed = [(len(lines), pack(lines)) for lines in new]
        groups = []
        with self._alone("written"):
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for lines, row in zip(new, packed, strict=True):
                    added = self._database.execute("INSERT INTO groups (count, lines) VALUES (?, ?)", row)
                    groups.append(Group(added.lastrowid or 0, list(lines), len(row[1])))
                self._database.executemany("DELETE FROM groups WHERE number = ?", [(number,) for number in done])
                self._database.execute("COMMIT")
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise
        return groups

    def hold_reserve(self) -> bool:
        """Hold the space with which a full disk is emptied; say whether the disk had it."""
        self.short = not self.reserve.hold()
        return not self.short

    def make_room(self, done: Iterable[int]) -> bool:
        """Remove groups from a full disk, with the space that was held for that, and give back what they took.

        No more groups are written until that space can be held again.

        Returns:
            Whether they are removed; otherwise nothing was changed.
        """
        self.reserve.give_up()
        self.short = True
        try:
            self.change((), done)
            with self._alone("made smaller"):
                self._database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
        except SpoolError as error:
            log.error("spool.no_room", path=str(self.path), reason=str(error))
            return False
        return True

    def after(self, number: int, most_lines: int) -> list[Group]:
        """Read the groups that follow a number, until they hold about so many lines.

        Raises:
            SpoolError: the disk cannot be read.
        """
        rows = "SELECT number, count, lines FROM groups WHERE number > ? ORDER BY number"
        return self._read(rows, (number,), most_lines)

    def numbered(self, numbers: Iterable[int]) -> list[Group]:
        """Read groups by their numbers; those that are gone are left out.

        Raises:
            SpoolError: the disk cannot be read.
        """
        row = "SELECT number, count, lines FROM groups WHERE number = ?"
        return [group for number in numbers for group in self._read(row, (number,), 1)]

    def _read(self, query: str, values: tuple[int], most_lines: int) -> list[Group]:
        groups, damaged, lines = [], [], 0
        with self._alone("read"):
            for number, count, packed in self._database.execute(query, values):
                try:
                    groups.append(Group(number, unpack(packed), len(packed)))
                except (RuntimeError, ValueError) as error:
                    log.error("spool.group_damaged", path=str(self.path), group=number, lines=count, reason=str(error))
                    damaged.append((-number, number))
                    continue
                lines += count
                if lines >= most_lines:
                    break
            # With a number below zero it is out of the way, and still there for whoever wants to look at it.
            self._database.executemany("UPDATE groups SET number = ? WHERE number = ?", damaged)
        return groups

    @contextlib.contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Have the file to oneself, since a reader must not see what is not committed; say what cannot be done."""
        with self._one_at_a_time:
            try:
                yield
            except sqlite3.Error as error:
                raise SpoolError(f"the spool {self.path} cannot be {what}: {error}") from error

    def held(self) -> tuple[int, int]:
        """Give how many lines wait in the file, and how many bytes they take.

        Raises:
            SpoolError: the disk cannot be read.
        """
        query = "SELECT coalesce(sum(count), 0), coalesce(sum(length(lines)), 0) FROM groups WHERE number > 0"
        with self._alone("read"):
            lines, size = self._database.execute(query).fetchone()
        return lines, size

    def give_back(self) -> None:
        """Give free space back to the disk, but for some that the next lines will take.

        Raises:
            SpoolError: the disk is full or broken.
        """
        with self._alone("made smaller"):
            free = self._database.execute("PRAGMA freelist_count").fetchone()[0]
            if free > _SPARE_PAGES:
                # `execute` steps a statement without columns once, which frees one page (Python 3.11); this runs it
                # whole.
                self._database.executescript(f"PRAGMA incremental_vacuum({free - _SPARE_PAGES})")

    def take_over_if_possible(self, other: SpoolFile) -> None:
        """Take over what another worker left; where that fails, leave it for the next start."""
        try:
            self.take_over(other)
        except SpoolError as error:
            log.error("spool.not_taken_over", path=str(other.path), reason=str(error))
            other.close()

    def take_over(self, other: SpoolFile) -> None:
        """Move all groups of another file into this one, and remove it; one with damaged groups is set aside.

        Raises:
            SpoolError: the disk is full or broken; a group that was moved may then be in both, which is harmless.
        """
        read_to = 0
        while groups := other.after(read_to, 10_000):
            self.change([group.lines for group in groups], ())
            other.change((), [group.number for group in groups])
            read_to = groups[-1].number
        with other._alone("read"):
            (left,) = other._database.execute("SELECT count(*) FROM groups").fetchone()
        other.close()
        if left:
            _set_aside(other.path)
        else:
            other.path.unlink()
        other.reserve.give_up()
        log.info("spool.taken_over", path=str(other.path))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _set_aside(path: Path) -> None:
    """Give a damaged file another name: someone may still save lines from it."""
    aside = path.with_suffix(f".damaged-{time.time_ns() // 1_000_000}")
    for end in ("-wal", "-shm"):  # the newest lines may still be there alone
        with contextlib.suppress(OSError):
            Path(f"{path}{end}").replace(f"{aside}{end}")
    path.replace(aside)
    log.error("spool.damaged", path=str(path), kept_as=str(aside))


@dataclass(frozen=True, slots=True)
class SpoolState:
    """How a file in a spool's folder is.

    Attributes:
        path: which.
        in_use: whether a worker has it open.
        lines: how many wait in it; 0 where a worker has it.
        bytes: what they take.
        damaged: why it cannot be read; empty if it can, or a worker has it.
    """

    path: Path
    in_use: bool = False
    lines: int = 0
    bytes: int = 0
    damaged: str = ""


def states_in(folder: Path) -> list[SpoolState]:
    """Look at the files that workers have, or have left behind; a worker that starts in that moment takes another.

    Args:
        folder: where they lie; it need not be there.
    """
    return [_state(path) for path in sorted(folder.glob("spool-*.sqlite"))]


def _state(path: Path) -> SpoolState:
    try:
        file = SpoolFile(path)
    except SpoolError as error:
        return SpoolState(path, in_use=True) if _is_taken(error) else SpoolState(path, damaged=str(error.__cause__))
    try:
        return SpoolState(path, False, *file.held())
    except SpoolError as error:
        return SpoolState(path, damaged=str(error.__cause__))
    finally:
        file.close()


def _is_taken(error: SpoolError) -> bool:
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and "locked" in str(cause)


class _Taken(Exception):
    """Another process has the file."""


def pack(lines: Iterable[ReceivedLine]) -> bytes:
    """Give lines as bytes, with a checksum: one a row, after what is known of it."""
    rows = "\n".join(
        f"{_known(line.received_ms)} {_known(line.channel_id)} {line.occurrence} {line.line}" for line in lines
    )
    packed: bytes = lz4.frame.compress(rows.encode("utf-8", "surrogateescape"), content_checksum=True)
    return packed


def unpack(packed: bytes) -> list[ReceivedLine]:
    """Give the lines of `pack`.

    Raises:
        RuntimeError: the bytes are damaged.
        ValueError: they are something else.
    """
    rows: bytes = lz4.frame.decompress(packed)
    lines = []
    for row in rows.decode("utf-8", "surrogateescape").split("\n"):
        received_ms, channel_id, occurrence, line = row.split(" ", 3)
        lines.append(ReceivedLine(line, _number(received_ms), _number(channel_id), int(occurrence)))
    return lines


def _known(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str) -> int | None:
    return int(text) if text else None
