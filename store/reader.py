"""Reads a log page by page: from bucket to bucket, in either direction, with cursors of our own.

A page is one partition read and at most one index read; only a page that its bucket cannot fill goes on to the next
bucket, and only a search reads more than it gives.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from cassandra.query import BoundStatement, PreparedStatement

from store import rows, statements
from store.cursor import Cursor
from store.filters import Accept, Narrow
from store.keys import FIRST_LOW, LAST_LOW, Position, Width
from store.message import Message
from store.session import Rows, Session
from store.shapes import SHAPES, Key, Shape

_BUCKETS_AT_ONCE = 64
_SCAN_ROWS = 1000
"""Rows in one read of a search or of a stream."""

_EVER = (0, 64_060_588_800_000)  # Unix milliseconds, 1970 to 4000: a timeuuid ends in 5236
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the driver's datetimes are naive
_MILLISECOND = dt.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Log:
    """A log, or a range of it.

    Attributes:
        shape: which kind of log.
        key: whose.
        from_ms: the first millisecond; None: from the beginning.
        to_ms: the first millisecond that is no longer in it; None: up to now and whatever comes.
        newest_first: the order in which it is read.
    """

    shape: Shape
    key: Key
    from_ms: int | None = None
    to_ms: int | None = None
    newest_first: bool = True

    @property
    def bounds(self) -> tuple[Position, Position]:
        """The places between which its lines lie, both exclusive."""
        first, last = _EVER
        from_ms = first if self.from_ms is None else min(max(self.from_ms, first), last)
        to_ms = last if self.to_ms is None else min(max(self.to_ms, first), last)
        # No key of ours has a low half as high as LAST_LOW.
        return Position(from_ms - 1, LAST_LOW), Position(to_ms, FIRST_LOW)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a log.

    Attributes:
        messages: in the log's order.
        next: the cursor of the page after this one; None if nothing follows now.
        previous: the cursor of the page before this one; None if nothing goes before.
    """

    messages: list[Message]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that exists: its start in Unix milliseconds, and how wide it is."""

    start_ms: int
    width: Width

    @property
    def end_ms(self) -> int:
        """The first millisecond after it."""
        return self.width.end(self.start_ms)


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of one shape, by whether they read downwards."""

    rows: dict[bool, PreparedStatement]
    buckets: dict[bool, PreparedStatement]


@dataclass(slots=True)
class _Scan:
    """A read through the buckets of a log in one direction.

    Attributes:
        log: which log.
        descending: the direction.
        lower: what is read lies strictly beyond this.
        upper: what is read lies strictly before this.
        want: how many rows to ask for at a time.
        entry_ms: the bucket to begin in, where that is known.
        bucket_ms: the bucket read last.
        index_read: whether it is known which buckets lie beyond the entry.
        last_known: whether the bucket read last is known to be the last one.
    """

    log: Log
    descending: bool
    lower: Position
    upper: Position
    want: int
    entry_ms: int | None = None
    bucket_ms: int | None = None
    index_read: bool = False
    last_known: bool = False


