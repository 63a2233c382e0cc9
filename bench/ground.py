"""What the benches stand on: a node of their own, the machine's description, and where results are written."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from logstv.node import LocalNode
from logstv.node.config import Tuning
from logstv.settings import NodeSettings
from store import schema
from store.settings import StoreSettings

RESULTS = Path(__file__).parent / "results"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def node(heap: str = "2G", tuning: Tuning | None = None) -> Iterator[LocalNode]:
    """Give a fresh node in a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="logstv-bench-") as folder:
        settings = NodeSettings(
            data_dir=Path(folder),
            node_heap=heap,
            cql_port=free_port(),
            node_storage_port=free_port(),
            node_jmx_port=free_port(),
        )
        local = LocalNode(settings, tuning=tuning)
        local.start()
        try:
            yield local
        finally:
            local.stop()


def store_settings(local: LocalNode, keyspace: str, **more: Any) -> StoreSettings:
    """Give the settings of a keyspace on the node, with the tables of logstv in it."""
    settings = StoreSettings(
        contact_points=(local.settings.node_address,), cql_port=local.settings.cql_port, keyspace=keyspace, **more
    )
    schema.apply(settings)
    return settings


@contextlib.contextmanager
def service(local: LocalNode, keyspace: str) -> Iterator[int]:
    """Serve a keyspace of a node from a process of its own, and give the port."""
    port = free_port()
    settings = {
        "LOGSTV_CONTACT_POINTS": "127.0.0.1",
        "LOGSTV_CQL_PORT": str(local.settings.cql_port),
        "LOGSTV_KEYSPACE": keyspace,
        "LOGSTV_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "logstv", "api"], env=environment(settings))
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def machine() -> dict[str, str]:
    """Describe what the numbers were measured on."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    names = ("cassandra-driver", "fastapi", "uvicorn", "orjson")
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "cassandra": "5.0.9",
        **{name: version(name) for name in names},
    }


def report(name: str, rows: list[dict[str, Any]], notes: str = "") -> None:
    """Print a table of results and write it, with the machine, to bench/results."""
    described = machine()
    print(f"\n## {name}\n")
    print("; ".join(f"{key} {value}" for key, value in described.items()))
    if notes:
        print(notes)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(_shown(row.get(column, "")) for column in columns) + " |")
    RESULTS.mkdir(exist_ok=True)
    result = {"name": name, "machine": described, "notes": notes, "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def environment(more: dict[str, str]) -> dict[str, str]:
    """Give this process's environment with more in it."""
    return {**os.environ, **more}


def wait_for_port(port: int, seconds: float = 30) -> None:
    """Wait until something listens on a port of the loopback address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
