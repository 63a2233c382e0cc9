"""What the cluster says of our keyspace: its replicas, how long its tables keep what, and when it was repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from store.errors import StoreError
from store.moderation import TABLES as MODERATION_TABLES
from store.rows import unix_ms
from store.session import Session
from store.shapes import SHAPES

MESSAGE_TABLES = (*(shape.table for shape in SHAPES), *MODERATION_TABLES)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What is said of a keyspace.

    Attributes:
        replicas: how many, by datacenter; None: there is no such keyspace.
        retention: for how many seconds each table of messages keeps a row; 0 is for ever.
        grace: for how many seconds each table of messages keeps a tombstone.
        repaired_ms: when a repair of the keyspace ended last, Unix milliseconds; None: none did in the last weeks.
        repairs_told: whether the cluster lets us know of repairs.
    """

    replicas: Mapping[str, int] | None
    retention: Mapping[str, int]
    grace: Mapping[str, int]
    repaired_ms: int | None
    repairs_told: bool

    @classmethod
    async def of(cls, session: Session) -> TableFacts:
        """Ask the cluster.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        keyspace, prefix = session.settings.keyspace, session.settings.table_prefix
        replication = await session.prepare("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?")
        found = await session.execute(replication.bind((keyspace,)))
        tables = await session.prepare(
            "SELECT table_name, default_time_to_live, gc_grace_seconds FROM system_schema.tables "
            "WHERE keyspace_name = ?"
        )
        rows = {name: (ttl, grace) for name, ttl, grace in await session.execute(tables.bind((keyspace,)))}
        ours = {table: rows[prefix + table] for table in MESSAGE_TABLES if prefix + table in rows}
        repaired_ms, told = await _repaired_ms(session)
        return cls(
            _by_datacenter(found[0][0]) if found else None,
            {table: ttl for table, (ttl, _) in ours.items()},
            {table: grace for table, (_, grace) in ours.items()},
            repaired_ms,
            told,
        )


def _by_datacenter(replication: Mapping[str, str]) -> dict[str, int]:
    # "3/1" is three replicas, of which one is transient; SimpleStrategy names no datacenter.
    return {name: int(count.partition("/")[0]) for name, count in replication.items() if name != "class"}


async def _repaired_ms(session: Session) -> tuple[int | None, bool]:
    """Give when a repair of the keyspace ended well last, and whether that can be known: a role may not read it."""
    try:
        history = await session.prepare(
            "SELECT finished_at, exception_message FROM system_distributed.parent_repair_history "
            "WHERE keyspace_name = ? ALLOW FILTERING"
        )
        rows = await session.execute(history.bind((session.settings.keyspace,)))
    except StoreError:
        return None, False
    return max((unix_ms(at) for at, failure in rows if at is not None and not failure), default=None), True
