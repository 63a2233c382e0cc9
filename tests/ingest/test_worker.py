"""One worker, while Cassandra is away and when it comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from prometheus_client import CollectorRegistry
from support.chat import settings_for, until
from support.flaky import Door
from support.patience import patience

from ingest.demo import DemoChat, DemoChatServer
from ingest.irc import IrcSource
from ingest.quarantine import Quarantine
from ingest.remembered import RememberedChannels
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.worker import _Worker, work
from store.coverage import Coverage, Span
from store.reader import Log
from store.shapes import CHANNEL

CHANNELS = ("moonbase", "demo")


@pytest.fixture
async def chat():
    async with DemoChatServer(DemoChat(seed=5, channels=CHANNELS, rate=40)) as server:
        yield server


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def stored(store, chat: DemoChat, channel: str, from_ms: int, to_ms: int) -> list[str]:
    log = Log(CHANNEL, (chat.channel_id(channel),), from_ms, to_ms, newest_first=False)
    return sorted([message.line async for piece in store.reader.stream(log) for message in piece])


async def test_a_worker_that_starts_without_cassandra_reads_what_it_read_before(store, chat, tmp_path, unused_port):
    host, port = store.session.settings.contact_points[0], store.session.settings.cql_port
    door = Door(host, port, unused_port)
    behind = store.session.settings.model_copy(update={"cql_port": unused_port})
    (tmp_path / "spool").mkdir()
    RememberedChannels(tmp_path / "spool" / "spool-1.sqlite")._write(list(CHANNELS))
    settings = settings_for(chat, channels=CHANNELS, worker="one", worker_heartbeat=0.2)
    metrics = CollectorRegistry()
    worker = asyncio.create_task(work(behind, settings, tmp_path, registry=metrics))
    await until(lambda: metrics.get_sample_value("logstv_ingest_channels_joined") == len(CHANNELS))
    from_ms = time.time_ns() // 1_000_000 + 100
    await until(lambda: time.time_ns() // 1_000_000 > from_ms + 1500)
    await door.open()
    try:
        to_ms = time.time_ns() // 1_000_000
        said = {
            channel: sorted(chat.chat.lines_between(channel, from_ms, to_ms, chat.epoch_ms)) for channel in CHANNELS
        }
        async with patience():
            for channel in CHANNELS:
                while await stored(store, chat.chat, channel, from_ms, to_ms) != said[channel]:
                    await asyncio.sleep(0.1)
        await ended(worker)
        # Also what was read before Cassandra could be asked is covered.
        coverage = await Coverage.open(store.session)
        for channel in CHANNELS:
            assert await coverage.gaps(chat.chat.channel_id(channel), Span(from_ms, to_ms)) == []
            assert await coverage.spans(chat.chat.channel_id(channel), Span(from_ms, to_ms)) == [Span(from_ms, to_ms)]
    finally:
        await ended(worker)
        await door.shut()


async def test_a_worker_remembers_what_it_reads(store, chat, tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.remembered._LOOK_SECONDS", 0.05)
    settings = settings_for(chat, channels=CHANNELS, worker="one", worker_heartbeat=0.2)
    worker = asyncio.create_task(work(store.session.settings, settings, tmp_path))
    remembered = RememberedChannels(tmp_path / "spool" / "spool-1.sqlite")
    await until(lambda: remembered.logins() == sorted(CHANNELS))
    await ended(worker)
    assert remembered.logins() == sorted(CHANNELS)


def test_a_file_of_remembered_channels_that_is_damaged_is_none(tmp_path):
    remembered = RememberedChannels(tmp_path / "spool-1.sqlite")
    assert remembered.logins() == []
    for text in ("{", '{"a":1}', "[1,2]"):
        (tmp_path / "spool-1.channels.json").write_text(text)
        assert remembered.logins() == []


async def test_a_worker_that_is_cut_short_before_cassandra_answered_leaves_nothing_running(tmp_path):
    settings = IngestSettings(irc_url="irc://127.0.0.1:1", channels=(), worker="one")
    session = asyncio.create_task(asyncio.Event().wait())
    async with Spool(tmp_path / "spool", 1 << 30) as spool, IrcSource(settings) as source:
        worker = _Worker(settings, session, spool, source, Quarantine(tmp_path))
        before = asyncio.all_tasks()
        following = asyncio.create_task(worker._follow())
        await until(lambda: len(asyncio.all_tasks() - before) == 3)
        following.cancel()
        await asyncio.wait({following})
        assert asyncio.all_tasks() <= before
    session.cancel()
