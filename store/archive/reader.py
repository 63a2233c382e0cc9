"""Reads logs of all shapes out of the archive: which days hold their lines, and the lines.

How both tiers become one log is `store.tiers`'.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from store.archive.files import Files
from store.archive.format import Sought
from store.archive.index import ArchiveIndex, UserDay
from store.archive.objects import Place
from store.archive.table import Table
from store.errors import ArchiveDamaged
from store.keys import FIRST_LOW, LAST_LOW, Position, Width
from store.message import Message
from store.shapes import CHANNEL, CHANNEL_USER, Key, Shape

_LATEST_MS = 1 << 52


@dataclass(frozen=True, slots=True)
class Slice:
    """What of a log is read: what lies strictly between two places, in an order."""

    shape: Shape
    key: Key
    lower: Position
    upper: Position
    descending: bool

    @property
    def first_ms(self) -> int:
        """The first millisecond that may hold a line of it."""
        return max(self.lower.sent_ms + (self.lower.low == LAST_LOW), 0)

    @property
    def last_ms(self) -> int:
        """The last one."""
        return min(self.upper.sent_ms - (self.upper.low == FIRST_LOW), _LATEST_MS)

    @property
    def channel_id(self) -> int | None:
        """The channel whose lines alone are in the log."""
        return self.key[0] if "channel_id" in self.shape.key else None

    @property
    def user_id(self) -> int | None:
        """The user whose lines alone are in it."""
        return self.key[-1] if "user_id" in self.shape.key else None

    @property
    def sought(self) -> Sought:
        """Which lines of its days are worth reading."""
        return Sought(self.first_ms, self.last_ms, b"" if self.user_id is None else b"%d" % self.user_id)

    def holds(self, message: Message) -> bool:
        """Say whether a message of one of its days is in it."""
        if self.user_id is not None and self.user_id not in message.users:
            return False
        return self.lower < message.position and message.position < self.upper


@dataclass(frozen=True, slots=True)
class _Part:
    """What a day of a channel has of a log, as it is recorded: a known number of blocks, or of the user, or all."""

    place: Place
    lines: int
    generation: bytes
    of_user: UserDay | None = None

    def blocks(self, table: Table, asked: Slice) -> Sequence[int]:
        inside = table.between(asked.first_ms, asked.last_ms)
        if self.of_user is None or self.of_user.generation != table.generation:
            return inside
        return [number for number in self.of_user.blocks if number in inside]


class ArchiveReader:
    """Reads the logs of all shapes.

    Attributes:
        files: the archive.
        index: what is recorded of it.
        damaged: how often a day was asked for that should be there and could not be given.
    """

    def __init__(self, files: Files, index: ArchiveIndex) -> None:
        self.files = files
        self.index = index
        self.damaged = 0

    async def messages(self, asked: Slice) -> AsyncIterator[list[Message]]:
        """Yield the messages of a slice of a log, some at a time, in its order; each once.

        Raises:
            ArchiveDamaged: a day is missing, or not as it was written; what was yielded before is as it was.
            StoreUnavailable: the archive or Cassandra cannot answer.
        """
        async for day in self._days(asked):
            if len(day) == 1:
                async for piece in self._part(asked, day[0]):
                    yield piece
                continue
            # What one user said on one day in several channels is little.
            found = [message for part in day async for piece in self._part(asked, part) for message in piece]
            by_order = {message.position.order: message for message in found}
            ordered = [by_order[order] for order in sorted(by_order, reverse=asked.descending)]
            if ordered:
                yield ordered

    async def holds_any(self, asked: Slice) -> bool:
        """Say whether the archive may have lines of a slice of a log; only the index is asked.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        async for _ in self._days(asked):
            return True
        return False

    async def buckets(self, asked: Slice) -> list[tuple[int, int]]:
        """Give the days, or for a user the months, of which the archive has lines, and how many; in the slice's order.

        Numbers of lines are of whole days, also where only a part of one is asked for.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        width = Width.DAY if asked.shape is CHANNEL else Width.MONTH
        found: dict[int, int] = {}
        for day_ms, lines in await self.days(asked):
            start = width.start(day_ms)
            found[start] = found.get(start, 0) + lines
        return list(found.items())

    async def days(self, asked: Slice) -> list[tuple[int, int]]:
        """Give the days of which the archive has lines of a log, and how many; in the slice's order.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return [(day[0].place.day_ms, sum(part.lines for part in day)) async for day in self._days(asked)]

    async def exported(self, asked: Slice) -> set[int]:
        """Give the days, of those within a slice of a log, of which the archive has every line that there is.

        They were exported, and no lines came later. Of a user's log over all channels it is said of none: each channel
        has days of its own.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        channel_id = asked.channel_id
        if channel_id is None or asked.first_ms > asked.last_ms:
            return set()
        days = await self.index.days(channel_id, Width.DAY.start(asked.first_ms), asked.last_ms + 1)
        return {day.place.day_ms for day in days} - (await self.index.late(channel_id)).keys()

    async def should_be_there(self, place: Place) -> bool:
        """Say of a day that cannot be given whether it should be, and count it; it may have been removed meanwhile.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        is_recorded = await self.index.day(place) is not None
        self.damaged += is_recorded
        return is_recorded

    async def _part(self, asked: Slice, part: _Part) -> AsyncIterator[list[Message]]:
        try:
            pieces = self.files.messages(
                part.place,
                lambda table: part.blocks(table, asked),
                generation=part.generation,
                descending=asked.descending,
                sought=asked.sought,
            )
            async for piece in pieces:
                inside = [message for message in piece if asked.holds(message)]
                if inside:
                    yield inside
        except ArchiveDamaged:
            if await self.should_be_there(part.place):
                raise

    async def _days(self, asked: Slice) -> AsyncIterator[list[_Part]]:
        """Yield the days that hold lines of a slice, in its order: each as what the channels have of it."""
        first_ms, last_ms = asked.first_ms, asked.last_ms
        if first_ms > last_ms:
            return
        first_day = Width.DAY.start(first_ms)
        if asked.shape is CHANNEL:
            walk = self.index.walk(asked.key[0], first_day, last_ms + 1, descending=asked.descending)
            async for day in walk:
                yield [_Part(day.place, day.lines, day.generation)]
            return
        user_id, channel_id = asked.key[-1], asked.channel_id if asked.shape is CHANNEL_USER else None
        months = await self.index.user_months(user_id, channel_id)
        inside = [month for month in months if Width.MONTH.end(month) > first_ms and month <= last_ms]
        for month in inside[::-1] if asked.descending else inside:
            by_day: dict[int, list[_Part]] = {}
            for each in await self.index.user_days(user_id, month, channel_id):
                if first_day <= each.place.day_ms <= last_ms:
                    part = _Part(each.place, each.lines, each.generation, each)
                    by_day.setdefault(each.place.day_ms, []).append(part)
            for day_ms in sorted(by_day, reverse=asked.descending):
                yield by_day[day_ms]


def is_whole(asked: Slice, day_ms: int, width: Width) -> bool:
    """Say whether all of a day, or month, lies within a slice."""
    return asked.first_ms <= day_ms and width.end(day_ms) <= asked.last_ms + 1
