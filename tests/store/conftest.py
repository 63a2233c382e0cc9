"""What the tests of the schema share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.cluster import Session as DriverSession
from cassandra.query import named_tuple_factory
from support.operator import Cql, Tuned

import schema as files
from store.schema import apply
from store.session import cluster_of
from store.settings import StoreSettings


@pytest.fixture(scope="module")
def session(cluster_settings: StoreSettings) -> Iterator[DriverSession]:
    """A driver session that sees what is really there."""
    cluster = cluster_of(cluster_settings)
    session = cluster.connect()
    yield session
    cluster.shutdown()


@pytest.fixture(scope="module")
def cql(session: DriverSession) -> Cql:
    profile = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=named_tuple_factory)
    return lambda text, *values: list(session.execute(text, values, execution_profile=profile, timeout=30))


@pytest.fixture
def fresh(cluster_settings: StoreSettings, cql: Cql, tmp_path: Path) -> Iterator[Tuned]:
    """A keyspace that is not there yet."""
    tuned = Tuned(cluster_settings, tmp_path / "schema")
    yield tuned
    cql(f"DROP KEYSPACE IF EXISTS {tuned.settings.keyspace}")


@pytest.fixture(scope="module")
def applied_once(
    cluster_settings: StoreSettings, cql: Cql, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tuned]:
    tuned = Tuned(cluster_settings, tmp_path_factory.mktemp("tuned") / "schema")
    apply(tuned.settings)
    yield tuned
    cql(f"DROP KEYSPACE {tuned.settings.keyspace}")


@pytest.fixture
def tuned(applied_once: Tuned) -> Iterator[Tuned]:
    """Tables as the files say; options that a test tuned are put back."""
    yield applied_once
    for path in files.FOLDER.glob("*.cql"):
        shutil.copy(path, applied_once.folder)
    apply(applied_once.settings)
