"""Where the tests' Cassandra comes from: a cluster that is there, a container, or nodes of our own on this machine."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logstv.node.cluster import ClusterPorts, LocalCluster
from logstv.node.config import Tuning
from logstv.node.local_node import LocalNode
from logstv.settings import NodeSettings

# What makes schema changes and TRUNCATE quick, and is good for nothing but tests: system tables are not flushed,
# and what is dropped leaves no snapshot.
# A node that is killed loses its schema by that.
QUICK = Tuning(yaml={"auto_snapshot": False}, flags=("-Dcassandra.unsafesystem=true",))


def unused_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Give TCP ports that nothing listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((address, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def node_settings(folder: Path, **changes: object) -> NodeSettings:
    """Give settings of a node in a folder, on ports that are free; the jars' cache is the usual one."""
    port, storage_port, jmx_port = unused_ports(3)
    chosen: dict[str, object] = {
        "data_dir": folder,
        "cql_port": port,
        "node_storage_port": storage_port,
        "node_jmx_port": jmx_port,
    }
    return NodeSettings(**(chosen | changes))  # type: ignore[arg-type]


@contextmanager
def _local(folder: Path) -> Iterator[tuple[str, int]]:
    node = LocalNode(node_settings(folder), tuning=QUICK)
    try:
        node.start()
        yield node.settings.node_address, node.settings.cql_port
    finally:
        node.leave(wait=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _container() -> Iterator[tuple[str, int]]:
    from testcontainers.community.cassandra import CassandraContainer  # noqa: PLC0415 - asks for Docker

    with CassandraContainer("cassandra:5.0") as container:
        host, port = container.get_contact_points()[0]
        yield host, int(port)


@contextmanager
def cassandra(folder: Path) -> Iterator[tuple[str, int]]:
    """Give the address and CQL port of the run's Cassandra.

    LOGSTV_CONTACT_POINTS names one that is there; LOGSTV_TEST_CASSANDRA=container starts the official image with
    Docker; otherwise a local node is started in a folder, and stopped and removed at the end.
    """
    points = os.environ.get("LOGSTV_CONTACT_POINTS")
    if points:
        yield points.split(",")[0].strip(), int(os.environ.get("LOGSTV_CQL_PORT", "9042"))
    elif os.environ.get("LOGSTV_TEST_CASSANDRA") == "container":
        with _container() as where:
            yield where
    else:
        with _local(folder) as where:
            yield where


@contextmanager
def local_cluster(folder: Path) -> Iterator[LocalCluster]:
    """Give three nodes on 127.0.0.1, .2 and .3 that are stopped and removed at the end."""
    for address in ("127.0.0.2", "127.0.0.3"):
        try:
            unused_ports(1, address)
        except OSError:
            pytest.skip(f"{address} is no address of this machine, as on macOS: sudo ifconfig lo0 alias {address}")
    cql, storage, *jmx = unused_ports(5)
    cluster = LocalCluster(folder, ClusterPorts(cql, storage, tuple(jmx)), tuning=Tuning({"auto_snapshot": False}))
    try:
        with cluster.running():
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)
