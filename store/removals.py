"""Reads what moderators removed: of the lines on a page, and of one user in a channel.

A page of a channel takes one slice of a small partition more (two around the end of a month). A page of a user takes
what was done under each login on it, and the cleared rooms, of each channel. That is little mostly, and is remembered
for five seconds, so that who walks through a user's log waits for it once.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from cassandra.query import BoundStatement, PreparedStatement

from store import moderation, rows
from store.directory import Name
from store.keys import FIRST_LOW, LAST_LOW, LATEST_MS, Position, starts_between
from store.message import Message
from store.moderation import OF_CHANNEL, OF_LOGIN, REACH_MS, WHOLE_ROOM, WIDTH, By, Event, Removal
from store.session import Session
from store.shapes import CHANNEL, Shape

_ROWS_AT_ONCE = 2000
_REMEMBERED_SECONDS = 5.0
"""So much later than it is stored a mark may appear on a page of a user."""
_MOST_REMEMBERED, _MOST_EVENTS = 2000, 50
_SETTLE_MS = 60_000
"""What was said so long ago is there, if it was not held up: a stream asks again for what is younger."""

Removals = dict[Position, Removal]
"""The lines of a page that were removed, by their place."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What stands under a login in a channel, until when by the monotonic clock; None: too much to be remembered."""

    until: float
    events: list[Event] | None


class Moderation:
    """Reads the events that remove lines."""

    def __init__(self, session: Session, prepared: dict[tuple[str, bool], PreparedStatement]) -> None:
        self._session = session
        self._prepared = prepared
        self._remembered: dict[tuple[int, str], _Remembered] = {}

    @classmethod
    async def open(cls, session: Session) -> Moderation:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {
            (table, descending): await session.prepare(moderation.select(session, table, descending=descending))
            for table in moderation.TABLES
            for descending in (False, True)
        }
        return cls(session, prepared)

    async def removals(self, shape: Shape, messages: list[Message]) -> Removals:
        """Say which lines of a page were removed since.

        Args:
            shape: from which kind of log the page is.
            messages: the lines of the page.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if not messages:
            return {}
        if shape is CHANNEL:
            channel_id = messages[0].channel_id
            assert channel_id is not None
            return moderation.removed(messages, await self.of_channel(channel_id, *_span(messages)))
        by_channel: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            if message.channel_id is not None:
                by_channel[message.channel_id].append(message)
        found = await asyncio.gather(*(self._of_authors(channel_id, said) for channel_id, said in by_channel.items()))
        return {place: removal for each in found for place, removal in each.items()}

    def along(self, shape: Shape) -> Along:
        """Give what says of the pieces of a stream, in either order, which of their lines were removed."""
        return Along(self, shape)

    async def of_user(
        self,
        channel_id: int,
        user_id: int,
        names: Iterable[Name],
        *,
        from_ms: int | None,
        to_ms: int | None,
        limit: int,
    ) -> list[Event]:
        """Give what was done to a user in a channel, the newest first.

        Args:
            channel_id: in which channel.
            user_id: to whom.
            names: every login that the user was seen under.
            from_ms: the first moment, Unix milliseconds, inclusive; None: from the beginning.
            to_ms: the last moment, Unix milliseconds, exclusive; None: up to now.
            limit: how many at most.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        span = _bounds(from_ms or 0, LATEST_MS if to_ms is None else to_ms)
        mine: list[Event] = []
        for name in names:
            partition = [rows.bigint(channel_id), name.login.encode()]
            events = await self._slice(OF_LOGIN, partition, span, descending=True, most=limit)
            mine += [each for each in events if _is_of(each, user_id, name)]
        mine.sort(key=lambda each: each.position.order, reverse=True)
        return mine[:limit]

    async def of_login(self, channel_id: int, login: str, *, to_ms: int) -> list[Event]:
        """Give what stands under a login in a channel, whoever had it, up to a moment (Unix milliseconds, exclusive).

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return await self._slice(OF_LOGIN, [rows.bigint(channel_id), login.encode()], _bounds(0, to_ms))

    async def of_channel(self, channel_id: int, from_ms: int, to_ms: int) -> list[Event]:
        """Give what removes lines of a channel and was said from a moment up to another, both Unix milliseconds.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        span = _bounds(from_ms, to_ms)
        channel = rows.bigint(channel_id)
        found = await asyncio.gather(
            *(
                self._slice(OF_CHANNEL, [channel, rows.bigint(start)], span)
                for start in starts_between(WIDTH, from_ms, to_ms)
            )
        )
        return [each for events in found for each in events]

    async def _of_authors(self, channel_id: int, messages: list[Message]) -> Removals:
        """Say which lines of one channel were removed, by reading what was done to those who wrote them."""
        by_login: dict[str, list[Message]] = {WHOLE_ROOM: messages}
        for message in messages:
            if message.login:
                by_login.setdefault(message.login.lower(), []).append(message)
        found = await asyncio.gather(*(self._under(channel_id, login, said) for login, said in by_login.items()))
        return moderation.removed(messages, [each for events in found for each in events])

    async def _under(self, channel_id: int, login: str, messages: list[Message]) -> list[Event]:
        """Give what stands under a login in a channel, at least of the time in which lines can have been removed."""
        partition = [rows.bigint(channel_id), login.encode()]
        known, now = self._remembered.get((channel_id, login)), time.monotonic()
        if known is None or known.until < now:
            ever = _bounds(0, LATEST_MS)
            events = await self._slice(OF_LOGIN, partition, ever, descending=True, most=_MOST_EVENTS + 1)
            known = _Remembered(now + _REMEMBERED_SECONDS, events if len(events) <= _MOST_EVENTS else None)
            self._remembered.pop((channel_id, login), None)
            while self._remembered and len(self._remembered) >= _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[channel_id, login] = known
        if known.events is not None:
            return known.events
        return await self._slice(OF_LOGIN, partition, _bounds(*_span(messages)))

    async def _slice(
        self,
        table: str,
        partition: list[bytes],
        span: tuple[Position, Position],
        *,
        descending: bool = False,
        most: int | None = None,
    ) -> list[Event]:
        """Read the events of a partition strictly between two places."""
        lower, upper = span
        found: list[Event] = []
        while True:
            asked = min(most or _ROWS_AT_ONCE, _ROWS_AT_ONCE)
            statement = BoundStatement(self._prepared[table, descending], fetch_size=asked)
            statement.values = [*partition, rows.timeuuid(lower), rows.timeuuid(upper), rows.int32(asked)]
            read = await self._session.execute(statement)
            found += map(moderation.event, read)
            if len(read) < asked or (most is not None and len(found) >= most):
                return found
            lower, upper = (lower, found[-1].position) if descending else (found[-1].position, upper)