class Reader:
    """Reads the logs of all shapes."""

    def __init__(self, session: Session, prepared: dict[str, _Statements]) -> None:
        self._session = session
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> Reader:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {}
        for shape in SHAPES:
            prepared[shape.name] = _Statements(
                {d: await session.prepare(statements.select(session, shape, descending=d)) for d in (False, True)},
                {
                    d: await session.prepare(statements.select_buckets(session, shape, descending=d))
                    for d in (False, True)
                },
            )
        return cls(session, prepared)

    async def page(
        self,
        log: Log,
        *,
        limit: int,
        cursor: Cursor | None = None,
        accept: Accept | None = None,
        narrow: Narrow | None = None,
        budget_seconds: float = 2.0,
    ) -> Page:
        """Read one page.

        Args:
            log: which log; with a cursor, its range and order are the cursor's.
            limit: how many messages at most.
            cursor: where the walk stands; None: at its beginning.
            accept: which messages are wanted; None: all.
            narrow: gives, for messages read together, another `accept`; asked instead of the first.
            budget_seconds: how long a search may look; then the page ends where it stands, with a cursor to go on.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if cursor is not None:
            log = replace(log, from_ms=cursor.from_ms, to_ms=cursor.to_ms, newest_first=cursor.newest_first)
        scan = _scan(log, cursor, want=limit + 1 if accept is None and narrow is None else _SCAN_ROWS)
        deadline = time.monotonic() + budget_seconds
        found: list[Message] = []
        last: Message | None = None
        more = False
        async for piece, whole in self._pieces(scan):
            if narrow is not None:
                accept = await narrow(piece)
            looked_at, more = taken(piece, found, limit, accept)
            last = looked_at or last
            if more or len(found) == limit or time.monotonic() > deadline:
                more = more or not whole or await self._more_buckets(scan)
                break
        stand = (last.position, scan.bucket_ms) if more and last is not None else None
        return page_of(log, found, cursor, stand)

    async def around(self, log: Log, position: Position, *, before: int, after: int) -> Page | None:
        """Read the line at a position with its neighbours, oldest first; None if no line is there.

        Args:
            log: which log; its range and order do not count.
            position: of the line.
            before: how many lines before it at most.
            after: how many lines after it at most.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        log = replace(log, from_ms=None, to_ms=None, newest_first=False)
        earlier = cursor_at(log, position, None, backwards=True)
        onward = self.page(log, limit=after + 1, cursor=cursor_at(log, position.before(), None, backwards=False))
        if before:
            later, earlier_page = await asyncio.gather(onward, self.page(log, limit=before, cursor=earlier))
        else:
            later, earlier_page = await onward, Page([], None, earlier.encode())
        if not later.messages or later.messages[0].position != position:
            return None
        return Page([*earlier_page.messages, *later.messages], later.next, earlier_page.previous)

    async def stream(
        self,
        log: Log,
        accept: Accept | None = None,
        narrow: Narrow | None = None,
        *,
        cursor: Cursor | None = None,
    ) -> AsyncIterator[list[Message]]:
        """Yield the messages of a whole range, some at a time; memory does not grow with the range.

        Args:
            log: which log; its range and order count, also beside a cursor.
            accept: which messages are wanted; None: all.
            narrow: gives, for messages read together, another `accept`; asked instead of the first.
            cursor: where to begin: strictly beyond it; None: at the beginning.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        async for piece, _ in self._pieces(_scan(log, cursor, want=_SCAN_ROWS)):
            if narrow is not None:
                accept = await narrow(piece)
            wanted = piece if accept is None else [message for message in piece if accept(message)]
            if wanted:
                yield wanted

    async def buckets(self, log: Log) -> list[Bucket]:
        """Give the buckets that exist within a range of a log, in the log's order.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return [bucket async for bucket in self._buckets(_scan(log, None, want=1))]

    async def _pieces(self, scan: _Scan) -> AsyncIterator[tuple[list[Message], bool]]:
        """Yield what lies in the scan's way, a read at a time, and whether that read reached the end of its bucket."""
        read = rows.reader_of(scan.log.shape, scan.log.key)
        async for start_ms in self._starts(scan):
            whole = False
            while not whole:
                asked = scan.want
                found = await self._rows(scan, start_ms, asked)
                whole = len(found) < asked
                if found:
                    piece = [read(row) for row in found]
                    scan.bucket_ms = start_ms
                    if scan.descending:
                        scan.upper = piece[-1].position
                    else:
                        scan.lower = piece[-1].position
                    yield piece, whole

    async def _more_buckets(self, scan: _Scan) -> bool:
        """Say whether a bucket lies beyond the one read last, if need be by asking the index."""
        if not scan.index_read:
            async for _ in self._buckets(scan):
                return True
        return not scan.last_known

    async def _rows(self, scan: _Scan, start_ms: int, asked: int) -> Rows:
        log = scan.log
        statement = BoundStatement(self._prepared[log.shape.name].rows[scan.descending], fetch_size=asked)
        statement.values = [
            *map(rows.bigint, log.key),
            rows.bigint(start_ms),
            rows.timeuuid(scan.lower),
            rows.timeuuid(scan.upper),
            rows.int32(asked),
        ]
        return await self._session.execute(statement)

    async def _starts(self, scan: _Scan) -> AsyncIterator[int]:
        if scan.entry_ms is not None:
            yield scan.entry_ms
        async for bucket in self._buckets(scan):
            yield bucket.start_ms

    async def _buckets(self, scan: _Scan) -> AsyncIterator[Bucket]:
        """Yield the buckets beyond the entry that overlap what is scanned."""
        shape = scan.log.shape
        # Both are exclusive; at the very end of a millisecond, what follows is the next one.
        first_ms = scan.lower.sent_ms + (scan.lower.low == LAST_LOW)
        lowest = shape.width.start(max(first_ms, 0))
        end = scan.upper.sent_ms + (scan.upper.low != FIRST_LOW)
        if scan.entry_ms is not None:
            lowest, end = (lowest, scan.entry_ms) if scan.descending else (scan.entry_ms + 1, end)
        statement = self._prepared[shape.name].buckets[scan.descending]
        asked = _BUCKETS_AT_ONCE
        scan.index_read = True
        while True:
            index_rows = await self._session.execute(statement.bind((*scan.log.key, lowest, end, asked)))
            found = [Bucket(_unix_ms(start), Width(width)) for start, width in index_rows]
            for place, bucket in enumerate(found, 1):
                scan.last_known = place == len(found) < asked
                if bucket.end_ms > first_ms:
                    yield bucket
            if len(found) < asked:
                scan.last_known = True
                return
            lowest, end = (lowest, found[-1].start_ms) if scan.descending else (found[-1].start_ms + 1, end)


