"""The life of a node, with real processes: every test starts and stops nodes on the same folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import RoundRobinPolicy
from rich.console import Console
from support.cassandra import node_settings, unused_ports

from logstv.errors import NodeInUseError, NodeStartError
from logstv.node import LocalNode
from logstv.node.run import RunFolder
from logstv.settings import NodeSettings

SECONDS = 90

USER = """
import sys
from logstv.node import LocalNode
from logstv.settings import NodeSettings
node = LocalNode(NodeSettings())
node.start()
print(node.state.pid, flush=True)
sys.stdin.read()
node.leave(wait=True)
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    # macOS keeps data in "Application Support": a space must not matter.
    return node_settings(tmp_path_factory.mktemp("node") / "with a space")


@pytest.fixture
def make(settings: NodeSettings) -> Iterator[Callable[[], LocalNode]]:
    """Make users of the node; whatever a test does, none runs afterwards."""
    users: list[LocalNode] = []

    def user() -> LocalNode:
        users.append(LocalNode(settings, console=Console(quiet=True)))
        return users[-1]

    yield user
    for each in users:
        each.leave()
    user().stop(force=True)


@pytest.fixture
def environment(settings: NodeSettings) -> dict[str, str]:
    return os.environ | {
        "LOGSTV_DATA_DIR": str(settings.data_dir),
        "LOGSTV_CQL_PORT": str(settings.cql_port),
        "LOGSTV_NODE_STORAGE_PORT": str(settings.node_storage_port),
        "LOGSTV_NODE_JMX_PORT": str(settings.node_jmx_port),
    }


@contextmanager
def connected(settings: NodeSettings) -> Iterator[Session]:
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=30)
    where = Cluster(
        [settings.node_address],
        port=settings.cql_port,
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )
    try:
        yield where.connect()
    finally:
        where.shutdown()


def write(settings: NodeSettings, note: str) -> None:
    with connected(settings) as session:
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS notes WITH replication = "
            "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
        )
        session.execute("CREATE TABLE IF NOT EXISTS notes.notes (note text PRIMARY KEY)")
        session.execute("INSERT INTO notes.notes (note) VALUES (%s)", (note,))


def notes(settings: NodeSettings) -> set[str]:
    with connected(settings) as session:
        return {row.note for row in session.execute("SELECT note FROM notes.notes")}


def last_exit(settings: NodeSettings) -> object:
    return (RunFolder(settings.node_dir / "run").last_exit() or {}).get("how")


def test_two_who_start_at_once_share_one_node_that_drains_when_both_are_killed(
    settings: NodeSettings, make: Callable[[], LocalNode], environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", USER]
    users = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        assert all(user.stdout for user in users)
        pids = {int(user.stdout.readline()) for user in users if user.stdout}
        assert len(pids) == 1
        write(settings, "before both were killed")
        users[0].kill()
        users[0].wait()
        status = make().status()
        assert status.answering
        assert status.used
    finally:
        for user in users:
            user.kill()
            user.communicate()
    until(lambda: not make().status().running)
    assert last_exit(settings) == "drained"
    assert not psutil.pid_exists(pids.pop())
    assert make().start()
    assert "before both were killed" in notes(settings)


def test_the_last_user_takes_the_node_along_and_a_late_one_gets_a_new_one(
    settings: NodeSettings, make: Callable[[], LocalNode]
) -> None:
    first, second, late = make(), make(), make()
    assert first.start()
    assert not second.start()
    assert first.state == second.state
    write(settings, "kept by draining")
    with pytest.raises(NodeInUseError, match="in use"):
        late.stop()
    assert not first.leave(wait=True)
    assert second.status().answering
    second.leave()
    until(lambda: late.status().stopping or not late.status().running)
    assert late.start()
    assert last_exit(settings) is None
    assert "kept by draining" in notes(settings)
    assert late.leave(wait=True)
    assert not late.status().running


def test_a_node_whose_guard_is_killed_drains_and_can_be_started_again(
    settings: NodeSettings, make: Callable[[], LocalNode]
) -> None:
    node = make()
    node.start()
    write(settings, "before the guard was killed")
    state = node.state
    assert state is not None
    os.kill(state.guard_pid, signal.SIGKILL)
    until(lambda: not RunFolder(settings.node_dir / "run").guarded())
    assert node.start()
    assert node.state != state
    assert "before the guard was killed" in notes(settings)
    assert "Cassandra shutdown complete" in (settings.node_dir / "logs" / "system.log").read_text()


def test_a_damaged_commit_log_is_named_in_a_sentence(
    settings: NodeSettings, make: Callable[[], LocalNode], tmp_path: Path
) -> None:
    damaged = settings.model_copy(update={"data_dir": tmp_path})
    # A damaged end is taken for an incomplete write and passed over; a damaged beginning is not.
    for number in (1, 2):
        log = damaged.node_dir / "commitlog" / f"CommitLog-8-170000000000{number}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(os.urandom(4096))
    with pytest.raises(NodeStartError, match=r"commit log is damaged.*system\.log"):
        LocalNode(damaged, console=Console(quiet=True)).start()
    assert not LocalNode(damaged, console=Console(quiet=True)).stop(force=True)


@pytest.mark.parametrize(
    ("field", "setting"),
    [
        ("cql_port", "LOGSTV_CQL_PORT"),
        ("node_storage_port", "LOGSTV_NODE_STORAGE_PORT"),
        ("node_jmx_port", "LOGSTV_NODE_JMX_PORT"),
    ],
)
def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path, field: str, setting: str) -> None:
    (port,) = unused_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        node = LocalNode(node_settings(tmp_path, **{field: port}), console=Console(quiet=True))
        with pytest.raises(NodeStartError, match=rf"port {port} of 127\.0\.0\.1 is taken by process .* {setting}"):
            node.start()
    assert not node.status().running


def test_a_full_disk_is_told_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(NodeStartError, match=r"MiB left.*make room"):
        LocalNode(node_settings(tmp_path, node_min_free=1 << 40), console=Console(quiet=True)).start()


def test_a_folder_that_cannot_be_written_is_told_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NodeStartError, match=r"cannot be written.*LOGSTV_DATA_DIR"):
        LocalNode(node_settings(tmp_path / "file"), console=Console(quiet=True)).start()
