from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from support.operator import ALL_TABLES, tables_of
from support.patience import PATIENCE_SECONDS

from logstv.node.cluster import LocalCluster
from store import schema_lock
from store.errors import SchemaLocked
from store.schema import Change, apply, diff
from store.settings import StoreSettings


def test_of_many_who_apply_at_once_each_change_is_made_by_one(fresh, cql):
    together = threading.Barrier(4)

    def one(_: int) -> list[Change]:
        together.wait()
        return apply(fresh.settings)

    with ThreadPoolExecutor(4) as pool:
        done = list(itertools.chain.from_iterable(pool.map(one, range(4))))
    tables = [change.table for change in done if change.table]
    assert sorted(tables) == sorted(ALL_TABLES)
    assert diff(fresh.settings) == []
    assert cql(f"SELECT * FROM {fresh.settings.keyspace}.{schema_lock.TABLE}") == []


def test_a_node_that_has_not_heard_of_the_locks_table_is_asked_again(fresh, session, cql):
    keyspace = f"{fresh.settings.keyspace}_late"
    cql(f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
    try:
        with pytest.raises(SchemaLocked), schema_lock.lock(session, keyspace, 0):
            pass
        heard = threading.Timer(0.3, cql, [schema_lock.create_table(keyspace)])
        heard.start()
        with schema_lock.lock(session, keyspace, PATIENCE_SECONDS) as check:
            check()
        heard.join()
    finally:
        cql(f"DROP KEYSPACE {keyspace}")


def test_who_waits_too_long_is_told_who_is_at_it(tuned, session):
    tuned.edit("channels", "WITH comment", "WITH min_index_interval = 64 AND comment")
    with (
        schema_lock.lock(session, tuned.settings.keyspace, 0),
        pytest.raises(SchemaLocked, match=rf"process {os.getpid()}, .* is applying the schema"),
    ):
        apply(tuned.settings, wait_seconds=0)
    assert len(apply(tuned.settings, wait_seconds=0)) == 1


def test_a_lock_is_kept_for_longer_than_it_lasts_and_its_loss_is_noticed(tuned, session, cql, monkeypatch):
    monkeypatch.setattr(schema_lock, "TTL_SECONDS", 8)
    row = f"{tuned.settings.keyspace}.{schema_lock.TABLE}"
    with schema_lock.lock(session, tuned.settings.keyspace, 10) as check:
        first_end = time.monotonic() + schema_lock.TTL_SECONDS
        written = cql(f"SELECT WRITETIME(holder) AS at FROM {row}")[0].at
        wait_for(lambda: cql(f"SELECT WRITETIME(holder) AS at FROM {row}")[0].at > written)
        with monkeypatch.context() as later:
            later.setattr(schema_lock, "time", SimpleNamespace(monotonic=lambda: first_end))
            wait_for(lambda: not lost(check))
        cql(f"UPDATE {row} SET holder = 'another' WHERE name = 'schema' IF EXISTS")
        wait_for(lambda: lost(check))
    assert cql(f"SELECT holder FROM {row}")[0].holder == "another"
    cql(f"DELETE FROM {row} WHERE name = 'schema' IF EXISTS")


def lost(check: Callable[[], None]) -> bool:
    try:
        check()
    except SchemaLocked:
        return True
    return False


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    pause, waited = threading.Event(), 0.0
    while not condition():
        assert waited < seconds, "it did not come about"
        pause.wait(0.05)
        waited += 0.05


KILLED = """
import sys
from store import schema, schema_lock
from store.settings import StoreSettings
schema_lock.TTL_SECONDS = 2
schema.apply(StoreSettings(), on_change=lambda change: print(change.table, flush=True))
"""


def test_who_comes_after_one_who_was_killed_goes_on_from_there(fresh, cql):
    settings = fresh.settings
    environment = os.environ | {
        "LOGSTV_CONTACT_POINTS": settings.contact_points[0],
        "LOGSTV_CQL_PORT": str(settings.cql_port),
        "LOGSTV_KEYSPACE": settings.keyspace,
    }
    with subprocess.Popen([sys.executable, "-c", KILLED], env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = [child.stdout.readline().strip() for _ in range(3)]
        child.kill()
    assert first[0] == ""
    there = tables_of(cql, settings.keyspace)
    assert set(first[1:]) <= there < ALL_TABLES
    assert {change.table for change in apply(settings)} == ALL_TABLES - there
    assert diff(settings) == []


@pytest.mark.cluster
def test_appliers_at_three_nodes_make_one_schema_and_replicas_can_be_raised(cassandra_cluster: LocalCluster):
    """Each applier asks a node of its own, where Cassandra itself orders nothing."""
    base = StoreSettings(
        contact_points=cassandra_cluster.addresses, cql_port=cassandra_cluster.port, keyspace=f"race_{os.getpid()}"
    )
    together = threading.Barrier(3)

    def one(address: str) -> list[Change]:
        together.wait()
        return apply(base.model_copy(update={"contact_points": (address,)}))

    with ThreadPoolExecutor(3) as pool:
        done = list(itertools.chain.from_iterable(pool.map(one, cassandra_cluster.addresses)))
    assert sorted(change.table for change in done if change.table) == sorted(ALL_TABLES)
    assert diff(base) == []
    (raised,) = apply(base.model_copy(update={"replication": "datacenter1:3"}))
    assert "run `nodetool repair --full` on every node" in raised.what
    (lowered,) = apply(base.model_copy(update={"replication": "datacenter1:2"}))
    assert "run `nodetool cleanup` on every node" in lowered.what
