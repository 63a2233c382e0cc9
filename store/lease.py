"""Lets one process at a time do something, on whatever machine each is: a row that its holder renews, or it expires.

A process that stood still may go on for a moment after its lease ran out, and with LOCAL_SERIAL two may hold it in two
datacenters: what is done under it must do no harm when it is done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from cassandra import ConsistencyLevel
from cassandra.query import PreparedStatement

from store.errors import LeaseLost, StoreError, StoreUnavailable
from store.session import Rows, Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms something is done by one process at a time.

    Attributes:
        ttl_seconds: how long a lease outlives a holder that was killed.
        spare_seconds: how long it has to be certainly ours at a check.
        lost: what a check raises if it is not.
        everywhere: whether processes in other datacenters are kept away too (SERIAL, not LOCAL_SERIAL).
    """

    ttl_seconds: int = 30
    spare_seconds: float = 0.0
    lost: type[StoreError] = LeaseLost
    everywhere: bool = False


class Lease:
    """What is ours for now.

    Attributes:
        safe_until: until when it certainly is, by the monotonic clock.
    """

    def __init__(self, name: str, terms: Terms, safe_until: float) -> None:
        self.safe_until = safe_until
        self._name = name
        self._terms = terms

    def check(self) -> None:
        """Raise what the terms say unless it is certainly still ours; to be called before each step."""
        if time.monotonic() >= self.safe_until - self._terms.spare_seconds:
            raise self._terms.lost(f"the lease on {self._name!r} ran out; whoever takes it next goes on from here")


class Leases:
    """The table of what one process at a time does."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement], terms: Terms) -> None:
        self._session = session
        self._prepared = prepared
        self._terms = terms
        self._holder = f"{socket.gethostname()}, process {os.getpid()}, {secrets.token_hex(4)}"

    @classmethod
    async def open(cls, session: Session, terms: Terms = Terms()) -> Leases:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        table = session.table("leases")
        statements = {
            "take": f"INSERT INTO {table} (name, holder) VALUES (?, ?) IF NOT EXISTS USING TTL ?",
            "renew": f"UPDATE {table} USING TTL ? SET holder = ? WHERE name = ? IF holder = ?",
            "give back": f"DELETE FROM {table} WHERE name = ? IF holder = ?",
        }
        return cls(session, {name: await session.prepare(cql) for name, cql in statements.items()}, terms)

    @contextlib.asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[Lease | None]:
        """Hold a lease while the block runs; gives None where another holds it.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        ttl, asked = self._terms.ttl_seconds, time.monotonic()
        taken = await self._ask("take", name, self._holder, ttl)
        # Asked a second time by the driver, it is refused by what the first has written: that is ours, too.
        if not taken[0][0] and self._holder not in taken[0]:
            yield None
            return
        lease = Lease(name, self._terms, asked + ttl)
        renewing = asyncio.create_task(self._renew(name, lease))
        try:
            yield lease
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            with contextlib.suppress(StoreUnavailable):  # it expires
                await self._ask("give back", name, self._holder)

    async def _renew(self, name: str, lease: Lease) -> None:
        ttl = self._terms.ttl_seconds
        while True:
            await asyncio.sleep(ttl / 4)
            asked = time.monotonic()
            try:
                renewed = await self._ask("renew", ttl, self._holder, name, self._holder)
            except StoreUnavailable as error:
                log.warning("lease.not_renewed", lease=name, reason=str(error))
                continue
            lease.safe_until = asked + ttl if renewed[0][0] else 0.0

    async def _ask(self, statement: str, *values: object) -> Rows:
        bound = self._prepared[statement].bind(values)
        if self._terms.everywhere:
            bound.serial_consistency_level = ConsistencyLevel.SERIAL
        return await self._session.execute(bound)
