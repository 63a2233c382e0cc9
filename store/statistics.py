"""Statistics over a range of a log: who said how much.

It reads the authors of the lines and nothing else of them; mere numbers of lines are `store.counts`'.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from cassandra.query import BoundStatement, PreparedStatement

from store import rows, statements
from store.keys import LOW_MASK, Position, time_of
from store.opted_out import WhoIsOut, nobody
from store.reader import Log
from store.session import Session
from store.shapes import CHANNEL
from store.tiers import TieredReader

_AT_ONCE = 5000
"""Rows in one read: of each there are 24 bytes."""


@dataclass(frozen=True, slots=True)
class Chatters:
    """Who said how much.

    Attributes:
        lines: how many lines there are, of any kind.
        by_user: how many of them each user wrote, or was hit by.
    """

    lines: int
    by_user: Counter[int]


class Statistics:
    """Reads through the log of a channel, thinly."""

    def __init__(
        self, session: Session, reader: TieredReader, authors: PreparedStatement, who_is_out: WhoIsOut = nobody
    ) -> None:
        self._session = session
        self._reader = reader
        self._authors = authors
        self._who_is_out = who_is_out

    @classmethod
    async def open(cls, session: Session, reader: TieredReader, who_is_out: WhoIsOut = nobody) -> Statistics:
        """Prepare the statement; lines of those who are out do not count.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        cql = statements.select(session, CHANNEL, descending=False, columns=("sent", "author_id"))
        return cls(session, reader, await session.prepare(cql), who_is_out)

    async def chatters(self, log: Log) -> Chatters:
        """Count the lines of a range of a channel's log by their users.

        The time it takes grows with the range, the memory with the number of its users.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        lines, by_user = 0, Counter[int]()
        old, recent = await self._reader.split(log)
        if old is not None:
            async for piece in self._reader.stream(old):
                lines += len(piece)
                by_user.update(message.author_id for message in piece if message.author_id is not None)
        if recent is None:
            return Chatters(lines, by_user)
        log = recent
        for bucket in await self._reader.hot.buckets(log):
            lower, upper = log.bounds
            whole = False
            while not whole:
                statement = BoundStatement(self._authors, fetch_size=_AT_ONCE)
                statement.values = [
                    *map(rows.bigint, log.key),
                    rows.bigint(bucket.start_ms),
                    rows.timeuuid(lower),
                    rows.timeuuid(upper),
                    rows.int32(_AT_ONCE),
                ]
                found = await self._session.execute(statement)
                whole = len(found) < _AT_ONCE
                if found:
                    last = found[-1][0].int
                    lower = Position(time_of(last), LOW_MASK & last)
                if out := self._who_is_out():
                    found = [row for row in found if not out.hides_author(row[1], None, time_of(row[0].int))]
                lines += len(found)
                by_user.update(author for _, author in found if author is not None)
                await asyncio.sleep(0)
        return Chatters(lines, by_user)
