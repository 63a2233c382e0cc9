"""Counts what happened in a range of a log: by day or hour, by kind, and who said most.

The rows are read with four of their columns and counted as they come; what is kept does not grow with the range but
with how many spoke in it, and that is bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cassandra.query import BoundStatement, PreparedStatement

from store import rows, statements
from store.keys import FIRST_LOW, LAST_LOW, LOW_MASK, Position, Width, time_of
from store.message import MessageType
from store.opted_out import OptedOut, WhoIsOut, nobody
from store.reader import Log
from store.session import Rows, Session
from store.shapes import CHANNEL, CHANNEL_USER, Shape
from store.tiers import TieredReader

_COLUMNS = ("sent", "type", "author_id", "login")
_ROWS_AT_ONCE = 2000
_MOST_CHATTERS = 200_000


@dataclass(slots=True)
class Chatter:
    """Who spoke, how often, and under which login last."""

    user_id: int
    login: str
    messages: int = 0


@dataclass(slots=True)
class Counts:
    """What was counted.

    Attributes:
        through_ms: up to where, Unix milliseconds, exclusive; the end of the range unless counting was broken off.
        complete: whether the whole range was counted.
        periods: lines by the start of their day or hour (Unix milliseconds) and by their kind.
        chatters: who said something (PRIVMSG), by id.
    """

    through_ms: int
    complete: bool = True
    periods: dict[int, Counter[MessageType]] = field(default_factory=dict)
    chatters: dict[int, Chatter] = field(default_factory=dict)

    @property
    def types(self) -> Counter[MessageType]:
        """Lines by their kind."""
        total: Counter[MessageType] = Counter()
        for period in self.periods.values():
            total.update(period)
        return total

    def top(self, count: int) -> list[Chatter]:
        """Give those who said most."""
        return sorted(self.chatters.values(), key=lambda chatter: (-chatter.messages, chatter.user_id))[:count]


class Activity:
    """Counts in the logs of a channel and of a user in a channel."""

    def __init__(
        self,
        session: Session,
        reader: TieredReader,
        prepared: dict[str, PreparedStatement],
        who_is_out: WhoIsOut = nobody,
    ) -> None:
        self._session = session
        self._reader = reader
        self._prepared = prepared
        self._who_is_out = who_is_out

    @classmethod
    async def open(cls, session: Session, reader: TieredReader, who_is_out: WhoIsOut = nobody) -> Activity:
        """Prepare the statements; lines of those who are out do not count.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        selects = {
            shape.name: await session.prepare(statements.select(session, shape, descending=False, columns=_COLUMNS))
            for shape in (CHANNEL, CHANNEL_USER)
        }
        return cls(session, reader, selects, who_is_out)

    async def count(
        self, shape: Shape, key: tuple[int, ...], from_ms: int, to_ms: int, *, by: Width, budget_seconds: float
    ) -> Counts:
        """Count the lines of a range, oldest first.

        Args:
            shape: in which kind of log, of a channel or of a user in a channel.
            key: whose.
            from_ms: the first moment, Unix milliseconds, inclusive.
            to_ms: the last moment, Unix milliseconds, exclusive.
            by: how long a period is: a day or an hour of UTC.
            budget_seconds: after which counting is broken off at the end of a millisecond.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        counts = Counts(to_ms)
        deadline = time.monotonic() + budget_seconds
        log = Log(shape, key, from_ms, to_ms, newest_first=False)
        async for piece in self._pieces(log):
            _add(counts, piece, by, self._who_is_out(), owner=key[-1] if shape is CHANNEL_USER else None)
            if time.monotonic() > deadline or len(counts.chatters) > _MOST_CHATTERS:
                counts.complete = False
                counts.through_ms = time_of(piece[-1][0].int) + 1
                break
            await asyncio.sleep(0)  # whoever asked for a page does not wait for a month to be counted
        return counts

    async def _pieces(self, log: Log) -> AsyncIterator[Rows]:
        """Yield the rows of a range; those of one millisecond are never in two pieces."""
        old, recent = await self._reader.split(log)
        if old is not None:
            async for piece in self._old(old):
                yield piece
        if recent is None:
            return
        log = recent
        assert log.from_ms is not None
        assert log.to_ms is not None
        lower, upper = Position(log.from_ms - 1, LAST_LOW), Position(log.to_ms, FIRST_LOW)
        for bucket in await self._reader.hot.buckets(log):
            held: Rows = []
            whole = False
            while not whole:
                found = await self._rows(log, bucket.start_ms, lower, upper)
                whole = len(found) < _ROWS_AT_ONCE
                held += found
                cut = len(held)
                if found:
                    last = found[-1][0].int
                    lower = Position(time_of(last), last & LOW_MASK)
                if not whole:
                    # What shares the last row's millisecond may go on in the next read.
                    while cut and time_of(held[cut - 1][0].int) == lower.sent_ms:
                        cut -= 1
                if cut:
                    yield held[:cut]
                    held = held[cut:]

    async def _old(self, log: Log) -> AsyncIterator[Rows]:
        """Yield what lies before the horizon as if it were rows; those of one millisecond are never in two pieces."""
        held: Rows = []
        async for piece in self._reader.stream(log):
            held += [(m.sent, int(m.type), m.author_id or 0, m.login) for m in piece]
            cut = len(held)
            while cut and time_of(held[cut - 1][0].int) == piece[-1].sent_ms:
                cut -= 1
            if cut:
                yield held[:cut]
                held = held[cut:]
        if held:
            yield held

    async def _rows(self, log: Log, bucket_ms: int, lower: Position, upper: Position) -> Rows:
        statement = BoundStatement(self._prepared[log.shape.name], fetch_size=_ROWS_AT_ONCE)
        statement.values = [
            *map(rows.bigint, log.key),
            rows.bigint(bucket_ms),
            rows.timeuuid(lower),
            rows.timeuuid(upper),
            rows.int32(_ROWS_AT_ONCE),
        ]
        return await self._session.execute(statement)


def _add(counts: Counts, piece: Rows, by: Width, out: OptedOut, *, owner: int | None) -> None:
    """Count some rows; in a user's log an absent author is the user."""
    kinds = {int(kind): kind for kind in MessageType}
    for sent, number, author_id, login in piece:
        kind, sent_ms = kinds[number], time_of(sent.int)
        author = owner if author_id is None else author_id
        if out and out.hides_author(author or None, login, sent_ms):
            continue
        start = by.start(sent_ms)
        period = counts.periods.get(start)
        if period is None:
            period = counts.periods[start] = Counter()
        period[kind] += 1
        if kind is MessageType.PRIVMSG and author:
            chatter = counts.chatters.get(author)
            if chatter is None:
                chatter = counts.chatters[author] = Chatter(author, login or "")
            chatter.messages += 1
            chatter.login = login or chatter.login
