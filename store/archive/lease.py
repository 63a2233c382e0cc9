"""Lets one exporter work on a day at a time, on whatever machine each is: a row that expires with its holder.

Two who work on the same day would do no harm but for lines that came late in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator

from cassandra import ConsistencyLevel
from cassandra.query import PreparedStatement

from store.archive.objects import Place
from store.errors import StoreUnavailable
from store.session import Rows, Session

TTL_SECONDS = 60
"""How long a lease outlives a holder that was killed."""


class Lease:
    """A day that is ours for now."""

    def __init__(self, safe_until: float) -> None:
        self.safe_until = safe_until

    def check(self) -> None:
        """Raise StoreUnavailable unless the day is certainly still ours for a while."""
        if time.monotonic() > self.safe_until - TTL_SECONDS / 4:
            raise StoreUnavailable("the lease on a day ran out while it was being exported; it is exported again")


class Leases:
    """The table of who exports which day."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement], holder: str) -> None:
        self._session = session
        self._prepared = prepared
        self._holder = holder

    @classmethod
    async def open(cls, session: Session, name: str) -> Leases:
        """Prepare the statements.

        Args:
            session: where the table is.
            name: of this exporter; need not be the only one.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {key: await session.prepare(cql) for key, cql in _statements(session).items()}
        for statement in prepared.values():
            # SERIAL, not LOCAL_SERIAL: exporters in two datacenters must see each other.
            statement.serial_consistency_level = ConsistencyLevel.SERIAL
        return cls(session, prepared, f"{name}, {secrets.token_hex(4)}")

    @contextlib.asynccontextmanager
    async def hold(self, place: Place) -> AsyncIterator[Lease | None]:
        """Hold the lease of a day while the block runs; gives None if another holds it.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        asked = time.monotonic()
        if not _applied(await self._ask("take", place.channel_id, place.day_ms, self._holder, TTL_SECONDS)):
            yield None
            return
        lease = Lease(asked + TTL_SECONDS)
        renewing = asyncio.create_task(self._renew(place, lease))
        try:
            yield lease
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            # One that cannot be given back expires.
            with contextlib.suppress(StoreUnavailable):
                await self._ask("give_back", place.channel_id, place.day_ms, self._holder)

    async def _renew(self, place: Place, lease: Lease) -> None:
        while True:
            await asyncio.sleep(TTL_SECONDS / 4)
            asked = time.monotonic()
            with contextlib.suppress(StoreUnavailable):
                values = (TTL_SECONDS, self._holder, place.channel_id, place.day_ms, self._holder)
                if not _applied(await self._ask("renew", *values)):
                    return
                lease.safe_until = asked + TTL_SECONDS

    async def _ask(self, name: str, *values: object) -> Rows:
        return await self._session.execute(self._prepared[name].bind(values))


def _applied(rows: Rows) -> bool:
    return bool(rows and rows[0][0])


def _statements(session: Session) -> dict[str, str]:
    table = session.table("archive_leases")
    day = "channel_id = ? AND day = ?"
    return {
        "take": f"INSERT INTO {table} (channel_id, day, holder) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?",
        "renew": f"UPDATE {table} USING TTL ? SET holder = ? WHERE {day} IF holder = ?",
        "give_back": f"DELETE FROM {table} WHERE {day} IF holder = ?",
    }
