"""Lets one applier of the schema work at a time, on whatever machine each is.

Cassandra 5.0 does not order schema changes that reach different nodes at the same time. What is done under the lock
is `store.schema`'s.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from cassandra import ConsistencyLevel, DriverException, InvalidRequest, WriteTimeout
from cassandra.cluster import EXEC_PROFILE_DEFAULT, NoHostAvailable
from cassandra.cluster import Session as DriverSession
from cassandra.protocol import ErrorMessage
from cassandra.query import tuple_factory

from store.errors import SchemaLocked
from store.session import names_no_table

log = structlog.get_logger(__name__)

TABLE = "schema_lock"

TTL_SECONDS = 20
"""How long the lock outlives a holder that was killed."""

_CAS_WRITE_UNKNOWN = 0x1700  # native_protocol_v5.spec, section 8; the driver (3.30) has no name for it
_LOOK_SECONDS = 0.5
_NAMESPACE = uuid.UUID("6f0f6c5e-6c67-5a0b-9a6e-6c6f67737476")


def create_table(keyspace: str) -> str:
    """Give the statement that creates the lock's table.

    Its id is decided by its name alone: two nodes that create it at the same time create the same table. (Cassandra
    5.0.9 takes the id, also once more after the keyspace was dropped.)
    """
    table = f"{keyspace}.{TABLE}"
    return (
        f"CREATE TABLE IF NOT EXISTS {table} (name text PRIMARY KEY, holder text) "
        f"WITH ID = {uuid.uuid5(_NAMESPACE, table)} AND comment = 'Who applies the schema now'"
    )


@contextlib.contextmanager
def lock(session: DriverSession, keyspace: str, wait_seconds: float) -> Iterator[Callable[[], None]]:
    """Hold the lock of a keyspace's schema; wait for whoever holds it.

    A node that has not heard of its table yet is asked again. Yields what raises SchemaLocked if the lock was lost
    meanwhile; call it before each step.

    Raises:
        SchemaLocked: another holds it for longer than that.
    """
    held = _Lock(session, f"{keyspace}.{TABLE}")
    held.acquire(wait_seconds)
    done = threading.Event()
    renewal = threading.Thread(target=held.renew_until, args=(done,), name="schema-lock", daemon=True)
    renewal.start()
    try:
        yield held.check
    finally:
        done.set()
        renewal.join()
        held.release()


class _Lock:
    """One row, written and removed by lightweight transactions, that expires when its holder does not renew it."""

    def __init__(self, session: DriverSession, table: str) -> None:
        self._session = session
        self._table = table
        self._holder = f"{socket.gethostname()}, process {os.getpid()}, {secrets.token_hex(4)}"
        self._safe_until = 0.0
        # SERIAL, not LOCAL_SERIAL: appliers in two datacenters must see each other.
        self._profile = session.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, row_factory=tuple_factory, serial_consistency_level=ConsistencyLevel.SERIAL
        )

    def acquire(self, wait_seconds: float) -> None:
        started, told = time.monotonic(), False
        while (other := self._take()) is not None:
            if time.monotonic() - started >= wait_seconds:
                raise SchemaLocked(
                    f"{other} is applying the schema and was not done within {wait_seconds:.0f} s; try again later "
                    f"(if it is dead, its lock expires within {TTL_SECONDS} s)"
                )
            if not told:
                log.info("waiting for another who applies the schema", holder=other)
                told = True
            time.sleep(_LOOK_SECONDS)

    def _take(self) -> str | None:
        """Try to take the lock once, and give who has it instead."""
        asked = time.monotonic()
        try:
            row = self._ask(
                f"INSERT INTO {self._table} (name, holder) VALUES ('schema', %s) "  # noqa: S608 - checked names
                f"IF NOT EXISTS USING TTL {TTL_SECONDS}",
                self._holder,
            )
        except InvalidRequest as error:
            if not names_no_table(error):
                raise
            return "someone"  # whose new table this node has not heard of
        except (WriteTimeout, ErrorMessage) as error:
            if isinstance(error, ErrorMessage) and error.code != _CAS_WRITE_UNKNOWN:
                raise
            # It may or may not have been written; the next look tells.
            return "someone"
        if row[0]:
            self._safe_until = asked + TTL_SECONDS
            return None
        if row[2] == self._holder:
            return None if self._renew() else "someone"
        return str(row[2])

    def _renew(self) -> bool:
        asked = time.monotonic()
        row = self._ask(
            f"UPDATE {self._table} USING TTL {TTL_SECONDS} SET holder = %s "  # noqa: S608 - checked names
            "WHERE name = 'schema' IF holder = %s",
            self._holder,
            self._holder,
        )
        self._safe_until = asked + TTL_SECONDS if row[0] else 0.0
        return bool(row[0])

    def renew_until(self, done: threading.Event) -> None:
        while not done.wait(TTL_SECONDS / 4):
            try:
                if not self._renew():
                    return
            except (DriverException, ErrorMessage, NoHostAvailable) as error:
                log.warning("the lock on the schema could not be renewed", error=str(error))

    def check(self) -> None:
        """Raise SchemaLocked unless the lock is certainly still ours."""
        if time.monotonic() >= self._safe_until:
            raise SchemaLocked("the lock on the schema ran out while it was being applied; apply it again")

    def release(self) -> None:
        try:
            self._ask(f"DELETE FROM {self._table} WHERE name = 'schema' IF holder = %s", self._holder)  # noqa: S608
        except (DriverException, ErrorMessage, NoHostAvailable) as error:
            log.warning("the lock on the schema was not given back; it expires", seconds=TTL_SECONDS, error=str(error))

    def _ask(self, cql: str, *values: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._session.execute(cql, values, execution_profile=self._profile).one()
        return row