class Along:
    """Says of pieces that follow each other which of their lines were removed.

    What it has read for a piece of a channel's log it does not read for the next: an event reaches back for hours, and
    a piece of a busy channel is minutes.

    Args:
        of: reads the events.
        shape: from which kind of log the pieces are.
    """

    def __init__(self, of: Moderation, shape: Shape) -> None:
        self._of = of
        self._shape = shape
        self._events: list[Event] = []
        self._known = (0, 0)  # from when up to when those are all

    async def removals(self, messages: list[Message]) -> Removals:
        """Say which lines of the next piece were removed.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if self._shape is not CHANNEL or not messages:
            return await self._of.removals(self._shape, messages)
        channel_id = messages[0].channel_id
        assert channel_id is not None
        from_ms, to_ms = _span(messages)
        # What is said now may be read later than what is said after it.
        settled_ms = min(to_ms, time.time_ns() // 1_000_000 - _SETTLE_MS)
        first, last = max(from_ms, self._known[0]), min(to_ms, self._known[1])
        missing = [(from_ms, first), (last, to_ms)] if first < last else [(from_ms, to_ms)]
        kept = [each for each in self._events if first <= each.position.sent_ms < last]
        read = await asyncio.gather(*(self._of.of_channel(channel_id, *span) for span in missing if span[0] < span[1]))
        self._events = [*kept, *itertools.chain(*read)]
        self._known = (from_ms, settled_ms)
        return moderation.removed(messages, self._events)


def _span(messages: list[Message]) -> tuple[int, int]:
    """Give the time in which lines of a page can have been removed."""
    times = [message.position.sent_ms for message in messages]
    return min(times), max(times) + REACH_MS + 1


def _bounds(from_ms: int, to_ms: int) -> tuple[Position, Position]:
    return Position(from_ms - 1, LAST_LOW), Position(to_ms, FIRST_LOW)


def _is_of(event: Event, user_id: int, name: Name) -> bool:
    """Say whether an event under a login is about a user who had it; a login passes from one user to another."""
    if event.user_id is not None:
        return event.user_id == user_id
    last_ms = (name.last_seen_ms or 0) + REACH_MS
    return event.by is By.CLEARMSG and (name.first_seen_ms or 0) <= event.position.sent_ms <= last_ms
