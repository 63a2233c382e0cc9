"""Several workers over one chat, each as it is run: real sockets, real Cassandra, some of them other processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.chat import settings_for, until
from support.patience import patience

from ingest.assignment import assign
from ingest.demo import DemoChat, DemoChatServer
from ingest.errors import WorkerNameTaken
from ingest.worker import work
from store.reader import Log
from store.shapes import CHANNEL
from store.store import Store
from store.wanted import WantedChannels
from store.workers import Worker, Workers

CHANNELS = tuple(f"room_{number}" for number in range(12))
QUICK = {"worker_heartbeat": 0.2, "irc_channels_per_connection": 4}


@pytest.fixture
async def chat() -> AsyncIterator[DemoChatServer]:
    """A chat that goes on all the time."""
    async with DemoChatServer(DemoChat(seed=11, channels=CHANNELS, rate=25)) as found:
        yield found


class Crew:
    """The workers of a test, and what their rows say."""

    def __init__(self, store: Store, chat: DemoChatServer, folder: Path) -> None:
        self.chat = chat
        self.store = store
        self.folder = folder
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, key: str = "", **more: object) -> asyncio.Task[None]:
        settings = settings_for(self.chat, **({"channels": (), "worker": name} | QUICK | more))
        task = asyncio.create_task(work(self.store.session.settings, settings, self.folder / (key or name)))
        self.tasks[key or name] = task
        return task

    async def stop(self, name: str) -> None:
        """Have a worker end as SIGTERM would."""
        task = self.tasks.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def reading(self) -> dict[str, set[str]]:
        """Give which channels each worker says that it reads."""
        logins = {self.chat.chat.channel_id(login): login for login in CHANNELS}
        found = await (await Workers.open(self.store.session)).all()
        return {worker.name: {logins[which] for which in worker.reading} for worker in found}

    async def settle(self, names: set[str], redundancy: int, channels: tuple[str, ...] = CHANNELS) -> dict[str, set]:
        """Wait until each of the workers reads its share and nothing else."""
        shared = assign(channels, names, redundancy)
        shares = {name: {channel for channel, readers in shared.items() if name in readers} for name in names}
        async with patience():
            while await self.reading() != shares:
                await asyncio.sleep(0.1)
        return shares

    async def lines(self, channel: str, from_ms: int, to_ms: int) -> list[str]:
        log = Log(CHANNEL, (self.chat.chat.channel_id(channel),), from_ms, to_ms, newest_first=False)
        return [message.line async for piece in self.store.reader.stream(log) for message in piece]

    async def assert_nothing_is_missing(self, from_ms: int, to_ms: int) -> None:
        for channel in CHANNELS:
            said = list(self.chat.chat.lines_between(channel, from_ms, to_ms, self.chat.epoch_ms))
            stored = await self.lines(channel, from_ms, to_ms)
            assert len(said) > 20
            assert sorted(stored) == sorted(said), channel


@pytest.fixture
async def crew(store: Store, chat: DemoChatServer, tmp_path: Path) -> AsyncIterator[Crew]:
    await (await WantedChannels.open(store.session)).add(CHANNELS)
    found = Crew(store, chat, tmp_path)
    yield found
    for task in found.tasks.values():
        task.cancel()
    await asyncio.gather(*found.tasks.values(), return_exceptions=True)


def now() -> int:
    return time.time_ns() // 1_000_000


async def test_who_comes_takes_only_its_share_who_goes_hands_it_over_and_no_line_is_missing(crew):
    for name in ("ada", "bo"):
        crew.start(name, ingest_redundancy=1)
    two = await crew.settle({"ada", "bo"}, 1)
    begun = now()
    crew.start("cy", ingest_redundancy=1)
    three = await crew.settle({"ada", "bo", "cy"}, 1)
    assert three["cy"] == (two["ada"] - three["ada"]) | (two["bo"] - three["bo"])
    assert three["ada"] <= two["ada"]
    assert three["bo"] <= two["bo"]
    await crew.stop("ada")
    left = await crew.settle({"bo", "cy"}, 1)
    assert left["bo"] >= three["bo"]
    assert left["cy"] >= three["cy"]
    ended = now()
    for name in ("bo", "cy"):
        await crew.stop(name)

    async def nobody_reads() -> bool:
        return await crew.reading() == {}

    await until(nobody_reads)
    await crew.assert_nothing_is_missing(begun, ended)


async def test_two_read_every_channel_by_default_and_each_line_is_there_once(crew):
    for name in ("ada", "bo"):
        crew.start(name)
    shares = await crew.settle({"ada", "bo"}, 2)
    assert shares["ada"] == shares["bo"] == set(CHANNELS)
    begun = now()
    await until(lambda: now() > begun + 1500)
    ended = now()
    await crew.stop("ada")
    await crew.stop("bo")
    await crew.assert_nothing_is_missing(begun, ended)


async def test_the_channels_of_one_that_is_killed_are_read_again(crew):
    settings = crew.store.session.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOGSTV_")} | {
        "LOGSTV_CONTACT_POINTS": settings.contact_points[0],
        "LOGSTV_CQL_PORT": str(settings.cql_port),
        "LOGSTV_KEYSPACE": settings.keyspace,
        "LOGSTV_DATA_DIR": str(crew.folder),
        "LOGSTV_IRC_URL": f"irc://127.0.0.1:{crew.chat.port}",
        "LOGSTV_WORKER": "doomed",
        "LOGSTV_INGEST_REDUNDANCY": "1",
    }
    command = (sys.executable, "-m", "logstv", "ingest")
    doomed = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        # Its heartbeats are as far apart as they are by default.
        crew.start("heir", ingest_redundancy=1, worker_heartbeat=2.0)
        await crew.settle({"doomed", "heir"}, 1)
    finally:
        doomed.kill()
    await doomed.wait()
    async with patience():
        while (await crew.reading()).get("heir") != set(CHANNELS):
            await asyncio.sleep(0.1)


async def test_the_newer_of_two_of_one_name_refuses_and_the_older_reads_on(crew):
    crew.start("ada")
    await crew.settle({"ada"}, 1)
    with pytest.RaisesGroup(
        pytest.RaisesExc(WorkerNameTaken, match="'ada' and was there before.*LOGSTV_WORKER"), flatten_subgroups=True
    ):
        await crew.start("ada", "again")
    del crew.tasks["again"]
    await crew.settle({"ada"}, 1)
    assert not crew.tasks["ada"].done()


async def test_one_that_was_killed_comes_back_under_its_name_at_once(crew):
    workers = await Workers.open(crew.store.session)
    killed = Worker("ada", uuid.uuid4(), now() - 60_000, now())
    await workers.beat(killed, every_seconds=60)
    crew.start("ada")
    async with patience():
        while not any(len(worker.reading) == len(CHANNELS) for worker in await workers.all()):
            await asyncio.sleep(0.1)
    assert killed in await workers.all()