def _unix_ms(moment: dt.datetime) -> int:
    # The driver gives a timestamp as a naive datetime in UTC.
    return (moment - _EPOCH) // _MILLISECOND


def _scan(log: Log, cursor: Cursor | None, want: int) -> _Scan:
    """Begin where the cursor stands, or where the log's range begins."""
    lower, upper = log.bounds
    if cursor is None:
        return _Scan(log, log.newest_first, lower, upper, want)
    descending = log.newest_first != cursor.backwards
    if descending:
        upper = min(upper, cursor.position)
    else:
        lower = max(lower, cursor.position)
    return _Scan(log, descending, lower, upper, want, entry_ms=cursor.bucket_ms)


def taken(piece: list[Message], found: list[Message], limit: int, accept: Accept | None) -> tuple[Message | None, bool]:
    """Add to what was found until the limit; give the last message looked at, and whether any was left over."""
    if accept is None:
        taken = piece[: limit - len(found)]
        found += taken
        return taken[-1] if taken else None, len(piece) > len(taken)
    last: Message | None = None
    for message in piece:
        if len(found) == limit:
            return last, True
        last = message
        if accept(message):
            found.append(message)
    return last, False


def page_of(log: Log, found: list[Message], cursor: Cursor | None, stand: tuple[Position, int | None] | None) -> Page:
    """Give the page with its cursors.

    Args:
        log: with the range and order of the walk.
        found: the messages in the order in which they were read.
        cursor: which one asked for the page.
        stand: the last place looked at and its bucket, if more lies beyond.
    """
    onward = None
    if stand is not None:
        onward = cursor_at(log, *stand, backwards=cursor is not None and cursor.backwards).encode()
    if cursor is None:
        return Page(found, onward, None)
    # The page on the other side of the cursor begins with the line at which the cursor stands.
    descending = log.newest_first != cursor.backwards
    turned = cursor.position.before() if descending else cursor.position.after()
    back = cursor_at(log, turned, cursor.bucket_ms, backwards=not cursor.backwards).encode()
    return Page(found[::-1], back, onward) if cursor.backwards else Page(found, onward, back)


def cursor_at(log: Log, position: Position, bucket_ms: int | None, *, backwards: bool) -> Cursor:
    """Give the cursor that stands at a place of a walk."""
    return Cursor(log.shape, log.key, position, bucket_ms, log.from_ms, log.to_ms, log.newest_first, backwards)
