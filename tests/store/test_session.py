from __future__ import annotations

import gc

import pytest


@pytest.fixture
def garbage():
    """What only the collector finds: collected by itself no more, and kept for the test to look at."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


async def test_an_answered_request_leaves_no_rows_to_the_collector(store, garbage):
    # Hundreds of pages that are freed together hold up every request for as long as that takes.
    rows = await store.session.execute("SELECT keyspace_name, table_name, column_name FROM system_schema.columns")
    columns = [row for row in rows if row[0] == "system_schema"]
    assert columns
    del rows
    gc.collect()
    assert not [thing for thing in garbage if isinstance(thing, tuple) and thing in columns]


async def test_requests_are_counted_by_their_table(store):
    before = store.session.requests.copy()
    await store.directory.channel(1)
    await store.session.execute("SELECT key FROM system.local")
    assert store.session.requests - before == {"channels": 1, "other": 1}
