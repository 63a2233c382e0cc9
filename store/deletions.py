"""Deletes rows and partitions of the tables that hold lines; what is to be deleted, and in which order, is others'.

Every delete carries a write timestamp. Lines are written with the time at which they were said as theirs, so a delete
"up to a moment" takes what was said before it, also what a spool brings later while the tombstone is there, and leaves
what is said after it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import TypeAlias

from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement

from store import moderation, rows
from store.buckets import Bucket
from store.keys import Position
from store.reader import Log, Reader
from store.session import Session
from store.shapes import SHAPES, Key, Shape

_IN_A_BATCH = 64
_AT_ONCE = 8
_MOST_REMEMBERED = 10_000

Delete: TypeAlias = BoundStatement
"""A statement that deletes something."""


class Deletions:
    """Gives the statements that delete, and carries them out.

    Args:
        session: where.
        reader: finds the buckets.
        prepared: the statements.
        through_ms: what was said before this moment, Unix milliseconds, is deleted.
    """

    def __init__(
        self, session: Session, reader: Reader, prepared: dict[str, PreparedStatement], through_ms: int
    ) -> None:
        self._session = session
        self._reader = reader
        self._prepared = prepared
        self._timestamp = through_ms * 1000 - 1
        self._known: dict[tuple[str, Key, int], list[Bucket]] = {}

    @classmethod
    async def open(cls, session: Session, reader: Reader, through_ms: int) -> Deletions:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {name: await session.prepare(cql) for name, cql in _statements(session).items()}
        return cls(session, reader, prepared, through_ms)

    async def line(self, shape: Shape, key: Key, position: Position) -> list[Delete]:
        """Give what deletes a line from one log.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return [
            self._bound(f"{shape.table} row", (*key, bucket.start_ms), rows.timeuuid(position))
            for bucket in await self.buckets_at(shape, key, position.sent_ms)
        ]

    async def lines_through(self, shape: Shape, key: Key, position: Position) -> list[Delete]:
        """Give what deletes a line and those before it in its bucket from one log.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return [
            self._bound(f"{shape.table} range", (*key, bucket.start_ms), rows.timeuuid(position))
            for bucket in await self.buckets_at(shape, key, position.sent_ms)
        ]

    def bucket(self, shape: Shape, key: Key, bucket: Bucket, *, in_index: bool = False) -> list[Delete]:
        """Give what deletes a bucket of a log, also from the index unless it is to stay there."""
        whole = self._bound(f"{shape.table} partition", (*key, bucket.start_ms))
        return [whole] if in_index else [whole, self.index_row(shape, key, bucket)]

    def index_row(self, shape: Shape, key: Key, bucket: Bucket) -> Delete:
        """Give what says that a bucket of a log is not there."""
        return self._bound(f"{shape.index} row", (*key, bucket.start_ms))

    def moderation(self, table: str, place: tuple[int, int | str], position: Position) -> Delete:
        """Give what deletes a row of a table of moderation."""
        return self._bound(f"{table} row", place, rows.timeuuid(position))

    async def buckets_at(self, shape: Shape, key: Key, sent_ms: int) -> list[Bucket]:
        """Give the buckets of a log that can hold a time: there may be a day and an hour of it.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        place = (shape.name, key, shape.width.start(sent_ms))
        known = self._known.get(place)
        if known is None:
            end_ms = shape.width.end(place[2])
            known = await self._reader.buckets(Log(shape, key, place[2], end_ms, newest_first=False))
            # Where the index has expired before the lines, or was not written, the usual bucket is tried.
            known = known or [Bucket(place[2], shape.width)]
            while len(self._known) >= _MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[place] = known
        return [bucket for bucket in known if bucket.start_ms <= sent_ms < bucket.end_ms]

    async def carry_out(self, deletes: Iterable[Delete]) -> None:
        """Delete, in batches of what lies on the same replicas; when this returns, all of it is acknowledged.

        Raises:
            StoreUnavailable: Cassandra did not acknowledge all of it; doing the same again is right.
        """
        groups: dict[Hashable, list[Delete]] = defaultdict(list)
        for delete in deletes:
            groups[self._session.replica_set(delete)].append(delete)
        batches = [
            group[start : start + _IN_A_BATCH]
            for group in groups.values()
            for start in range(0, len(group), _IN_A_BATCH)
        ]
        for start in range(0, len(batches), _AT_ONCE):
            at_once = batches[start : start + _AT_ONCE]
            await asyncio.gather(*(self._session.execute(_batch(batch)) for batch in at_once))

    def _bound(self, name: str, place: tuple[int | str, ...], *more: bytes) -> Delete:
        statement = BoundStatement(self._prepared[name])
        key = [part.encode() if isinstance(part, str) else rows.bigint(part) for part in place]
        statement.values = [rows.bigint(self._timestamp), *key, *more]
        return statement


def _batch(deletes: list[Delete]) -> BatchStatement | Delete:
    if len(deletes) == 1:
        return deletes[0]
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.is_idempotent = True
    for delete in deletes:
        batch.add(delete)
    return batch


def _statements(session: Session) -> dict[str, str]:
    """Give the CQL by what it deletes; the first value is the write timestamp, in microseconds."""
    found: dict[str, str] = {}

    def add(table: str, name: str, *columns: str) -> None:
        where = " AND ".join(column if "?" in column else f"{column} = ?" for column in columns)
        found[f"{table} {name}"] = f"DELETE FROM {session.table(table)} USING TIMESTAMP ? WHERE {where}"

    for shape in SHAPES:
        add(shape.table, "row", *shape.key, "bucket", "sent")
        add(shape.table, "range", *shape.key, "bucket", "sent <= ?")
        add(shape.table, "partition", *shape.key, "bucket")
        add(shape.index, "row", *shape.key, "bucket")
    for table in moderation.TABLES:
        add(table, "row", *moderation.KEYS[table], "sent")
    return found
