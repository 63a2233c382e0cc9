"""Counts lines before the horizon: by the archive's index where that is all there is, else by reading both tiers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Some days, and how many lines they have if the index knows it."""

    from_ms: int
    to_ms: int
    lines: int | None

    def of(self, log: Log) -> Log:
        """Give that part of a log."""
        to_ms = self.to_ms if log.to_ms is None else min(log.to_ms, self.to_ms)
        return replace(log, from_ms=max(log.from_ms or 0, self.from_ms), to_ms=to_ms)


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
        return sum([await self._lines(log, stretch) for stretch in await self._stretches(log)])

    async def nth(self, log: Log, nth: int) -> tuple[Position | None, int]:
        """Give the place of the nth line in the log's order, counted from 1; or None and how many are missing to it.

        Raises:
            ArchiveDamaged: as `count`.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        left = nth
        for stretch in await self._stretches(log):
            if stretch.lines is not None and stretch.lines < left:
                left -= stretch.lines
                continue
            async for piece in self._both.stream(stretch.of(log)):
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
        stretches = [(stretch, await self._lines(log, stretch)) for stretch in await self._stretches(log)]
        place = random.randrange(sum(lines for _, lines in stretches) or 1)
        for stretch, lines in stretches:
            if place < lines:
                async for piece in self._both.stream(stretch.of(log)):
                    if place < len(piece):
                        return piece[place]
                    place -= len(piece)
                return None
            place -= lines
        return None

    async def _lines(self, log: Log, stretch: _Stretch) -> int:
        if stretch.lines is not None:
            return stretch.lines
        return sum([len(piece) async for piece in self._both.stream(stretch.of(log))])

    async def _stretches(self, log: Log) -> list[_Stretch]:
        """Give the stretches that may have lines, in the log's order: days that the index knows, and what lies between.

        Around the horizon Cassandra still has days that are in the archive, too: those need not be read.
        """
        asked = Slice(log.shape, log.key, *log.bounds, log.newest_first)
        known: dict[int, int | None] = {
            day: lines if is_whole(asked, day, Width.DAY) else None for day, lines in await self._cold.days(asked)
        }
        exported = await self._cold.exported(asked)
        for bucket in await self._hot.buckets(log):
            first, last = max(bucket.start_ms, asked.first_ms), min(bucket.end_ms - 1, asked.last_ms)
            for day in range(first // MS_IN_DAY * MS_IN_DAY, last + 1, MS_IN_DAY):
                if day not in exported:
                    known[day] = None
        found: list[_Stretch] = []
        for day, lines in sorted(known.items()):
            if lines is None and found and found[-1].lines is None and found[-1].to_ms == day:
                found[-1] = replace(found[-1], to_ms=day + MS_IN_DAY)
            else:
                found.append(_Stretch(day, day + MS_IN_DAY, lines))
        return found[::-1] if log.newest_first else found
