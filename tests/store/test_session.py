from __future__ import annotations

import asyncio
import gc
from itertools import islice

import pytest

from logstv.node.cluster import LocalCluster
from store.session import Session, cluster_of
from store.settings import StoreSettings


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


def test_a_node_that_is_away_is_looked_for_as_long_as_it_takes():
    cluster = cluster_of(StoreSettings())
    try:
        delays = list(islice(cluster.reconnection_policy.new_schedule(), 10_000))
    finally:
        cluster.shutdown()
    assert len(delays) == 10_000
    assert max(delays) <= 5


@pytest.mark.cluster
async def test_a_frozen_node_keeps_nobody_waiting_until_it_is_noticed(cassandra_cluster: LocalCluster):
    victim = cassandra_cluster.nodes[2]
    settings = StoreSettings(
        contact_points=cassandra_cluster.addresses, cql_port=cassandra_cluster.port, request_timeout=60
    )
    session = await Session.open(settings)
    try:
        read = (await session.prepare("SELECT release_version FROM system.local")).bind(())
        victim.freeze()
        # Each node is asked in its turn.
        answers = await asyncio.gather(*(session.execute(read) for _ in range(30)))
        assert all(answers)
        (frozen,) = [host for host in session.hosts if host.address == victim.address]
        assert frozen.is_up
    finally:
        victim.thaw()
        await session.close()
