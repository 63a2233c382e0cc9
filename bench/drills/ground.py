"""What the drills stand on: a node, a demo chat that says what must be there, and workers that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench import ground
from ingest.demo import DemoChat, DemoChatServer
from logstv.node import LocalNode
from logstv.node.cluster import ClusterPorts, LocalCluster
from logstv.settings import NodeSettings
from store.message import Message
from store.reader import Log
from store.settings import StoreSettings
from store.shapes import CHANNEL, SHAPES, Key, Shape
from store.store import Store


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class WorkerProcess:
    """`logstv ingest` in a process of its own.

    Attributes:
        most_memory: bytes resident at most, as far as `look` saw.
    """

    def __init__(self, server: DemoChatServer, store: StoreSettings, folder: Path, **more: object) -> None:
        self.most_memory = 0
        self._metrics = more.get("metrics_address", "")
        self._log = (folder / "worker.log").open("ab")
        settings = {
            "LOGSTV_CONTACT_POINTS": ",".join(store.contact_points),
            "LOGSTV_CQL_PORT": store.cql_port,
            "LOGSTV_KEYSPACE": store.keyspace,
            "LOGSTV_CHANNELS": ",".join(server.chat.channels),
            "LOGSTV_IRC_URL": f"irc://127.0.0.1:{server.port}",
            "LOGSTV_WORKER": folder.name,
            "LOGSTV_IRC_JOINS_PER_10S": 10_000,
            "LOGSTV_IRC_CONNECTION_PAUSE": 0.05,
            "LOGSTV_DATA_DIR": folder,
            **{f"LOGSTV_{name.upper()}": value for name, value in more.items()},
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "logstv", "ingest"],
            env=ground.environment({name: str(value) for name, value in settings.items()}),
            stderr=self._log,
        )

    def figure(self, name: str, **labels: str) -> float:
        """Give one of the worker's metrics; it has to be started with `metrics_address`."""
        return ground.figure(f"http://{self._metrics}", f"logstv_ingest_{name}", **labels)

    def look(self) -> int:
        """Give the bytes resident now."""
        memory: int = psutil.Process(self._process.pid).memory_info().rss
        self.most_memory = max(self.most_memory, memory)
        return memory

    def kill(self) -> int:
        """Kill it at once; give when, Unix milliseconds."""
        self._process.kill()
        killed_ms = now_ms()
        self._process.wait()
        return killed_ms

    def stop(self) -> None:
        """Have it stop as an operator would."""
        self._process.terminate()
        self._process.wait(60)


