"""Tables that tests share are emptied before each of them."""

from __future__ import annotations

import asyncio

from store.store import Store


async def emptied(store: Store) -> Store:
    """Empty all tables but the one whose row another may hold."""
    session = store.session
    tables = await session.execute(
        f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{session.settings.keyspace}'"
    )
    await asyncio.gather(
        *(
            session.execute(f"TRUNCATE {session.settings.keyspace}.{name}")
            for (name,) in tables
            if name != "schema_lock"
        )
    )
    return store
