"""Counts lines before the horizon: what the archive alone holds by its index, what Cassandra still holds by reading."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from store.archive.reader import ArchiveReader, Slice, is_whole
from store.buckets import Bucket
from store.keys import MS_IN_DAY, Position, Width
from store.message import Message
from store.reader import Log


class BothTiers(Protocol):
    """Reads what both tiers hold."""

    def stream(self, log: Log) -> AsyncIterator[list[Message]]:
        """Yield the messages of a range, in its order."""
        ...


class HotBuckets(Protocol):
    """Tells what Cassandra holds."""

    async def buckets(self, log: Log) -> list[Bucket]:
        """Give the buckets of a range."""
        ...


class Tally:
    """Counts in logs that lie before the horizon."""

    def __init__(self, both: BothTiers, hot: HotBuckets, cold: ArchiveReader) -> None:
        self._both = both
        self._hot = hot
        self._cold = cold

    async def count(self, log: Log) -> int:
        """Give how many lines a range has.

        Raises:
            ArchiveDamaged: a day that has to be read is damaged.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        return sum([await self._lines(log, day, known) for day, known in await self._days(log)])

    async def nth(self, log: Log, nth: int) -> tuple[Position | None, int]:
        """Give the place of the nth line in the log's order, counted from 1; or None and how many are missing to it.

        Raises:
            ArchiveDamaged: as `count`.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        left = nth
        for day, known in await self._days(log):
            if known is not None and known < left:
                left -= known
                continue
            async for piece in self._both.stream(_day_of(log, day)):
                if left <= len(piece):
                    return piece[left - 1].position, 0
                left -= len(piece)
        return None, left

    async def any_line(self, log: Log) -> Message | None:
        """Choose a line by chance, each as likely as every other; None if there is none.

        Raises:
            ArchiveDamaged: as `count`.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        days = [(day, await self._lines(log, day, known)) for day, known in await self._days(log)]
        place = random.randrange(sum(lines for _, lines in days) or 1)
        for day, lines in days:
            if place < lines:
                async for piece in self._both.stream(_day_of(log, day)):
                    if place < len(piece):
                        return piece[place]
                    place -= len(piece)
                return None
            place -= lines
        return None

    async def _lines(self, log: Log, day: int, known: int | None) -> int:
        if known is not None:
            return known
        return sum([len(piece) async for piece in self._both.stream(_day_of(log, day))])

    async def _days(self, log: Log) -> list[tuple[int, int | None]]:
        """Give the days that have lines, in the log's order; each with their number where the index knows it."""
        asked = Slice(log.shape, log.key, *log.bounds, log.newest_first)
        found: dict[int, int | None] = {
            day: lines if is_whole(asked, day, Width.DAY) else None for day, lines in await self._cold.days(asked)
        }
        for bucket in await self._hot.buckets(log):
            first, last = max(bucket.start_ms, asked.first_ms), min(bucket.end_ms - 1, asked.last_ms)
            for day in range(first // MS_IN_DAY * MS_IN_DAY, last + 1, MS_IN_DAY):
                found[day] = None
        return sorted(found.items(), reverse=log.newest_first)


def _day_of(log: Log, day: int) -> Log:
    end = day + MS_IN_DAY
    return replace(log, from_ms=max(log.from_ms or 0, day), to_ms=end if log.to_ms is None else min(log.to_ms, end))
