"""Reads a log out of both tiers, as one: the archive before the horizon, Cassandra since.

Before the horizon Cassandra is asked too: a day that was not exported yet, or a channel whose lines are kept for
longer, is given from there. What both hold is given once, so there is no moment at which a day moves.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from store.archive.reader import ArchiveReader, Slice
from store.buckets import Bucket
from store.cursor import Cursor
from store.filters import Accept, Narrow, take_of, taken
from store.horizon import Horizon
from store.keys import Position, Width
from store.merging import merged
from store.message import Message
from store.opted_out import WhoIsOut, nobody
from store.reader import Log, Page, Reader, cursor_at, page_of
from store.shapes import CHANNEL, Key


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a walk on one side of the horizon.

    Attributes:
        log: that part of the log, in the order in which it is read.
        cursor: where in it reading begins; None: at its beginning.
        is_old: whether it lies before the horizon.
    """

    log: Log
    cursor: Cursor | None
    is_old: bool

    @property
    def slice(self) -> Slice:
        """What of the log is read."""
        lower, upper = self.log.bounds
        if self.cursor is not None and self.log.newest_first:
            upper = min(upper, self.cursor.position)
        elif self.cursor is not None:
            lower = max(lower, self.cursor.position, key=lambda position: position.order)
        return Slice(self.log.shape, self.log.key, lower, upper, self.log.newest_first)

    @property
    def end(self) -> Position:
        """The place beyond which it holds nothing, in its order."""
        lower, upper = self.log.bounds
        return lower if self.log.newest_first else upper


@dataclass(slots=True)
class _Search:
    """A page that is being filled.

    Attributes:
        limit: how many messages are wanted.
        accept: which.
        narrow: as the reader takes it.
        deadline: when to stop, by the monotonic clock.
        found: in the order in which they were read.
    """

    limit: int
    accept: Accept | None
    narrow: Narrow | None
    deadline: float
    found: list[Message]

    @property
    def ended(self) -> bool:
        """Whether no more is to be looked at."""
        return len(self.found) == self.limit or time.monotonic() > self.deadline


_Stand = tuple[Position, int | None]
_MOST_KNOWN = 100_000


