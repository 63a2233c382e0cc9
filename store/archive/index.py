"""What Cassandra knows of the archive: which days are there, where each user's lines are, which days came late.

All of it but the late days can be made again from the files; their format is `store.archive.format`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cassandra.query import BoundStatement, PreparedStatement

from store.archive.format import Encoded, UserLines
from store.archive.objects import Place
from store.archive.table import packed_numbers, unpacked_numbers
from store.batches import send_all
from store.keys import Width
from store.rows import bigint, int32, unix_ms
from store.session import Rows, Session
from store.sightings import REGISTRY

_FIRST_ASKED, _MOST_ASKED = 8, 512
_AT_ONCE = 32
"""Users who are asked about together."""


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """A day that is in the archive.

    Attributes:
        place: which.
        lines: how many it has.
        size: of its file, bytes.
        digest: of its text.
        generation: of its file.
    """

    place: Place
    lines: int
    size: int
    digest: bytes
    generation: bytes

    @classmethod
    def of(cls, place: Place, encoded: Encoded) -> ArchivedDay:
        """Give what is recorded of a day that was encoded."""
        table = encoded.table
        return cls(place, table.lines, table.size, table.digest, table.generation)


@dataclass(frozen=True, slots=True)
class UserDay:
    """What the archive holds of a user on a day of a channel.

    Attributes:
        place: which day.
        lines: how many.
        blocks: in which blocks of the file they are.
        generation: of the file that they are blocks of.
    """

    place: Place
    lines: int
    blocks: tuple[int, ...]
    generation: bytes


@dataclass(frozen=True, slots=True)
class ExportFailure:
    """A day that could not be exported: which, when that was (Unix milliseconds), and why."""

    place: Place
    failed_ms: int
    reason: str


class ArchiveIndex:
    """The tables about the archive."""

    def __init__(
        self,
        session: Session,
        prepared: dict[str, PreparedStatement],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._session = session
        self._prepared = prepared
        self._clock_ms = clock_ms

    @classmethod
    async def open(cls, session: Session) -> ArchiveIndex:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        return cls(session, {name: await session.prepare(cql) for name, cql in _statements(session).items()})

    async def days(self, channel_id: int, from_ms: int = 0, to_ms: int = 1 << 52) -> list[ArchivedDay]:
        """Give the archived days of a channel that start within `[from_ms, to_ms)`, oldest first.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._ask("days", channel_id, from_ms, to_ms)
        return [_day(channel_id, row) for row in reversed(rows)]

    async def walk(self, channel_id: int, from_ms: int, to_ms: int, *, descending: bool) -> AsyncIterator[ArchivedDay]:
        """Yield the archived days of a channel that start within `[from_ms, to_ms)`, in an order, some at a time.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        asked, name = _FIRST_ASKED, "days_down" if descending else "days_up"
        while True:
            rows = await self._ask(name, channel_id, from_ms, to_ms, asked)
            for row in rows:
                yield _day(channel_id, row)
            if len(rows) < asked:
                return
            last_ms = unix_ms(rows[-1][0])
            from_ms, to_ms = (from_ms, last_ms) if descending else (last_ms + 1, to_ms)
            asked = min(4 * asked, _MOST_ASKED)

    async def day(self, place: Place) -> ArchivedDay | None:
        """Give what is recorded of a day; None if it is not in the archive.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        found = await self.days(place.channel_id, place.day_ms, place.day_ms + 1)
        return found[0] if found else None

    async def channels(self) -> list[int]:
        """Give the channels that have archived days.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return [channel_id for (channel_id,) in await self._ask("channels")]

    async def user_months(self, user_id: int, channel_id: int | None = None) -> list[int]:
        """Give the months in which the archive holds something of a user, in a channel or in any, oldest first.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._ask("user_months", user_id)
        return sorted({unix_ms(month) for month, channel in rows if channel_id in (None, channel)})

    async def user_days(self, user_id: int, month_ms: int, channel_id: int | None = None) -> list[UserDay]:
        """Give where the lines of a user are in a month, in a channel or in any, oldest first.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if channel_id is None:
            rows = await self._ask("user_days", user_id, month_ms)
        else:
            rows = await self._ask("channel_user_days", user_id, month_ms, channel_id)
        found = [
            UserDay(Place(channel, unix_ms(day)), lines, tuple(unpacked_numbers(blocks)), generation)
            for channel, day, lines, blocks, generation in rows
        ]
        return sorted(found, key=lambda each: (each.place.day_ms, each.place.channel_id))

    async def has_any(self, place: Place, users: Sequence[int]) -> bool:
        """Say whether any of some users has lines on a day.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        key = Width.MONTH.start(place.day_ms), place.channel_id, place.day_ms
        for at in range(0, len(users), _AT_ONCE):
            if any(await asyncio.gather(*(self._ask("user_day", user, *key) for user in users[at : at + _AT_ONCE]))):
                return True
        return False

    async def record(self, day: ArchivedDay, users: Mapping[int, UserLines]) -> None:
        """Record a day whose file is stored: first where its users' lines are, at last that it is there.

        Args:
            day: which.
            users: what each user has in it.

        Raises:
            StoreUnavailable: Cassandra cannot answer; recording it again is right.
        """
        await self.record_users(day, users)
        await self.record_day(day)

    async def record_users(self, day: ArchivedDay, users: Mapping[int, UserLines]) -> None:
        """Record where the lines of users are in a day whose file is stored: whoever erases one finds them by that.

        Raises:
            StoreUnavailable: Cassandra cannot answer; recording it again is right.
        """
        await send_all(self._session, self._user_rows(day, users, Width.MONTH.start(day.place.day_ms)))

    async def record_day(self, day: ArchivedDay) -> None:
        """Record that a day is there.

        Raises:
            StoreUnavailable: Cassandra cannot answer; recording it again is right.
        """
        await self._ask(
            "write_day",
            day.place.channel_id,
            day.place.day_ms,
            day.lines,
            day.size,
            day.digest,
            day.generation,
            self._clock_ms(),
        )

    async def forget_day(self, place: Place) -> None:
        """Say of a day no longer that it is there; its users are forgotten apart.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        await self._ask("forget_day", place.channel_id, place.day_ms)

    async def forget_users(self, place: Place, users: Collection[int]) -> None:
        """Take what is known of users on a day out of the tables, of which a busy day has tens of thousands.

        Args:
            place: which day.
            users: who has nothing in it any more.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        month = Width.MONTH.start(place.day_ms)
        forget = self._prepared["forget_user"]
        await send_all(self._session, (forget.bind((user, month, place.channel_id, place.day_ms)) for user in users))
        await self._forget_empty([(user, month, place.channel_id) for user in users])

    async def forget_empty_months(self, user_id: int) -> None:
        """Forget the months in which nothing of a user is left; whoever forgot the last day may have been stopped.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        rows = await self._ask("user_months", user_id)
        await self._forget_empty([(user_id, unix_ms(month), channel_id) for month, channel_id in rows])

    async def late(self, channel_id: int) -> dict[int, int]:
        """Give the days of a channel to which lines came late, by their start, and when that was noted.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return {unix_ms(day): noted for day, noted in await self._ask("late", channel_id)}

    async def note(self, place: Place) -> None:
        """Have a day exported once more.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        noted = time.time_ns() // 1000
        await self._ask("note", place.channel_id, place.day_ms, noted, noted)

    async def failed(self, place: Place, reason: str) -> None:
        """Keep that a day could not be exported, and why.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._ask("write_failure", REGISTRY, place.channel_id, place.day_ms, self._clock_ms(), reason)

    async def failures(self) -> list[ExportFailure]:
        """Give the days that could not be exported in the last week, the one that failed last first.

        Some of them may be in the archive by now.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._ask("failures", REGISTRY)
        found = [
            ExportFailure(Place(channel_id, unix_ms(day)), unix_ms(failed), reason)
            for channel_id, day, failed, reason in rows
        ]
        return sorted(found, key=lambda each: each.failed_ms, reverse=True)

    async def settle(self, place: Place, noted: int) -> None:
        """Say that what had come late up to a time (Unix microseconds) is in the archive.

        Raises:
            StoreUnavailable: Cassandra cannot answer; saying it again is right.
        """
        await self._ask("settle", noted, place.channel_id, place.day_ms)

    def _user_rows(self, day: ArchivedDay, users: Mapping[int, UserLines], month: int) -> Iterator[BoundStatement]:
        """Yield the rows that say where users' lines are, of which a busy day has tens of thousands."""
        packed_month, channel_id = bigint(month), bigint(day.place.channel_id)
        place = [packed_month, channel_id, bigint(day.place.day_ms)]
        for user, lines in users.items():
            user_id = bigint(user)
            row = BoundStatement(self._prepared["write_user"])
            row.values = [user_id, *place, int32(lines.lines), packed_numbers(lines.blocks), day.generation]
            yield row
            row = BoundStatement(self._prepared["write_month"])
            row.values = [user_id, packed_month, channel_id]
            yield row

    async def _forget_empty(self, months: Sequence[tuple[int, int, int]]) -> None:
        """Forget those months of users in channels, of which no day is left."""
        forget = self._prepared["forget_month"]
        for at in range(0, len(months), _AT_ONCE):
            some = months[at : at + _AT_ONCE]
            left = await asyncio.gather(*(self._ask("any_user_day", *month) for month in some))
            await send_all(
                self._session, (forget.bind(month) for month, days in zip(some, left, strict=True) if not days)
            )

    async def _ask(self, name: str, *values: object) -> Rows:
        return await self._session.execute(self._prepared[name].bind(values))


