"""Lets one process at a time do something, on whatever machine each is: a row that its holder renews, or it expires.

In two datacenters two may hold it (LOCAL_SERIAL), and a process that stood still may go on for a moment after its lease
ran out: what is done under it must do no harm when it is done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable

import structlog
from cassandra.query import PreparedStatement

from store.errors import LeaseLost, StoreUnavailable
from store.session import Session

log = structlog.get_logger(__name__)

TTL_SECONDS = 30
"""How long a lease outlives a holder that was killed."""


class Leases:
    """The table of what one process at a time does."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement]) -> None:
        self._session = session
        self._prepared = prepared
        self._holder = f"{socket.gethostname()}, process {os.getpid()}, {secrets.token_hex(4)}"

    @classmethod
    async def open(cls, session: Session) -> Leases:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        table = session.table("leases")
        statements = {
            "take": f"INSERT INTO {table} (name, holder) VALUES (?, ?) IF NOT EXISTS USING TTL {TTL_SECONDS}",
            "renew": f"UPDATE {table} USING TTL {TTL_SECONDS} SET holder = ? WHERE name = ? IF holder = ?",
            "give back": f"DELETE FROM {table} WHERE name = ? IF holder = ?",
        }
        return cls(session, {name: await session.prepare(cql) for name, cql in statements.items()})

    @contextlib.asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[Callable[[], None] | None]:
        """Hold a lease if nobody else does.

        Yields what raises LeaseLost once the lease is no longer certainly ours, to be called before each step; None
        where another holds it.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        asked = time.monotonic()
        taken = await self._session.execute(self._prepared["take"].bind((name, self._holder)))
        # Asked a second time by the driver, it is refused by what the first has written: that is ours, too.
        if not taken[0][0] and self._holder not in taken[0]:
            yield None
            return
        safe_until = [asked + TTL_SECONDS]

        def check() -> None:
            if time.monotonic() >= safe_until[0]:
                raise LeaseLost(f"the lease on {name!r} ran out; whoever takes it next goes on from here")

        renewing = asyncio.create_task(self._renew(name, safe_until))
        try:
            yield check
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            with contextlib.suppress(StoreUnavailable):  # it expires
                await self._session.execute(self._prepared["give back"].bind((name, self._holder)))

    async def _renew(self, name: str, safe_until: list[float]) -> None:
        while True:
            await asyncio.sleep(TTL_SECONDS / 4)
            asked = time.monotonic()
            try:
                renewed = await self._session.execute(self._prepared["renew"].bind((self._holder, name, self._holder)))
            except StoreUnavailable as error:
                log.warning("lease.not_renewed", lease=name, reason=str(error))
                continue
            safe_until[0] = asked + TTL_SECONDS if renewed[0][0] else 0.0