class TieredReader:
    """Reads the logs of all shapes, with the face of `store.reader.Reader` and what only the whole log can answer.

    Attributes:
        hot: what is in Cassandra.
        cold: what is in the archive.
    """

    def __init__(self, hot: Reader, cold: ArchiveReader, horizon: Horizon, who_is_out: WhoIsOut = nobody) -> None:
        self.hot = hot
        self.cold = cold
        self._horizon = horizon
        self._who_is_out = who_is_out
        self._archived: set[tuple[str, Key]] = set()  # of these a page needs the archive, so it is asked first

    async def page(
        self,
        log: Log,
        *,
        limit: int,
        cursor: Cursor | None = None,
        accept: Accept | None = None,
        narrow: Narrow | None = None,
        budget_seconds: float = 2.0,
    ) -> Page:
        """Read one page, as `Reader.page`.

        Raises:
            ArchiveDamaged: a day in its way is missing in the archive, or not as it was written.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        if cursor is not None:
            log = replace(log, from_ms=cursor.from_ms, to_ms=cursor.to_ms, newest_first=cursor.newest_first)
        horizon = await self._before(log)
        backwards = cursor is not None and cursor.backwards
        parts = _parts(log, cursor, horizon, descending=log.newest_first != backwards)
        # Only a search is broken off: who asks for a page of a log gets a full one.
        is_search = accept is not None or narrow is not None

        async def recent() -> Page:
            return await self.hot.page(
                log, limit=limit, cursor=cursor, accept=accept, narrow=narrow, budget_seconds=budget_seconds
            )

        if (page := await self._unless_archived(parts, recent, side_by_side=not is_search)) is not None:
            return page
        search = _Search(limit, accept, narrow, time.monotonic() + budget_seconds if is_search else math.inf, [])
        stand: _Stand | None = None
        for at, part in enumerate(parts):
            if at and search.ended:
                if await self._holds_any(part):
                    stand = parts[at - 1].end, None
                break
            stand = await (self._fill_old(part, search) if part.is_old else self._fill_recent(part, search))
            if stand is not None:
                break
        return page_of(log, search.found, cursor, stand)

    async def around(self, log: Log, position: Position, *, before: int, after: int) -> Page | None:
        """Read the line at a position with its neighbours, oldest first; None if no line is there.

        Args:
            log: which log; its range and order do not count.
            position: of the line.
            before: how many lines before it at most.
            after: how many lines after it at most.

        Raises:
            ArchiveDamaged: as `page`.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        log = replace(log, from_ms=None, to_ms=None, newest_first=False)
        earlier = cursor_at(log, position, None, backwards=True)
        onward = self.page(log, limit=after + 1, cursor=cursor_at(log, position.before(), None, backwards=False))
        if before:
            later, earlier_page = await asyncio.gather(onward, self.page(log, limit=before, cursor=earlier))
        else:
            later, earlier_page = await onward, Page([], None, earlier.encode())
        if not later.messages or later.messages[0].position != position:
            return None
        return Page([*earlier_page.messages, *later.messages], later.next, earlier_page.previous)

    async def stream(
        self,
        log: Log,
        accept: Accept | None = None,
        narrow: Narrow | None = None,
        *,
        cursor: Cursor | None = None,
    ) -> AsyncIterator[list[Message]]:
        """Yield the messages of a whole range, as `Reader.stream`.

        Raises:
            ArchiveDamaged: as `page`; what was yielded before is as it was said.
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        descending = log.newest_first != (cursor is not None and cursor.backwards)
        for part in _parts(log, cursor, await self._before(log), descending=descending):
            pieces = self._old(part) if part.is_old else self.hot.stream(part.log, cursor=part.cursor)
            async for piece in pieces:
                if narrow is not None:
                    accept = await narrow(piece)
                # Asked anew for each piece: a stream may last longer than it takes to opt out.
                take = take_of(self._who_is_out(), accept)
                wanted = piece if take is None else [shown for message in piece if (shown := take(message)) is not None]
                if wanted:
                    yield wanted

    async def buckets(self, log: Log) -> list[Bucket]:
        """Give the buckets that exist within a range of a log, in its order; one of the archive is a day or a month.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        log, shown_from = self._shown(log), self._who_is_out().shown_from(log.shape, log.key)
        found = await self._all_buckets(log)
        begun = [bucket for bucket in found if bucket.start_ms < shown_from]
        if not begun:
            return found
        # Of these it has to be looked whether what they hold is shown.
        until = max(bucket.end_ms for bucket in begun)
        first = replace(log, to_ms=until if log.to_ms is None else min(log.to_ms, until), newest_first=False)
        oldest = (await self.page(first, limit=1)).messages
        first_ms = oldest[0].sent_ms or 0 if oldest else until
        return [bucket for bucket in found if bucket.end_ms > first_ms]

    async def _all_buckets(self, log: Log) -> list[Bucket]:
        horizon = await self._before(log)
        hot = await self.hot.buckets(log)
        if horizon is None:
            return hot
        old = [part for part in _parts(log, None, horizon, descending=log.newest_first) if part.is_old]
        width = Width.DAY if log.shape is CHANNEL else Width.MONTH
        covered = {width.start(bucket.start_ms) for bucket in hot}
        cold = [
            Bucket(start, width)
            for part in old
            for start, _ in await self.cold.buckets(part.slice)
            if start not in covered
        ]
        return sorted([*hot, *cold], key=lambda bucket: bucket.start_ms, reverse=log.newest_first)

    async def split(self, log: Log) -> tuple[Log | None, Log | None]:
        """Cut a log where the archive ends: the part for which both tiers have to be asked, and the rest.

        What is not shown since the user or channel opted in again is in neither. Either is None where there is nothing
        of it; what the archive has nothing of is the rest.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        log = self._shown(log)
        parts = _parts(log, None, await self._before(log), descending=log.newest_first)
        old = [part for part in parts if part.is_old and await self.cold.holds_any(part.slice)]
        if not old:
            return None, log
        return old[0].log, next((part.log for part in parts if not part.is_old), None)

    def _shown(self, log: Log) -> Log:
        """Leave out of a log what was said before the user or channel opted in again."""
        shown_from = self._who_is_out().shown_from(log.shape, log.key)
        return replace(log, from_ms=shown_from) if shown_from > (log.from_ms or 0) else log

    async def _before(self, log: Log) -> int | None:
        """Give the horizon of a log, if a part of the log lies before it."""
        horizon = await self._horizon.of(log.shape)
        return None if horizon is None or (log.from_ms or 0) >= horizon else horizon

    async def _unless_archived(
        self, parts: list[_Part], recent: Callable[[], Awaitable[Page]], *, side_by_side: bool
    ) -> Page | None:
        """Give a page out of Cassandra alone, where the archive has nothing of what lies in its way; else None.

        Args:
            parts: the way.
            recent: reads the page out of Cassandra.
            side_by_side: whether it is worth reading while the archive's index is asked, of a log of which the archive
                had nothing until now.
        """
        old = [part for part in parts if part.is_old]
        if not old:
            return await recent()
        known = old[0].log.shape.name, old[0].log.key
        if side_by_side and known not in self._archived:
            page, held = await asyncio.gather(recent(), self._archive_holds(old))
            if not held:
                return page
            if len(self._archived) >= _MOST_KNOWN:
                self._archived.clear()
            self._archived.add(known)
            return None
        return None if await self._archive_holds(old) else await recent()

    async def _archive_holds(self, old: list[_Part]) -> bool:
        return any([await self.cold.holds_any(part.slice) for part in old])

    async def _fill_recent(self, part: _Part, search: _Search) -> _Stand | None:
        """Fill a page from Cassandra; give where it stands if more lies in this part."""
        page = await self.hot.page(
            part.log,
            limit=search.limit - len(search.found),
            cursor=part.cursor,
            accept=search.accept,
            narrow=search.narrow,
            budget_seconds=max(search.deadline - time.monotonic(), 0.0),
        )
        search.found += page.messages
        if page.next is None:
            return None
        onward = Cursor.decode(page.next, part.log.shape, part.log.key)
        return onward.position, onward.bucket_ms

    async def _fill_old(self, part: _Part, search: _Search) -> _Stand | None:
        """Fill a page from before the horizon; give where it stands if more lies in this part."""
        pieces = self._old(part)
        last: Message | None = None
        accept = search.accept
        async for piece in pieces:
            if search.narrow is not None:
                accept = await search.narrow(piece)
            take = take_of(self._who_is_out(), accept)
            looked_at, more = taken(piece, search.found, search.limit, take)
            last = looked_at or last
            if more or search.ended:
                more = more or await anext(pieces, None) is not None
                return (last.position, None) if more and last is not None else None
        return None

    async def _old(self, part: _Part) -> AsyncIterator[list[Message]]:
        """Yield what both tiers hold of a part before the horizon."""
        sources = [self.hot.stream(part.log, cursor=part.cursor), self.cold.messages(part.slice)]
        async for piece in merged(sources, descending=part.log.newest_first):
            yield piece

    async def _holds_any(self, part: _Part) -> bool:
        if part.is_old:
            return await anext(self._old(part), None) is not None
        return bool((await self.hot.page(part.log, limit=1, cursor=part.cursor)).messages)


def _parts(log: Log, cursor: Cursor | None, horizon: int | None, *, descending: bool) -> list[_Part]:
    """Cut a walk at the horizon; give the parts that lie in its way, in the order in which they are read."""
    walk = replace(log, newest_first=descending)
    if horizon is None:
        cuts = [(walk, False)]
    else:
        cuts = [
            (replace(walk, to_ms=horizon if log.to_ms is None else min(log.to_ms, horizon)), True),
            (replace(walk, from_ms=max(log.from_ms or 0, horizon)), False),
        ]
    parts = []
    for part, is_old in cuts[::-1] if descending else cuts:
        lower, upper = part.bounds
        if not lower < upper:
            continue
        inside = None
        if cursor is not None:
            at = cursor.position
            if not (lower < at if descending else at < upper):
                continue  # the walk has passed it
            if lower < at < upper:
                bucket_ms = None if is_old else cursor.bucket_ms
                inside = replace(
                    cursor_at(part, at, bucket_ms, backwards=False), from_ms=part.from_ms, to_ms=part.to_ms
                )
        parts.append(_Part(part, inside, is_old))
    return parts