def _day(channel_id: int, row: tuple[Any, ...]) -> ArchivedDay:
    day, lines, size, digest, generation = row
    return ArchivedDay(Place(channel_id, unix_ms(day)), lines, size, digest, generation)


def _statements(session: Session) -> dict[str, str]:
    days, late = session.table("archived_days"), session.table("late_days")
    failures = session.table("archive_failures")
    blocks, months = session.table("archived_user_blocks"), session.table("archived_user_months")
    select_days = (
        f"SELECT day, lines, bytes, digest, generation FROM {days} WHERE channel_id = ? AND day >= ? AND day < ?"
    )
    of_day = "user_id = ? AND month = ? AND channel_id = ? AND day = ?"
    columns = "channel_id, day, lines, blocks, generation"
    return {
        "days": select_days,
        "channels": f"SELECT DISTINCT channel_id FROM {days}",
        "days_down": f"{select_days} ORDER BY day DESC LIMIT ?",
        "days_up": f"{select_days} ORDER BY day ASC LIMIT ?",
        "write_day": f"INSERT INTO {days} (channel_id, day, lines, bytes, digest, generation, exported) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        "forget_day": f"DELETE FROM {days} WHERE channel_id = ? AND day = ?",
        "user_days": f"SELECT {columns} FROM {blocks} WHERE user_id = ? AND month = ?",
        "channel_user_days": f"SELECT {columns} FROM {blocks} WHERE user_id = ? AND month = ? AND channel_id = ?",
        "any_user_day": f"SELECT day FROM {blocks} WHERE user_id = ? AND month = ? AND channel_id = ? LIMIT 1",
        "user_day": f"SELECT lines FROM {blocks} WHERE {of_day}",
        "write_user": f"INSERT INTO {blocks} (user_id, month, channel_id, day, lines, blocks, generation) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        "forget_user": f"DELETE FROM {blocks} WHERE {of_day}",
        "user_months": f"SELECT month, channel_id FROM {months} WHERE user_id = ?",
        "write_month": f"INSERT INTO {months} (user_id, month, channel_id) VALUES (?, ?, ?)",
        "forget_month": f"DELETE FROM {months} WHERE user_id = ? AND month = ? AND channel_id = ?",
        "late": f"SELECT day, noted FROM {late} WHERE channel_id = ?",
        "note": f"INSERT INTO {late} (channel_id, day, noted) VALUES (?, ?, ?) USING TIMESTAMP ?",
        "write_failure": f"INSERT INTO {failures} (registry, channel_id, day, failed, reason) VALUES (?, ?, ?, ?, ?)",
        "failures": f"SELECT channel_id, day, failed, reason FROM {failures} WHERE registry = ?",
        "settle": f"DELETE FROM {late} USING TIMESTAMP ? WHERE channel_id = ? AND day = ?",
    }
