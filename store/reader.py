"""Reads a log page by page: from bucket to bucket, in either direction, with cursors of our own.

A page is one partition read and at most one index read; only a page that its bucket cannot fill goes on to the next
bucket, and only a search, or a page with lines of those who opted out, reads more than it gives. Those lines are left
out here, so that nobody who reads messages can forget it. Where buckets overlap (`store.buckets`), those of a stretch
of time are read together: what they hold is given in order, and what several of them hold is given once.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import Self

from cassandra.query import BoundStatement, PreparedStatement

from store import rows, statements
from store.buckets import Bucket, Stretch, merged, walked, widest
from store.cursor import Cursor
from store.filters import Accept, Narrow, take_of, taken
from store.keys import FIRST_LOW, LAST_LOW, LATEST_MS, MS_IN_DAY, Position, Width, starts_between, timeuuid
from store.merging import ahead
from store.message import Message
from store.opted_out import WhoIsOut, nobody
from store.session import Rows, Session
from store.shapes import CHANNEL, SHAPES, Key, Shape

_BUCKETS_AT_ONCE, _MOST_BUCKETS_AT_ONCE = 64, 1024
_SCAN_ROWS = 1000
"""Rows in one read of a search or of a stream."""

_EVER = (0, LATEST_MS)
_NEWEST_BUCKETS = 8
"""In one request for the newest lines; of a channel those of about six hours."""


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

    @classmethod
    def of_day(cls, channel_id: int, day_ms: int) -> Self:
        """Give the log of a channel on a UTC day that starts then, Unix milliseconds; oldest first."""
        return cls(CHANNEL, (channel_id,), day_ms, day_ms + MS_IN_DAY, newest_first=False)

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
class _Statements:
    """The statements of one shape: by whether they read downwards, and the one that reads the newest rows."""

    rows: dict[bool, PreparedStatement]
    buckets: dict[bool, PreparedStatement]
    newest: PreparedStatement


@dataclass(slots=True)
class _Scan:
    """A read through the buckets of a log in one direction.

    Attributes:
        log: which log.
        descending: the direction.
        lower: what is read lies strictly beyond this.
        upper: what is read lies strictly before this.
        want: how many rows to ask for at a time.
        entry_ms: the bucket to begin in, where that is known and no other overlapped it.
        bucket_ms: the bucket read last; None where several were read together.
        index_read: whether it is known which buckets lie beyond the entry.
        last_known: whether the stretch read last is known to be the last one.
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

    # Both bounds are exclusive; at the very end of a millisecond, what follows is the next one.

    @property
    def first_ms(self) -> int:
        """The first millisecond of what is scanned."""
        return self.lower.sent_ms + (self.lower.low == LAST_LOW)

    @property
    def end_ms(self) -> int:
        """The first millisecond that is no longer in what is scanned."""
        return self.upper.sent_ms + (self.upper.low != FIRST_LOW)


