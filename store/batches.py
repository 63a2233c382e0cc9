"""Groups rows into batches that one coordinator owns all of, and sends them.

Rows of different partitions that lie on the same replicas share an UNLOGGED batch; who writes which rows is the
caller's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cassandra.query import BatchStatement, BatchType, BoundStatement

from store import rows
from store.message import Message
from store.session import Session

MOST_ROWS = 64
"""Rows in a batch: more give no more speed (bench/ingest.py)."""
MOST_BYTES = 40 * 1024
"""Bytes in a batch: the server refuses one of 50 KiB (batch_size_fail_threshold) over several partitions."""

_AT_ONCE = 32
"""Batches under way together where many rows of indexes are written."""


class Row(NamedTuple):
    """The values of a statement, how many bytes they take, and the message they belong to."""

    values: list[rows.Value]
    size: int
    message: Message | None


class Partition(NamedTuple):
    """Rows of one partition that are ready to be sent, and the statement that takes their values one after the other.

    The driver copies a statement's values into a batch, or a request, when it is added or sent; so one statement,
    which knows on which replicas it lies, does for all rows.
    """

    statement: BoundStatement
    rows: list[Row]

    @classmethod
    def of(cls, statement: BoundStatement) -> Partition:
        """Give the partition of one row that is bound already."""
        return cls(statement, [Row(statement.values, rows.size_of(statement.values), None)])


@dataclass(slots=True)
class Batch:
    """Rows that are sent in one request, each with its partition's statement."""

    rows: list[tuple[BoundStatement, Row]] = field(default_factory=list)
    size: int = 0

    def takes(self, row: Row) -> bool:
        """Say whether there is room for a row."""
        return not self.rows or (len(self.rows) < MOST_ROWS and self.size + row.size <= MOST_BYTES)

    def request(self) -> BatchStatement | BoundStatement:
        """Give what is to be sent, at once, before the statements take other rows' values."""
        if len(self.rows) == 1:
            return filled(*self.rows[0])
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.is_idempotent = True
        for statement, row in self.rows:
            batch.add(filled(statement, row))
        return batch


def filled(statement: BoundStatement, row: Row) -> BoundStatement:
    """Give a partition's statement with the values of a row."""
    statement.values = row.values
    return statement


def batches_of(session: Session, partitions: Iterable[Partition]) -> Iterator[Batch]:
    """Group rows that lie on the same replicas, so that whoever coordinates a batch owns all of it."""
    open_batches: dict[Hashable, Batch] = {}
    for statement, ready in partitions:
        group = session.replica_set(filled(statement, ready[0]))
        batch = open_batches.setdefault(group, Batch())
        for row in ready:
            if not batch.takes(row):
                yield batch
                batch = open_batches[group] = Batch()
            batch.rows.append((statement, row))
            batch.size += row.size
    yield from open_batches.values()


async def send_all(session: Session, statements: Iterable[BoundStatement]) -> None:
    """Send small rows of many partitions in batches, some at once.

    Raises:
        StoreError: Cassandra refuses one.
        StoreUnavailable: Cassandra did not acknowledge all of it; sending it again is right.
    """
    waiting: list[asyncio.Future[list[tuple[object, ...]]]] = []
    for batch in batches_of(session, map(Partition.of, statements)):
        waiting.append(session.execute(batch.request()))
        if len(waiting) == _AT_ONCE:
            await asyncio.gather(*waiting)
            waiting = []
    await asyncio.gather(*waiting)
