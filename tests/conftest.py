"""What all tests share: one Cassandra for the whole run, fresh tables, a store to read and a writer to fill it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
import structlog
from support.cassandra import cassandra, local_cluster
from support.tables import emptied

from logstv.node.cluster import LocalCluster
from store.errors import StoreUnavailable
from store.retention import Retention
from store.schema import apply
from store.settings import StoreSettings
from store.store import Store
from store.writer import Writer

_KEYSPACES = count(1)

# structlog's own way to show an exception, with the variables of every call, takes a second each.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture
def unused_port() -> int:
    """A TCP port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="session")
def cluster_settings(cassandra_node: tuple[str, int]) -> StoreSettings:
    """How to reach the Cassandra of this run, in a keyspace that is not there yet."""
    host, port = cassandra_node
    return StoreSettings(contact_points=(host,), cql_port=port, keyspace=f"test_{os.getpid()}_0")


async def _fresh(settings: StoreSettings) -> AsyncIterator[Store]:
    """Yield a store on a keyspace of its own, which is dropped afterwards."""
    settings = settings.model_copy(update={"keyspace": f"test_{os.getpid()}_{next(_KEYSPACES)}"})
    await asyncio.to_thread(apply, settings)
    store = await Store.open(settings)
    try:
        yield store
    finally:
        with contextlib.suppress(
            StoreUnavailable
        ):  # a busy machine takes longer than a request may; it drops it all the same
            await store.session.execute(f"DROP KEYSPACE {settings.keyspace}")
        await store.close()


@pytest.fixture(scope="session")
async def _emptied_store(cluster_settings: StoreSettings) -> AsyncIterator[Store]:
    async for store in _fresh(cluster_settings):
        yield store


@pytest.fixture(scope="module")
async def module_store(cluster_settings: StoreSettings) -> AsyncIterator[Store]:
    """A store on tables that only this module's tests use."""
    async for store in _fresh(cluster_settings):
        yield store


@pytest.fixture(scope="module")
async def module_writer(module_store: Store) -> Writer:
    return await Writer.open(module_store.session, Retention.of(0))


@pytest.fixture
async def store(_emptied_store: Store) -> Store:
    """A store on empty tables."""
    return await emptied(_emptied_store)


@pytest.fixture
def store_settings(store: Store) -> StoreSettings:
    """How the store of this test is reached."""
    return store.session.settings


@pytest.fixture
async def writer(store: Store) -> Writer:
    """A writer that keeps lines for ever, so that made-up lines of any time are kept."""
    return await Writer.open(store.session, Retention.of(0))


@pytest.fixture(scope="session")
def cassandra_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The Cassandra of this run: an existing cluster, a container, or a local node that is stopped at the end."""
    with cassandra(tmp_path_factory.mktemp("cassandra")) as where:
        yield where


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with local_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cassandra_cluster(_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Three nodes on 127.0.0.1, .2 and .3, all up again after the test; tests that use it are marked `cluster`."""
    yield _cluster
    _cluster.mend()