@dataclass
class Ground:
    """A cluster, a chat and a folder, for one drill."""

    server: DemoChatServer
    settings: StoreSettings
    folder: Path
    node: LocalNode | None = None
    workers: list[WorkerProcess] = field(default_factory=list)

    def worker(self, name: str = "worker", **more: object) -> WorkerProcess:
        """Start a worker."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        worker = WorkerProcess(self.server, self.settings, folder, **more)
        self.workers.append(worker)
        return worker

    async def joined(self, connections: int = 1) -> int:
        """Wait until connections are in all channels of the chat; give when, Unix milliseconds."""
        wanted = set(self.server.chat.channels)
        while True:
            clients = [client for client in self.server._clients if client.channels >= wanted]
            if len(clients) >= connections:
                return now_ms() + 50
            await asyncio.sleep(0.02)

    async def killed(self, worker: WorkerProcess) -> int:
        """Kill a worker, and wait until the chat server has noticed; give when it was killed, Unix milliseconds."""
        before = self.server.connections
        killed_ms = worker.kill()
        while self.server.connections >= before:
            await asyncio.sleep(0.01)
        return killed_ms

    async def caught_up(self, to_ms: int, seconds: float = 600) -> None:
        """Wait until what was said up to a time is stored, or the store stays behind for too long."""
        store = await Store.open(self.settings)
        chat = self.server.chat
        async with asyncio.timeout(seconds):
            for channel in chat.channels:
                log = Log(CHANNEL, (chat.channel_id(channel),))
                while True:
                    page = await store.reader.page(log, limit=1)
                    if page.messages and (page.messages[0].sent_ms or 0) >= to_ms:
                        break
                    await asyncio.sleep(0.1)
        await store.close()

    async def verdict(self, spans: Iterable[tuple[int, int]], only: Container[str] | None = None) -> Verdict:
        """Hold the three tables against what was said in these times, Unix milliseconds; `only`: these lines of it."""
        chat, verdict = self.server.chat, Verdict()
        expected: dict[tuple[Shape, Key], list[Message]] = {}
        for channel in chat.channels:
            for from_ms, to_ms in spans:
                for line in chat.lines_between(channel, from_ms, to_ms, self.server.epoch_ms):
                    if only is not None and line not in only:
                        continue
                    message = Message.parse(line, channel_id=chat.channel_id(channel))
                    verdict.expected += 1
                    for shape in SHAPES:
                        for key in shape.keys_of(message.channel_id or 0, message.users):
                            expected.setdefault((shape, key), []).append(message)
        store = await Store.open(self.settings)
        logs = iter(expected.items())

        async def compare() -> None:
            for (shape, key), messages in logs:
                stored = Counter([
                    message.line async for some in store.reader.stream(Log(shape, key)) for message in some
                ])  # fmt: skip
                verdict.missing[shape.name] += [
                    message.sent_ms or 0 for message in messages if not stored[message.line]
                ]
                verdict.doubled += sum(stored[message.line] > 1 for message in messages)

        await asyncio.gather(*(compare() for _ in range(8)))
        await store.close()
        return verdict


@dataclass
class Verdict:
    """What the tables hold of what was said.

    Attributes:
        expected: how many lines were said.
        missing: by shape, the times of those that are not there, Unix milliseconds.
        doubled: how many are there twice.
    """

    expected: int = 0
    missing: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    doubled: int = 0

    def row(self) -> dict[str, int]:
        """Give it as a row of a report."""
        counts = {f"missing by {name.replace('_', ' ')}": len(times) for name, times in self.missing.items()}
        return {"lines": self.expected, **counts, "doubled": self.doubled}

    def hold(self) -> None:
        """Fail if anything is missing or doubled."""
        assert self.expected
        assert not any(self.missing.values()), "lines are missing"
        assert not self.doubled, "lines are doubled"


@contextlib.contextmanager
def three_nodes() -> Iterator[LocalCluster]:
    """Give three nodes on 127.0.0.1 to .3."""
    ports = ClusterPorts(ground.free_port(), ground.free_port(), tuple(ground.free_port() for _ in range(3)))
    with tempfile.TemporaryDirectory(prefix="logstv-drill-") as folder:
        settings = NodeSettings(node_heap="1G", node_start_timeout=300)
        with LocalCluster(Path(folder), ports, settings).running() as cluster:
            yield cluster


@contextlib.asynccontextmanager
async def drill(rate: float, channels: int) -> AsyncIterator[Ground]:
    """Give a node, and a demo chat of so many channels with so many lines a second in all of them together."""
    with ground.node() as local:
        async with over(ground.store_settings(local, "drill"), rate, channels) as tried:
            tried.node = local
            yield tried


@contextlib.asynccontextmanager
async def over(settings: StoreSettings, rate: float, channels: int) -> AsyncIterator[Ground]:
    """Give a demo chat over a cluster that is there already, and end all workers in the end."""
    logins = tuple(f"drill{number}" for number in range(channels))
    chat = DemoChat(seed=os.getpid(), channels=logins, rate=rate / channels)
    with tempfile.TemporaryDirectory(prefix="logstv-drill-") as folder:
        async with DemoChatServer(chat) as server:
            tried = Ground(server, settings, Path(folder))
            try:
                yield tried
            finally:
                for worker in tried.workers:
                    with contextlib.suppress(ProcessLookupError):
                        worker.kill()
