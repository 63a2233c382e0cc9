"""The erasure of those who opted out as a job: one process at a time, to be taken up again anywhere, with an audit row.

What is erased, and in which order, is each eraser's; they are a list, so that whatever else keeps lines adds its own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import structlog
from cassandra.query import PreparedStatement

from store.errors import LeaseLost, StoreError
from store.lease import Leases
from store.optouts import Kind, Optout, Optouts
from store.session import Session
from store.sightings import REGISTRY

log = structlog.get_logger(__name__)

LEASE = "erasing"
"""The lease that whoever erases holds."""

SETTLED_SECONDS = 10.0
"""So long after an opt-out all workers know of it, and have written what they had in hand."""


class Erased(Enum):
    """How far an eraser came."""

    WHOLLY = "wholly"
    PARTLY = "partly"  # some lines can be erased only later


@dataclass(frozen=True, slots=True)
class Erasure:
    """Whose lines are to be erased.

    Attributes:
        kind: a user's or a channel's.
        id: Twitch's.
        logins: every login that it was seen under.
        through_ms: what was said before this moment, Unix milliseconds, goes.
        is_out: whether it is still out; if not, what was said since `through_ms` stays.
        found: to be awaited with the number of lines that were found, before each step: it keeps the audit row up to
            date, and raises LeaseLost where another has taken over.
    """

    kind: Kind
    id: int
    logins: frozenset[str]
    through_ms: int
    is_out: bool
    found: Callable[[int], Awaitable[None]]


class Eraser(Protocol):
    """Erases from one place that keeps lines.

    It may be broken off anywhere and is then begun again, also for lines that are gone already: it decides by what is
    still there. A part that ended wholly is not begun again for that opt-out.
    """

    @property
    def name(self) -> str:
        """What the audit row calls it; not to be changed."""
        ...

    async def erase(self, erasure: Erasure) -> Erased:
        """Erase.

        Raises:
            LeaseLost: another does it.
            StoreUnavailable: it cannot be done now; beginning again is right.
        """
        ...


class Erasing:
    """Erases what is stored of those who opted out.

    Args:
        optouts: who did.
        leases: what one process at a time does.
        erasers: from where, in order.
        prepared: the statements of the audit rows.
        settled_seconds: how long after an opt-out it begins.
    """

    def __init__(
        self,
        session: Session,
        optouts: Optouts,
        leases: Leases,
        erasers: Sequence[Eraser],
        prepared: dict[str, PreparedStatement],
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> None:
        self._session = session
        self._optouts = optouts
        self._leases = leases
        self._erasers = erasers
        self._prepared = prepared
        self._settled_ms = round(settled_seconds * 1000)

    @classmethod
    async def open(
        cls,
        session: Session,
        optouts: Optouts,
        erasers: Sequence[Eraser],
        *,
        settled_seconds: float = SETTLED_SECONDS,
    ) -> Erasing:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {name: await session.prepare(cql) for name, cql in _statements(session).items()}
        leases = await Leases.open(session)
        return cls(session, optouts, leases, erasers, prepared, settled_seconds=settled_seconds)

    def due(self) -> list[Optout]:
        """Give those of whom something may still be stored, and whose opt-out is known everywhere; it asks nobody."""
        settled_ms = time.time_ns() // 1_000_000 - self._settled_ms
        return [row for row in self._optouts.rows if not row.is_erased and row.since_ms <= settled_ms]

    async def run(self) -> list[Optout] | None:
        """Erase what is due, if nobody else does, and give whose; None if another is at it.

        Raises:
            LeaseLost: it took too long to say that we are at it; another goes on.
            StoreError: something of one could not be erased, as from a damaged day of the archive; what is due of
                others is gone, and running again is right.
        """
        if not self.due():
            return []
        async with self._leases.held(LEASE) as lease:
            if lease is None:
                return None
            await self._optouts.refresh()
            return await self._erase_all(self.due(), lease.check)

    async def _erase_all(self, rows: Sequence[Optout], check: Callable[[], None]) -> list[Optout]:
        """Erase what is stored of some, and give whose is gone; what goes wrong with one keeps back no other."""
        erased: list[Optout] = []
        failed: StoreError | None = None
        for row in rows:
            try:
                if await self._erase(row, check):
                    erased.append(row)
            except LeaseLost:
                raise
            except StoreError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return erased

    async def _erase(self, row: Optout, check: Callable[[], None]) -> bool:
        """Erase what is stored of one, and say whether nothing is left."""
        key = (REGISTRY, row.since_ms, row.kind.value, row.id)
        lines, done = await self._begun(row, key)
        is_whole = True
        for eraser in self._erasers:  # in their order: what one has not erased may come back into the next
            if eraser.name in done:
                continue
            counted = lines.get(eraser.name, 0)

            async def found(count: int, name: str = eraser.name) -> None:
                check()
                nonlocal counted
                counted += count
                await self._write("lines", {name: counted}, *key)

            now_ms = time.time_ns() // 1_000_000
            through_ms = now_ms if row.until_ms is None else row.until_ms
            await found(0)
            erasure = Erasure(row.kind, row.id, row.logins, through_ms, row.until_ms is None, found)
            if await eraser.erase(erasure) is Erased.WHOLLY:
                await self._write("done", {eraser.name}, *key)
            else:
                is_whole = False
        if is_whole:
            await self._write("finished", time.time_ns() // 1_000_000, *key)
            await self._optouts.erased(row)
            log.info("erasing.done", kind=row.kind.value, id=row.id)
        return is_whole

    async def _begun(self, row: Optout, key: tuple[object, ...]) -> tuple[dict[str, int], set[str]]:
        """Give what was counted and done already, of an erasure that was broken off."""
        for lines, done in await self._session.execute(self._prepared["read"].bind(key)):
            return dict(lines or {}), set(done or ())
        await self._write("begun", row.way.value, time.time_ns() // 1_000_000, *key)
        return {}, set()

    async def _write(self, name: str, *values: object) -> None:
        await self._session.execute(self._prepared[name].bind(values))


def _statements(session: Session) -> dict[str, str]:
    table = session.table("erasures")
    where = "WHERE registry = ? AND asked = ? AND kind = ? AND id = ?"
    return {
        "read": f"SELECT lines, done FROM {table} {where}",
        "begun": f"UPDATE {table} SET way = ?, begun = ? {where}",
        "lines": f"UPDATE {table} SET lines = lines + ? {where}",
        "done": f"UPDATE {table} SET done = done + ? {where}",
        "finished": f"UPDATE {table} SET finished = ? {where}",
    }
