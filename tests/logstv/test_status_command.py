"""`logstv status` and the checks under it: on the tables of the test, and where nothing answers."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support import lines

from logstv.health import checks
from logstv.health.finding import Level
from logstv.health.look import ArchiveLook, Picture, look
from logstv.settings import NodeSettings
from store.archive.index import ArchiveIndex
from store.archive.objects import Place
from store.keys import MS_IN_DAY
from store.message import Message
from store.nodes import Node
from store.settings import StoreSettings
from store.table_facts import TableFacts
from store.wanted import WantedChannels
from store.workers import Figures, Worker, Workers
from store.writer import Writer

HERE = Node("10.0.0.1", "datacenter1", "rack1", "5.0.9", "", 3.0)
FACTS = TableFacts({"datacenter1": 3}, {"channel_messages": 90 * 86_400}, {"channel_messages": 86_400}, None, True)


@pytest.fixture
async def reader(store, now_ms) -> Worker:
    """A worker that reads the one channel that is wanted."""
    wanted = await WantedChannels.open(store.session)
    [channel] = await wanted.add([lines.CHANNEL])
    await wanted.learn(channel, lines.CHANNEL_ID)
    ada = Worker("ada", uuid.uuid4(), now_ms - 60_000, now_ms, wanted=1, figures=Figures(77, 1, 0, 0, 40),
                 reading=frozenset({lines.CHANNEL_ID}))  # fmt: skip
    await (await Workers.open(store.session)).beat(ada, 60)
    return ada


@asynccontextmanager
async def beating(workers: Workers, worker: Worker) -> AsyncIterator[None]:
    """Have a worker go on giving signs of life: a busy machine may take long to answer."""

    async def beat() -> None:
        await workers.beat(replace(worker, seen_ms=time.time_ns() // 1_000_000), 60)

    async def go_on() -> None:
        while True:
            await asyncio.sleep(1)
            await beat()

    await beat()
    going_on = asyncio.create_task(go_on())
    try:
        yield
    finally:
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)


@pytest.fixture
async def living(store, reader) -> AsyncIterator[None]:
    async with beating(await Workers.open(store.session), reader):
        yield


@pytest.fixture
def settings(store_settings: StoreSettings, tmp_path: Path) -> StoreSettings:
    return store_settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})


async def found(settings: StoreSettings, tmp_path: Path) -> dict[str, tuple[Level, str]]:
    """Give the first finding of each check."""
    picture = await look(settings, NodeSettings(data_dir=tmp_path), "")
    return {each.check: (each.level, each.says) for each in reversed(checks.findings(picture))}


async def test_a_well_installation_is_told_on_one_screen_and_to_scripts(living, logstv, tmp_path):
    more = {"LOGSTV_ARCHIVE_URL": (tmp_path / "archive").as_uri()}
    told = await asyncio.to_thread(logstv, "status", **more)
    assert told.returncode == 0, told.stdout + told.stderr
    for part in ("1 of 1 nodes up", "as the files say", "ada: heartbeat", "1 wanted, 1 read, 0 failed joins",
                 "0 days to be exported", "alarms    none"):  # fmt: skip
        assert part in told.stdout
    assert len(told.stdout.splitlines()) <= 24
    asked = json.loads((await asyncio.to_thread(logstv, "status", "--json", **more)).stdout)
    assert (asked["state"], asked["alarms"], asked["schema"]) == ("well", [], [])
    assert [node["down"] for node in asked["cluster"]["nodes"]] == [""]
    assert (asked["workers"][0]["name"], asked["workers"][0]["lag_ms"]) == ("ada", 40)
    assert asked["channels"] == [{"name": "moonbase", "login": "moonbase", "readers": ["ada"]}]
    assert not (tmp_path / "archive").exists()


async def test_what_is_wrong_with_workers_and_channels_is_an_alarm(store, reader, settings, tmp_path):
    workers, wanted = await Workers.open(store.session), await WantedChannels.open(store.session)
    await wanted.add(["gone"])
    figures = Figures(77, 1, 900, 5000, 90_000, "the spool is 80 % full")
    failing = {"gone": "the chat server did not answer"}
    async with beating(workers, replace(reader, figures=figures, failed=1, failing=failing)):
        seen = await found(settings, tmp_path)
    assert seen["workers"] == (Level.WRONG, "ada: the spool is 80 % full")
    assert seen["channels"] == (
        Level.WRONG,
        "1 of 2 are read by nobody: gone (gone: the chat server did not answer)",
    )
    await workers.beat(replace(reader, seen_ms=reader.seen_ms - 60_000), 60)
    assert (await found(settings, tmp_path))["workers"][1].startswith("ada gave its last sign of life")
    await workers.forget(reader)
    assert (await found(settings, tmp_path))["workers"] == (
        Level.WRONG,
        "channels are to be read, and no worker is there",
    )


async def test_a_day_that_is_not_exported_is_an_alarm_with_its_reason(store, settings, tmp_path, now_ms):
    writer = await Writer.open(store.session)
    long_ago = now_ms - 10 * MS_IN_DAY
    await writer.write([Message.parse(lines.privmsg("hello", sent_ms=long_ago))])
    await writer.flush()
    day = Place(lines.CHANNEL_ID, long_ago // MS_IN_DAY * MS_IN_DAY)
    picture = await look(settings, NodeSettings(data_dir=tmp_path), "")
    [behind] = [each for each in checks.archive(picture) if each.level is not Level.OK]
    assert (
        f"moonbase is behind since {day.date} (1 days to be exported, its lines are there for 80 days more)"
        in behind.says
    )
    await (await ArchiveIndex.open(store.session)).failed(day, "the disk is full")
    picture = await look(settings, NodeSettings(data_dir=tmp_path), "")
    assert [each.says for each in checks.archive(picture)][1].endswith("the disk is full")


async def test_tables_that_are_not_there_are_said_once(store_settings, tmp_path):
    seen = await found(store_settings.model_copy(update={"keyspace": f"nowhere_{time.time_ns()}"}), tmp_path)
    assert seen["schema"][0] is Level.WRONG
    assert "is missing; " in seen["schema"][1]
    assert {check for check, (level, _) in seen.items() if level is Level.WRONG} == {"schema"}


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of what takes connections and says nothing, as a node that stands still does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_cluster_that_cannot_be_reached_is_told_with_the_reason(logstv, unused_port, silent, tmp_path):
    for command in ("status", "doctor"):
        told = await asyncio.to_thread(logstv, command, LOGSTV_CQL_PORT=str(unused_port))
        assert told.returncode == 2
        assert f"no Cassandra answers at port {unused_port} (127.0.0.1: connection refused)" in told.stdout
        assert "see LOGSTV_CONTACT_POINTS" in told.stdout
        assert told.stderr == ""
    still = await look(StoreSettings(contact_points=("127.0.0.1",), cql_port=silent), NodeSettings(), "127.0.0.1:1")
    assert "127.0.0.1: it does not answer within 2 s" in still.unreachable
    assert "nothing answers at 127.0.0.1:1" in still.metrics_failure
    none = await asyncio.to_thread(logstv, "status", "--json", LOGSTV_CONTACT_POINTS="")
    assert (none.returncode, json.loads(none.stdout)["state"]) == (2, "unreachable")
    assert "the local node" in none.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("check", "seen", "level", "says"),
    [
        (checks.cluster, {"nodes": [HERE, replace(HERE, down="connection refused")]}, Level.WRONG, "is down"),
        (checks.cluster, {"nodes": [HERE, replace(HERE, version="4.1.3")]}, Level.WARNING, "4.1.3, 5.0.9"),
        (checks.clocks, {"nodes": [replace(HERE, ahead_ms=9000.0)]}, Level.WARNING, "9.0 s ahead of ours"),
        (checks.clocks, {"nodes": [replace(HERE, ahead_ms=-90_000.0)]}, Level.WRONG, "90 s behind ours"),
        (checks.replicas, {"nodes": [HERE] * 3, "facts": FACTS}, Level.OK, "3 in datacenter1, on 3 nodes"),
        (
            checks.replicas,
            {"nodes": [HERE] * 3, "facts": replace(FACTS, replicas={"datacenter1": 1})},
            Level.WARNING,
            "one replica on 3 nodes",
        ),
        (checks.replicas, {"nodes": [HERE], "facts": replace(FACTS, replicas={"dc9": 3})}, Level.WRONG, "no replica"),
        (checks.repair, {"facts": FACTS, "now_ms": 1}, Level.WARNING, "no repair"),
        (checks.repair, {"facts": replace(FACTS, repaired_ms=1), "now_ms": 10**9}, Level.WARNING, "12 days ago"),
        (checks.repair, {"facts": replace(FACTS, repaired_ms=1), "now_ms": 10**6}, Level.OK, "17 min ago"),
        (checks.archive, {"facts": FACTS}, Level.WARNING, "none is set: lines are gone after 90 days"),
    ],
)
def test_what_a_small_cluster_of_the_tests_cannot_show(check, seen, level, says):
    picture = Picture(StoreSettings(contact_points=("10.0.0.1",)), **({"now_ms": 0} | seen))
    assert [found for found in check(picture) if found.level is level and says in found.says]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (None, "0 days"),
        (FACTS, "0 days; Cassandra keeps lines for 90 days"),
        (replace(FACTS, retention={"channel_messages": 0}), "0 days; Cassandra keeps lines for ever"),
    ],
)
def test_how_long_lines_are_kept_is_said_where_that_is_known(facts, says):
    picture = Picture(StoreSettings(archive_url="memory:///"), 0, facts=facts, archive=ArchiveLook((), (), (), None))
    assert [found.says for found in checks.archive(picture)] == [says]
