"""Writes messages to every log they stand in, in batches whose rows lie on the same replicas.

A bucket's index row is acknowledged before the first row of the bucket is sent, so no line is ever out of a reader's
sight. Writing the same message again changes nothing. Where messages come from, and what is done when Cassandra cannot
answer for a while, is the caller's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cassandra.query import BoundStatement, PreparedStatement

from store import moderation, rows, statements
from store.archive.late import LateDays
from store.batches import Batch, Partition, Row, batches_of, filled
from store.errors import StoreError, StoreUnavailable
from store.glance import Glance
from store.keys import MS_IN_DAY, Width
from store.message import Message
from store.retention import Retention
from store.session import Session
from store.shapes import SHAPES, Key, Shape
from store.sightings import Sightings
from store.widths import Widths

_AT_ONCE = 64  # messages that are placed before others have their turn
_MOST_REMEMBERED_BUCKETS = 200_000
_FURTHEST_AHEAD_MS = MS_IN_DAY

Bucket = tuple[str, Key, int]
"""A shape's name, whose log, and the start of the bucket in Unix milliseconds."""
_Place = Bucket | tuple[str, tuple[int, int | str]]
"""A partition: a bucket of a log, or a table of moderation and a key in it."""


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
        rows: how many rows of message and moderation tables that were.
        batches: in how many batches.
        refused: those that have no place, with the reason.
    """

    messages: int = 0
    rows: int = 0
    batches: int = 0
    refused: list[Refused] = field(default_factory=list)


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
        moderation_inserts: dict[str, PreparedStatement],
        *,
        width_of: Callable[[Shape, Key, int], Width] = always_default,
        widths: Widths | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._retention = retention
        self._session = session
        self._sightings = sightings
        self._inserts = inserts
        self._moderation_inserts = moderation_inserts
        self._width_of = width_of if widths is None else widths.width_of
        self._widths = widths
        self._late = LateDays(session)
        self._clock_ms = clock_ms
        self._known: dict[Bucket, Width] = {}

    @classmethod
    async def open(
        cls,
        session: Session,
        retention: Retention | None = None,
        *,
        width_of: Callable[[Shape, Key, int], Width] | None = None,
    ) -> Writer:
        """Prepare the statements.

        Args:
            session: where to write.
            retention: how long lines are kept; None: what the tables say.
            width_of: how wide the bucket is that holds a time (Unix milliseconds) in a log; None: what the table of
                widths says, which is then read again as it changes.

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
        events = {table: await session.prepare(moderation.insert(session, table)) for table in moderation.TABLES}
        kept = retention or await Retention.of_tables(session)
        sightings = await Sightings.open(session)
        if width_of is not None:
            return cls(session, kept, sightings, inserts, events, width_of=width_of)
        return cls(session, kept, sightings, inserts, events, widths=await Widths.open(session))

    @property
    def retention(self) -> Retention:
        """How long new lines are kept."""
        return self._retention

    @retention.setter
    def retention(self, retention: Retention) -> None:
        if retention != self._retention:
            self._retention = retention
            self.forget_buckets()  # an index row has to outlive the lines that come from now on

    def forget_buckets(self) -> None:
        """Write index rows of buckets anew: those of who opted out are erased, and he may opt in again."""
        self._known = {}

    def learn_names(self, message: Message) -> None:
        """Take note of whom a message names, without writing it; the names are written with the next messages."""
        self._sightings.see(message)

    async def write(self, messages: Sequence[Message], *, note_late: bool = True) -> Written:
        """Write messages; when this returns, every row of all that were not refused is acknowledged.

        Args:
            messages: which.
            note_late: whether those of days that are over have their days exported once more.

        Raises:
            StoreUnavailable: Cassandra did not acknowledge all of it; writing the same again is right.
        """
        if self._widths is not None:
            await self._widths.follow()
        outcome = Written()
        buckets: dict[Bucket, tuple[Width, BoundStatement]] = {}
        partitions: dict[_Place, Partition] = {}
        now_ms, known = self._clock_ms(), self._known
        for number, message in enumerate(messages, 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # whoever reads, or brings lines to disk, does not wait for a whole write
            reason = self._place(message, now_ms, buckets, partitions)
            if reason is not None:
                outcome.refused.append(Refused(message, reason))
            else:
                self._sightings.see(message)
        due = self._sightings.due()
        before = [*(statement for _, statement in buckets.values()), *self._sightings.statements(due)]
        if before:
            await self._send(map(Partition.of, before), Written())
            self._sightings.written(due)
        # One partition after the other: the server makes one mutation of its rows in a batch.
        await self._send(partitions.values(), outcome)
        # Not before: a bucket that was opened and got no line may be gone from the index when it is tried again.
        if self._known is known:
            self._remember(buckets)
        if note_late:
            await self._late.note(messages, now_ms)
        outcome.messages = len(messages) - len({id(refused.message) for refused in outcome.refused})
        return outcome

    def learn_at_a_glance(self, seen: Glance) -> None:
        """Take note of whom a usual line names, as `learn_names`."""
        self._sightings.see_names(seen)

    async def flush(self, *, everything: bool = True) -> None:
        """Write the last sights of names and channels that waited for more to come together.

        Args:
            everything: also those that have not waited long.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        due = self._sightings.due(everything=everything)
        if due:
            await self._send(map(Partition.of, self._sightings.statements(due)), Written())
            self._sightings.written(due)

    def _place(
        self,
        message: Message,
        now_ms: int,
        buckets: dict[Bucket, tuple[Width, BoundStatement]],
        partitions: dict[_Place, Partition],
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
        kept = self._retention.of_channel(message.channel_id, message.channel_login)
        placed = False
        for shape in SHAPES:
            ttl = self._retention.ttl(shape, sent_ms, now_ms, kept)
            if ttl is None:
                continue
            placed = True
            insert, insert_bucket = self._inserts[shape.name]
            ttl_value = rows.int32(ttl)
            for key in shape.keys_of(message.channel_id, users):
                width = self._width_of(shape, key, sent_ms)
                start = width.start(sent_ms)
                bucket = (shape.name, key, start)
                if self._known.get(bucket) is not width and bucket not in buckets:
                    end = width.end(start)
                    of = message.channel_id, message.channel_login
                    life = self._retention.bucket_ttl(shape, end, now_ms, *of)
                    buckets[bucket] = width, insert_bucket.bind((*key, start, width.value, end, life))
                values = [*rows.row_values(shape, key, start, packed), timestamp, ttl_value]
                partition = partitions.get(bucket)
                if partition is None:
                    partition = partitions[bucket] = Partition(BoundStatement(insert), [])
                partition.rows.append(Row(values, packed.size, message))
        for table, place, values in moderation.rows_of(message):
            ttl = self._retention.ttl(table, sent_ms, now_ms, kept)
            if ttl is not None:
                insert = self._moderation_inserts[table]
                partition = partitions.setdefault((table, place), Partition(BoundStatement(insert), []))
                values += [timestamp, rows.int32(ttl)]
                partition.rows.append(Row(values, rows.size_of(values), message))
        return None if placed else "it is older than the retention"

    def _remember(self, buckets: Mapping[Bucket, tuple[Width, BoundStatement]]) -> None:
        self._known.update((bucket, width) for bucket, (width, _) in buckets.items())
        while len(self._known) > _MOST_REMEMBERED_BUCKETS:
            del self._known[next(iter(self._known))]

    async def _send(self, partitions: Iterable[Partition], outcome: Written) -> None:
        """Send rows in batches, all at once; wait for every answer."""
        batches = list(batches_of(self._session, partitions))
        asked = []
        for batch in batches:
            asked.append(self._session.execute(batch.request()))
            await asyncio.sleep(0)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        failed: BaseException | None = None
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, StoreUnavailable):
                failed = answer
            elif isinstance(answer, StoreError):
                await self._send_alone(batch, outcome)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                outcome.rows += len(batch.rows)
        outcome.batches += len(batches)
        if failed is not None:
            raise failed

    async def _send_alone(self, batch: Batch, outcome: Written) -> None:
        """Send the rows of a refused batch one by one, so that one bad row does not hold up the others."""
        for statement, row in batch.rows:
            try:
                await self._session.execute(filled(statement, row))
            except StoreUnavailable:
                raise
            except StoreError as error:
                if row.message is None:
                    raise
                outcome.refused.append(Refused(row.message, str(error)))
            else:
                outcome.rows += 1
