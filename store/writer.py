"""Writes messages to every log they stand in, in batches whose rows lie on the same replicas.

A bucket's index row is acknowledged before the first row of the bucket is sent, so no line is ever out of a reader's
sight. Writing the same message again changes nothing. Where messages come from, and what is done when Cassandra cannot
answer for a while, is the caller's business.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement

from store import rows, statements
from store.errors import StoreError, StoreUnavailable
from store.keys import MS_IN_DAY, Width
from store.message import Message
from store.retention import Retention
from store.session import Session
from store.shapes import SHAPES, Key, Shape
from store.sightings import Sightings

MOST_ROWS = 32
"""Rows in a batch: more give no more speed (bench/ingest.py)."""
MOST_BYTES = 40 * 1024
"""Bytes in a batch: the server refuses one of 50 KiB (batch_size_fail_threshold) over several partitions."""

_SMALL = 256  # bytes that a row of an index or of names takes at most
_MOST_REMEMBERED_BUCKETS = 200_000
_FURTHEST_AHEAD_MS = MS_IN_DAY

Bucket = tuple[str, Key, int]
"""A shape's name, whose log, and the start of the bucket in Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was not written, and why it never can be."""

    message: Message
    reason: str


@dataclass(slots=True)
class Written:
    """What became of the messages that were handed in.

    Attributes:
        messages: how many have all their rows acknowledged.
        rows: how many rows of message tables that were.
        batches: in how many batches.
        refused: those that have no place, with the reason.
    """

    messages: int = 0
    rows: int = 0
    batches: int = 0
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    """A statement that is ready to be sent, and the message it belongs to."""

    statement: BoundStatement
    size: int
    message: Message | None


def always_default(shape: Shape, _key: Key, _sent_ms: int) -> Width:
    """Give every key of a shape the shape's own width."""
    return shape.width


