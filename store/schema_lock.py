"""Lets one applier of the schema work at a time, on whatever machine each is.

Cassandra 5.0 does not order schema changes that reach different nodes at the same time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from cassandra.cluster import Session as DriverSession

from store.errors import SchemaLocked

TABLE = "schema_lock"

_TTL_SECONDS = 60
_LOOK_SECONDS = 0.5
_NAMESPACE = uuid.UUID("6f0f6c5e-6c67-5a0b-9a6e-6c6f67737476")

Renew = Callable[[], None]
"""Called before each step of the work, it keeps the lock."""


@contextlib.contextmanager
def lock(session: DriverSession, keyspace: str, wait_seconds: float) -> Iterator[Renew]:
    """Hold the lock of a keyspace's schema; wait for whoever holds it.

    It expires by itself a minute after its holder was last heard of.

    Raises:
        SchemaLocked: another holds it for longer than that.
    """
    table = f"{keyspace}.{TABLE}"
    # With an id that only the name decides, two nodes that create the table at once create the same one.
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (name text PRIMARY KEY, holder text) "
        f"WITH ID = {uuid.uuid5(_NAMESPACE, table)} AND comment = 'Who applies the schema now'"
    )
    holder = f"{socket.gethostname()}, process {os.getpid()}, {secrets.token_hex(4)}"
    _acquire(session, table, holder, wait_seconds)

    def renew() -> None:
        if not _applied(session, f"UPDATE {table} USING TTL {_TTL_SECONDS} SET holder = %s "  # noqa: S608
                                 "WHERE name = 'schema' IF holder = %s", (holder, holder)):  # fmt: skip
            raise SchemaLocked("the lock on the schema ran out while it was being applied; apply it again")

    try:
        yield renew
    finally:
        _applied(session, f"DELETE FROM {table} WHERE name = 'schema' IF holder = %s", (holder,))  # noqa: S608


def _acquire(session: DriverSession, table: str, holder: str, wait_seconds: float) -> None:
    take = f"INSERT INTO {table} (name, holder) VALUES ('schema', %s) IF NOT EXISTS USING TTL {_TTL_SECONDS}"  # noqa: S608
    deadline = time.monotonic() + wait_seconds
    while not _applied(session, take, (holder,)):
        if time.monotonic() > deadline:
            rows = list(session.execute(f"SELECT holder FROM {table} WHERE name = 'schema'"))  # noqa: S608
            other = rows[0][0] if rows else "someone"
            raise SchemaLocked(
                f"{other} has been applying the schema for {wait_seconds:.0f} s; try again when it is done"
            )
        time.sleep(_LOOK_SECONDS)


def _applied(session: DriverSession, cql: str, values: tuple[Any, ...]) -> bool:
    return bool(session.execute(cql, values).one()[0])
