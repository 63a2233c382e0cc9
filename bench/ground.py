"""What the benches stand on: a node of their own, the machine's description, and where results are written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

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


class Service:
    """`logstv api` in a process of its own, as it answers.

    Attributes:
        port: where it listens.
        url: the same, as an address.
        pid: of the process.
    """

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.pid = pid

    def figure(self, name: str, **labels: str) -> float:
        """Give the sum of the samples of one of its metrics that have these labels."""
        return figure(self.url, name, **labels)

    @property
    def most_memory(self) -> float:
        """MiB resident at most until now, as Linux counts them (proc(5), VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


@contextlib.contextmanager
def service(settings: StoreSettings, **more: object) -> Iterator[Service]:
    """Start the service over tables that are there, wait until it answers, and end it afterwards.

    Args:
        settings: where the tables are.
        more: settings of the service, by their names.
    """
    port = free_port()
    chosen = {
        "CONTACT_POINTS": ",".join(settings.contact_points),
        "CQL_PORT": settings.cql_port,
        "KEYSPACE": settings.keyspace,
        "PORT": port,
        **{name.upper(): value for name, value in more.items()},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "logstv", "api"],
        env=environment({f"LOGSTV_{name}": str(value) for name, value in chosen.items()}),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        while True:  # it listens before it has reached Cassandra
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                break
            time.sleep(0.1)
        yield Service(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def figure(url: str, name: str, **labels: str) -> float:
    """Give the sum of the samples of a metric that have these labels, from the `/metrics` of an address."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def apart(measure: Callable[..., Any], *given: Any) -> Any:
    """Measure in a process of its own, so that one measurement does not warm or burden the next."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (measure, given))


def _run(measure: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    return asyncio.run(measure(*given))


def percentiles(took: list[float]) -> dict[str, float]:
    """Give the median and the 99th percentile of times in seconds, in milliseconds."""
    ordered = sorted(took)
    return {"p50 ms": ordered[len(ordered) // 2] * 1000, "p99 ms": ordered[int(len(ordered) * 0.99)] * 1000}


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