class Reader:
    """Reads the logs of all shapes."""

    def __init__(self, session: Session, prepared: dict[str, _Statements], who_is_out: WhoIsOut = nobody) -> None:
        self._session = session
        self._prepared = prepared
        self._who_is_out = who_is_out

    @property
    def session(self) -> Session:
        """Where it reads."""
        return self._session

    @classmethod
    async def open(cls, session: Session, who_is_out: WhoIsOut = nobody) -> Reader:
        """Prepare the statements.

        Args:
            session: where to read.
            who_is_out: whose lines are not given.

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
                await session.prepare(statements.select_newest(session, shape)),
            )
        return cls(session, prepared, who_is_out)

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
        searches = accept is not None or narrow is not None
        # What is left out for those who opted out is soon erased: a page of a log is full all the same.
        deadline = time.monotonic() + budget_seconds if searches else math.inf
        take = take_of(self._who_is_out(), accept)
        found: list[Message] = []
        last: Message | None = None
        more = False
        async for piece, whole in self._pieces(scan):
            if narrow is not None:
                take = take_of(self._who_is_out(), await narrow(piece))
            looked_at, more = taken(piece, found, limit, take)
            last = looked_at or last
            if more or len(found) == limit or time.monotonic() > deadline:
                more = more or not whole or await self._more_buckets(scan)
                break
        stand = (last.position, scan.bucket_ms) if more and last is not None else None
        return page_of(log, found, cursor, stand)

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
        async with contextlib.aclosing(ahead(self._pieces(_scan(log, cursor, want=_SCAN_ROWS)))) as pieces:
            async for piece, _ in pieces:
                if narrow is not None:
                    accept = await narrow(piece)
                # Asked anew for each piece: a stream may last longer than it takes to opt out.
                take = take_of(self._who_is_out(), accept)
                wanted = piece if take is None else [shown for message in piece if (shown := take(message)) is not None]
                if wanted:
                    yield wanted

    async def newest(self, shape: Shape, key: Key, after: Position, until_ms: int) -> list[Message] | None:
        """Read what lies beyond a place near the end of a log, oldest first, in a single request without the index.

        It asks every bucket that a line of that time may be in, whether it exists or not.

        Args:
            shape: in which kind of log.
            key: whose.
            after: the place.
            until_ms: up to about when, Unix milliseconds: lines of later buckets are not seen.

        Returns:
            The messages; None where that is too far from the end, or where there are too many: `stream` gives them.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        widths = list(Width)[: list(Width).index(shape.width) + 1]  # the narrowest comes first
        starts = {start for width in widths for start in starts_between(width, max(after.sent_ms, 0), until_ms + 1)}
        if len(starts) > _NEWEST_BUCKETS:
            return None
        statement = BoundStatement(self._prepared[shape.name].newest, fetch_size=_SCAN_ROWS)
        statement.bind((*key, sorted(starts), uuid.UUID(int=timeuuid(*after)), _SCAN_ROWS))
        found = await self._session.execute(statement)
        if len(found) == _SCAN_ROWS:
            return None
        messages = merged([list(map(rows.reader_of(shape, key), found))], _SCAN_ROWS, descending=False)
        take = take_of(self._who_is_out(), None)
        return messages if take is None else [shown for message in messages if (shown := take(message)) is not None]

    async def buckets(self, log: Log) -> list[Bucket]:
        """Give the buckets that exist within a range of a log, in the log's order.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return widest([bucket async for bucket in self._buckets(_scan(log, None, want=1))])

    async def _pieces(self, scan: _Scan) -> AsyncGenerator[tuple[list[Message], bool], None]:
        """Yield what lies in the scan's way, a read at a time, and whether that read reached the end of its stretch."""
        async for stretch in self._stretches(scan):
            whole = False
            while not whole:
                piece, whole = await self._read(scan, stretch)
                if piece:
                    scan.bucket_ms = stretch.starts[0] if stretch.alone else None
                    if scan.descending:
                        scan.upper = piece[-1].position
                    else:
                        scan.lower = piece[-1].position
                    yield piece, whole

    async def _read(self, scan: _Scan, stretch: Stretch) -> tuple[list[Message], bool]:
        """Read on in a stretch; say too whether that was the rest of it."""
        read = rows.reader_of(scan.log.shape, scan.log.key)
        lower, upper = scan.lower, scan.upper
        if not stretch.alone:
            lower = max(lower, Position(stretch.from_ms - 1, LAST_LOW), key=_order)
            upper = min(upper, Position(stretch.to_ms, FIRST_LOW), key=_order)
        asked = scan.want
        if len(stretch.starts) == 1:
            piece = [read(row) for row in await self._rows(scan, stretch.starts[0], lower, upper, asked)]
            return piece, len(piece) < asked
        answers = await asyncio.gather(*(self._rows(scan, start, lower, upper, asked) for start in stretch.starts))
        pieces = [[read(row) for row in answer] for answer in answers]
        return merged(pieces, asked, descending=scan.descending), all(len(piece) < asked for piece in pieces)

    async def _more_buckets(self, scan: _Scan) -> bool:
        """Say whether a bucket lies beyond what was read last, if need be by asking the index."""
        if not scan.index_read:
            async for _ in self._beyond(scan):
                return True
        return not scan.last_known

    async def _rows(self, scan: _Scan, start_ms: int, lower: Position, upper: Position, asked: int) -> Rows:
        log = scan.log
        statement = BoundStatement(self._prepared[log.shape.name].rows[scan.descending], fetch_size=asked)
        statement.values = [
            *map(rows.bigint, log.key),
            rows.bigint(start_ms),
            rows.timeuuid(lower),
            rows.timeuuid(upper),
            rows.int32(asked),
        ]
        return await self._session.execute(statement)

    async def _stretches(self, scan: _Scan) -> AsyncIterator[Stretch]:
        if scan.entry_ms is not None:
            yield Stretch(*_EVER, (scan.entry_ms,), alone=True)
        async for stretch in self._beyond(scan):
            yield stretch

    async def _beyond(self, scan: _Scan) -> AsyncIterator[Stretch]:
        """Yield the stretches beyond the entry that overlap what is scanned.

        No bucket is wider than the shape's own width, so buckets overlap only within one such window.
        """
        frame, scan.index_read = scan.log.shape.width, True
        window: list[Bucket] = []
        async for bucket in self._buckets(scan):
            if window and frame.start(bucket.start_ms) != frame.start(window[0].start_ms):
                scan.last_known = False
                for stretch in walked(window, scan.first_ms, scan.end_ms, descending=scan.descending):
                    yield stretch
                window = []
            window.append(bucket)
        found = walked(window, scan.first_ms, scan.end_ms, descending=scan.descending)
        for stretch in found:
            scan.last_known = stretch is found[-1]
            yield stretch
        scan.last_known = True

    async def _buckets(self, scan: _Scan) -> AsyncIterator[Bucket]:
        """Yield the buckets beyond the entry that overlap what is scanned, in its direction."""
        shape = scan.log.shape
        lowest, end = shape.width.start(max(scan.first_ms, 0)), scan.end_ms
        statement = self._prepared[shape.name].buckets[scan.descending]
        asked = _BUCKETS_AT_ONCE
        before: set[Bucket] = set()
        while True:
            index_rows = await self._session.execute(statement.bind((*scan.log.key, lowest, end, asked)))
            found = [Bucket(rows.unix_ms(start), Width(width)) for start, width in index_rows]
            for bucket in found:
                if bucket.end_ms > scan.first_ms and bucket.start_ms != scan.entry_ms and bucket not in before:
                    yield bucket
            if len(found) < asked:
                return
            # The last start is asked for again: there may be another bucket of the same.
            before, asked = set(found), min(2 * asked, _MOST_BUCKETS_AT_ONCE)
            lowest, end = (lowest, found[-1].start_ms + 1) if scan.descending else (found[-1].start_ms, end)


def _order(position: Position) -> tuple[int, int]:
    return position.order


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