class Writer:
    """Writes messages to the tables of all shapes, and learns names and channels from them."""

    def __init__(
        self,
        session: Session,
        retention: Retention,
        sightings: Sightings,
        inserts: dict[str, tuple[PreparedStatement, PreparedStatement]],
        *,
        width_of: Callable[[Shape, Key, int], Width] = always_default,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.retention = retention
        self._session = session
        self._sightings = sightings
        self._inserts = inserts
        self._width_of = width_of
        self._clock_ms = clock_ms
        self._known: dict[Bucket, None] = {}

    @classmethod
    async def open(
        cls,
        session: Session,
        retention: Retention | None = None,
        *,
        width_of: Callable[[Shape, Key, int], Width] = always_default,
    ) -> Writer:
        """Prepare the statements.

        Args:
            session: where to write.
            retention: how long lines are kept; None: what the tables say.
            width_of: how wide the bucket is that holds a time (Unix milliseconds) in a log.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        inserts = {
            shape.name: (
                await session.prepare(statements.insert(session, shape)),
                await session.prepare(statements.insert_bucket(session, shape)),
            )
            for shape in SHAPES
        }
        kept = retention or await Retention.of_tables(session)
        return cls(session, kept, await Sightings.open(session), inserts, width_of=width_of)

    async def write(self, messages: Sequence[Message]) -> Written:
        """Write messages; when this returns, every row of all that were not refused is acknowledged.

        Raises:
            StoreUnavailable: Cassandra did not acknowledge all of it; writing the same again is right.
        """
        outcome = Written()
        buckets: dict[Bucket, BoundStatement] = {}
        message_rows: dict[Bucket, list[_Row]] = {}
        now_ms = self._clock_ms()
        for message in messages:
            reason = self._place(message, now_ms, buckets, message_rows)
            if reason is not None:
                outcome.refused.append(Refused(message, reason))
            else:
                self._sightings.see(message)
        due = self._sightings.due()
        before = [_Row(statement, _SMALL, None) for statement in buckets.values()]
        before += [_Row(statement, _SMALL, None) for statement in self._sightings.statements(due)]
        if before:
            await self._send(before, Written())
            self._remember(buckets)
            self._sightings.written(due)
        # Row by row of one partition after the other: the server makes one mutation of those in a batch.
        await self._send(itertools.chain.from_iterable(message_rows.values()), outcome)
        outcome.messages = len(messages) - len({id(refused.message) for refused in outcome.refused})
        return outcome

    async def flush(self, *, everything: bool = True) -> None:
        """Write the last sights of names and channels that waited for more to come together.

        Args:
            everything: also those that have not waited long.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        due = self._sightings.due(everything=everything)
        if due:
            await self._send([_Row(found, _SMALL, None) for found in self._sightings.statements(due)], Written())
            self._sightings.written(due)

    def _place(
        self,
        message: Message,
        now_ms: int,
        buckets: dict[Bucket, BoundStatement],
        message_rows: dict[Bucket, list[_Row]],
    ) -> str | None:
        """Add the rows of a message, and of the buckets it opens; give the reason if it has no place."""
        if message.unstorable is not None:
            return message.unstorable
        sent_ms = message.position.sent_ms
        if sent_ms > now_ms + _FURTHEST_AHEAD_MS:
            return "its time is more than a day ahead of our clock"
        assert message.channel_id is not None
        packed = rows.pack(message)
        users = message.users
        timestamp = rows.bigint(sent_ms * 1000)
        placed = False
        for shape in SHAPES:
            ttl = self.retention.ttl(shape, sent_ms, now_ms)
            if ttl is None:
                continue
            placed = True
            insert, insert_bucket = self._inserts[shape.name]
            ttl_value = rows.int32(ttl)
            for key in shape.keys_of(message.channel_id, users):
                width = self._width_of(shape, key, sent_ms)
                start = width.start(sent_ms)
                bucket = (shape.name, key, start)
                if bucket not in self._known and bucket not in buckets:
                    life = self.retention.ttl(shape, width.end(start), now_ms)
                    buckets[bucket] = insert_bucket.bind((*key, start, width.value, life))
                statement = BoundStatement(insert)
                statement.values = [*rows.row_values(shape, key, start, packed), timestamp, ttl_value]
                message_rows.setdefault(bucket, []).append(_Row(statement, packed.size, message))
        return None if placed else "it is older than the retention"

    def _remember(self, buckets: Iterable[Bucket]) -> None:
        self._known.update(dict.fromkeys(buckets))
        while len(self._known) > _MOST_REMEMBERED_BUCKETS:
            del self._known[next(iter(self._known))]

    async def _send(self, ready: Iterable[_Row], outcome: Written) -> None:
        """Send rows in batches, all at once; wait for every answer."""
        batches = list(self._batches(ready))
        answers = await asyncio.gather(
            *(self._session.execute(_batch(batch)) for batch in batches), return_exceptions=True
        )
        failed: BaseException | None = None
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, StoreUnavailable):
                failed = answer
            elif isinstance(answer, StoreError):
                await self._send_alone(batch, outcome)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                outcome.rows += len(batch)
        outcome.batches += len(batches)
        if failed is not None:
            raise failed

    async def _send_alone(self, batch: list[_Row], outcome: Written) -> None:
        """Send the rows of a refused batch one by one, so that one bad row does not hold up the others."""
        for row in batch:
            try:
                await self._session.execute(row.statement)
            except StoreUnavailable:
                raise
            except StoreError as error:
                if row.message is None:
                    raise
                outcome.refused.append(Refused(row.message, str(error)))
            else:
                outcome.rows += 1

    def _batches(self, ready: Iterable[_Row]) -> Iterable[list[_Row]]:
        """Group rows that lie on the same replicas, so that whoever coordinates a batch owns all of it."""
        open_batches: dict[Hashable, tuple[list[_Row], list[int]]] = {}
        for row in ready:
            group = self._session.replica_set(row.statement)
            batch, size = open_batches.setdefault(group, ([], [0]))
            if batch and (len(batch) == MOST_ROWS or size[0] + row.size > MOST_BYTES):
                yield batch
                batch, size = [], [0]
                open_batches[group] = batch, size
            batch.append(row)
            size[0] += row.size
        for batch, _ in open_batches.values():
            if batch:
                yield batch


def _batch(ready: list[_Row]) -> BatchStatement | BoundStatement:
    if len(ready) == 1:
        return ready[0].statement
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.is_idempotent = True
    for row in ready:
        batch.add(row.statement)
    return batch
