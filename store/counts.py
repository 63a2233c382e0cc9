"""Counts lines without fetching them: how many a log has, where its nth line stands, and a line of it by chance.

Cassandra counts a bucket by skimming it, and sends one number. So the cost of a count grows with the range, but on the
node alone. What the lines say is `store.reader`'s and `store.statistics`'.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cassandra.query import BoundStatement, PreparedStatement

from store import rows, statements
from store.buckets import Bucket
from store.cursor import Cursor
from store.keys import FIRST_LOW, LAST_LOW, LOW_MASK, Position, time_of
from store.message import Message
from store.reader import Log, Reader
from store.session import Rows, Session
from store.shapes import SHAPES, Key, Shape

_AT_ONCE = 8
"""Counts under way together."""
_KEYS = 5000
"""Keys in one read, 16 bytes each; to skip so few, they are read rather than counted."""
_SKIMMED = 10_000
"""Rows that a node skims in one go of a count."""
_PIECES = 16
"""Into how many pieces of time a crowded bucket is cut to find a place in it."""
_TRIES = 3
_DRAWN = 16
"""Buckets that are counted, at most, to choose one line by chance."""
_MOST_REMEMBERED = 50_000
_REMEMBERED_SECONDS = 3600.0
"""For how long a count holds: lines of a finished day may still be imported, or expire."""
_SETTLED_MS = 3_600_000
"""So long after its end a bucket is taken as finished."""


_BucketName = tuple[Shape, Key, int]


@dataclass(frozen=True, slots=True)
class _Window:
    """Where in a log is looked: a bucket, and two places, both exclusive."""

    log: Log
    bucket_ms: int
    lower: Position
    upper: Position


class Counts:
    """Counts in the logs of all shapes; remembers the counts of finished buckets."""

    def __init__(
        self,
        session: Session,
        reader: Reader,
        counting: dict[str, PreparedStatement],
        keys: dict[tuple[str, bool], PreparedStatement],
    ) -> None:
        self._session = session
        self._reader = reader
        self._counting = counting
        self._keys = keys
        self._remembered: dict[_BucketName, tuple[float, int]] = {}

    @classmethod
    async def open(cls, session: Session, reader: Reader) -> Counts:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        counting = {shape.name: await session.prepare(statements.count(session, shape)) for shape in SHAPES}
        keys = {
            (shape.name, down): await session.prepare(
                statements.select(session, shape, descending=down, columns=("sent",))
            )
            for shape in SHAPES
            for down in (False, True)
        }
        return cls(session, reader, counting, keys)

    async def of(self, log: Log) -> int:
        """Give how many lines a range of a log has.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        buckets = await self._reader.buckets(log)
        return sum(await self._count_all([_window(log, bucket) for bucket in buckets]))

    async def skip(self, log: Log, lines: int) -> Cursor | None:
        """Give the cursor that stands at the last of so many lines, so that reading goes on with the one after them.

        Buckets that are skipped whole are counted, some at a time; within the last one pieces of time are, until what
        remains is five thousand keys, which are read. The node skims what is skipped; five thousand lines or fewer are
        one read of keys in each bucket.

        Args:
            log: which log, in its order.
            lines: how many, at least one.

        Returns:
            The cursor; None if the log has fewer lines.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        windows = [_window(log, bucket) for bucket in await self._reader.buckets(log)]
        left = lines
        while windows and left > _KEYS:
            group, windows = windows[:_AT_ONCE], windows[_AT_ONCE:]
            for place, counted in enumerate(await self._count_all(group)):
                if counted >= left:
                    found = await self._nth(group[place], left)
                    return found and _cursor(group[place], found)
                left -= counted
                if left <= _KEYS:
                    windows = group[place + 1 :] + windows
                    break
        for window in windows:
            keys = await self._first_keys(window, left)
            if len(keys) == left:
                return _cursor(window, keys[-1])
            left -= len(keys)
        return None

    async def any_line(self, log: Log) -> Message | None:
        """Choose a line of a log by chance; None if it has none.

        Every line is as likely as every other among the buckets whose counts are known. A call counts at most sixteen
        buckets that it draws by chance from those not known, and remembers finished ones for an hour: of a log of up
        to sixteen buckets the choice is uniform from the first call on, of a longer one once it was asked a few times;
        until then a line of a thin bucket is a little likelier. Besides the counts it costs the way to one place in
        one bucket, as `skip`, and one page of one line.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        buckets = await self._reader.buckets(log)
        for _ in range(_TRIES + len(buckets) // _DRAWN):
            known = await self._known(log, buckets)
            total = sum(known.values())
            place = random.randrange(total) if total else 0
            for bucket, counted in known.items():
                if place < counted:
                    found = await self._line(_window(log, bucket), place)
                    if found is not None:
                        return found
                    # Lines of it are gone since it was counted.
                    self._remembered.pop(_name(log, bucket), None)
                    break
                place -= counted
        page = await self._reader.page(log, limit=1)
        return page.messages[0] if page.messages else None

    async def _known(self, log: Log, buckets: Sequence[Bucket]) -> dict[Bucket, int]:
        """Give the counts that are remembered, and those of some further buckets, drawn by chance."""
        now = time.monotonic()
        known = {}
        for bucket in buckets:
            until, counted = self._remembered.get(_name(log, bucket), (now, 0))
            if until > now and _is_whole(log, bucket):
                known[bucket] = counted
        unknown = [bucket for bucket in buckets if bucket not in known]
        drawn = random.sample(unknown, min(len(unknown), _DRAWN))
        settled = time.time_ns() // 1_000_000 - _SETTLED_MS
        for bucket, counted in zip(
            drawn, await self._count_all([_window(log, bucket) for bucket in drawn]), strict=True
        ):
            known[bucket] = counted
            if bucket.end_ms < settled and _is_whole(log, bucket):
                self._remembered[_name(log, bucket)] = now + _REMEMBERED_SECONDS, counted
        while len(self._remembered) > _MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return known

    async def _line(self, window: _Window, place: int) -> Message | None:
        """Read the line at a place in a bucket, counted from 0."""
        position = await self._nth(window, place + 1)
        if position is None:
            return None
        before = position.after() if window.log.newest_first else position.before()
        page = await self._reader.page(window.log, limit=1, cursor=_cursor(window, before))
        return page.messages[0] if page.messages else None

    async def _nth(self, window: _Window, nth: int) -> Position | None:
        """Give the place of the nth line in a window, counted from 1 in the log's order."""
        while nth > _KEYS and window.upper.sent_ms - window.lower.sent_ms > _PIECES:
            pieces = _pieces(window)
            for place, counted in enumerate(await self._count_all(pieces)):
                if counted >= nth:
                    window = pieces[place]
                    break
                nth -= counted
            else:
                return None
        keys = await self._first_keys(window, nth)
        return keys[-1] if len(keys) == nth else None

    async def _count_all(self, windows: Sequence[_Window]) -> list[int]:
        """Count in windows, some of them at a time."""
        counted: list[int] = []
        for start in range(0, len(windows), _AT_ONCE):
            answers = await asyncio.gather(
                *(
                    self._ask(self._counting[window.log.shape.name], window)
                    for window in windows[start : start + _AT_ONCE]
                )
            )
            counted += [found[0][0] for found in answers]
        return counted

    async def _first_keys(self, window: _Window, limit: int) -> list[Position]:
        """Give the places of the first lines in a window, as many as asked for where there are so many."""
        down = window.log.newest_first
        statement = self._keys[window.log.shape.name, down]
        found: list[Position] = []
        while limit > len(found):
            asked = min(_KEYS, limit - len(found))
            answer = await self._ask(statement, window, rows.int32(asked))
            found += [Position(time_of(sent.int), sent.int & LOW_MASK) for (sent,) in answer]
            if len(answer) < asked:
                break
            window = replace(window, upper=found[-1]) if down else replace(window, lower=found[-1])
        return found

    async def _ask(self, prepared: PreparedStatement, window: _Window, *more: bytes) -> Rows:
        statement = BoundStatement(prepared, fetch_size=_SKIMMED)
        statement.values = [
            *map(rows.bigint, window.log.key),
            rows.bigint(window.bucket_ms),
            rows.timeuuid(window.lower),
            rows.timeuuid(window.upper),
            *more,
        ]
        return await self._session.execute(statement)


def _name(log: Log, bucket: Bucket) -> _BucketName:
    return log.shape, log.key, bucket.start_ms


def _is_whole(log: Log, bucket: Bucket) -> bool:
    """Say whether all of a bucket lies within the range of a log."""
    first, end = Position(bucket.start_ms - 1, LAST_LOW), Position(bucket.end_ms, FIRST_LOW)
    lower, upper = log.bounds
    return not first < lower and not upper < end


def _window(log: Log, bucket: Bucket) -> _Window:
    """Give the part of a log that lies in a bucket."""
    lower, upper = log.bounds
    lower = max(lower, Position(bucket.start_ms - 1, LAST_LOW))
    upper = min(upper, Position(bucket.end_ms, FIRST_LOW))
    return _Window(log, bucket.start_ms, lower, upper)


def _pieces(window: _Window) -> list[_Window]:
    """Cut a window into pieces of time, in the log's order."""
    first, last = window.lower.sent_ms + 1, window.upper.sent_ms
    cuts = [first + (last - first) * part // _PIECES for part in range(1, _PIECES)]
    lowers = [window.lower, *(Position(cut - 1, LAST_LOW) for cut in cuts)]
    uppers = [*(Position(cut, FIRST_LOW) for cut in cuts), window.upper]
    pieces = [replace(window, lower=lower, upper=upper) for lower, upper in zip(lowers, uppers, strict=True)]
    return pieces[::-1] if window.log.newest_first else pieces


def _cursor(window: _Window, position: Position) -> Cursor:
    log = window.log
    return Cursor(
        log.shape, log.key, position, window.bucket_ms, log.from_ms, log.to_ms, log.newest_first, backwards=False
    )
