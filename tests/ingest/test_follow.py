"""What one worker reads follows what operators say, without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import lines
from support.cassandra import unused_ports
from support.chat import settings_for, until
from support.flaky import Door
from support.patience import patience

from ingest import logins
from ingest.demo import DemoChatServer
from ingest.presence import Presence
from ingest.settings import IngestSettings
from ingest.worker import work
from store.errors import StoreUnavailable
from store.message import Message, MessageType
from store.reader import Log
from store.session import Session
from store.shapes import CHANNEL
from store.store import Store
from store.wanted import Rules, WantedChannels
from store.workers import Worker, Workers, life_seconds
from store.writer import Writer


@pytest.fixture
async def wanted(store: Store) -> WantedChannels:
    return await WantedChannels.open(store.session)


@contextlib.asynccontextmanager
async def working(store: Store, server: DemoChatServer, folder: Path, **more: object) -> AsyncIterator[None]:
    settings = settings_for(server, **({"channels": (), "worker": "ada", "worker_heartbeat": 0.1} | more))
    stays = bool(more.pop("seeds_stay", True))
    task = asyncio.create_task(work(store.session.settings, settings, folder, seeds_stay=stays))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def heard_by(server: DemoChatServer) -> set[str]:
    """Give the channels that anyone is in, as the server sees it."""
    return {channel for client in server._clients for channel in client.channels}


async def stored(store: Store, channel_id: int) -> set[str]:
    log = Log(CHANNEL, (channel_id,))
    return {message.line async for piece in store.reader.stream(log) for message in piece}


async def until_stored(store: Store, channel_id: int, wanted: set[str]) -> None:
    async with patience():
        while not wanted <= await stored(store, channel_id):
            await asyncio.sleep(0.05)


async def test_channels_come_and_go_while_it_runs_and_their_ids_are_learnt(store, wanted, server, tmp_path):
    async with working(store, server, tmp_path, channels=("moonbase",)):
        await until(lambda: heard_by(server) == {"moonbase"})
        await wanted.add(["demo"])
        await until(lambda: heard_by(server) == {"moonbase", "demo"})
        async with patience():
            while None in (ids := [channel.channel_id for channel in await wanted.all()]):
                await asyncio.sleep(0.05)
        assert ids == [server.chat.channel_id("demo"), server.chat.channel_id("moonbase")]
        said = server.say("demo", "hello")
        await until_stored(store, server.chat.channel_id("demo"), {said})
        await wanted.remove(["id:" + str(ids[1]), "demo"])
        await until(lambda: heard_by(server) == set())
    async with working(store, server, tmp_path, channels=("moonbase",)):
        await until(lambda: heard_by(server) == {"moonbase"})  # the seed is added again at the start


async def test_seeds_that_do_not_stay_leave_what_was_wanted_before(store, wanted, server, tmp_path):
    await wanted.add(["demo"])
    async with working(store, server, tmp_path, channels=("moonbase", "demo"), seeds_stay=False):
        await until(lambda: heard_by(server) == {"moonbase", "demo"})
    assert [channel.name for channel in await wanted.all()] == ["demo"]


async def test_rules_are_followed_while_it_runs(store, wanted, server, tmp_path):
    session, channel_id = store.session, server.chat.channel_id("moonbase")
    bans_off = Rules(7, frozenset({MessageType.CLEARCHAT}))
    async with working(store, server, tmp_path, channels=("moonbase",)):
        await until(lambda: heard_by(server) == {"moonbase"})
        await wanted.add(["moonbase"], bans_off)
        days, number = 90, 0
        async with patience():
            while days > 7:  # from some line on, all are kept for a week
                said = server.say("moonbase", f"line {number}")
                number += 1
                await until_stored(store, channel_id, {said})
                rows = await session.execute(f"SELECT TTL(type) FROM {session.table('channel_messages')}")
                days = min(seconds for (seconds,) in rows) / 86_400
        ban = lines.clearchat().replace(str(lines.CHANNEL_ID), str(channel_id))
        server.tell("moonbase", ban)
        last = server.say("moonbase", "after the ban")
        await until_stored(store, channel_id, {last})
        assert ban not in await stored(store, channel_id)


async def test_a_renamed_channel_is_found_again_by_its_id(store, wanted, writer: Writer, server, tmp_path, monkeypatch):
    monkeypatch.setattr(logins, "REFRESH_SECONDS", 0.1)
    chat_id = server.chat.channel_id
    # The demo chat gives each login an id of its own: what is renamed here is what the store knows.
    monkeypatch.setattr(type(server.chat), "channel_id", lambda _self, _name: chat_id("old"))
    async with working(store, server, tmp_path, channels=("old",)):
        await until(lambda: heard_by(server) == {"old"})
        async with patience():
            while [channel.channel_id for channel in await wanted.all()] == [None]:
                await asyncio.sleep(0.05)
        line = lines.privmsg("hi", user_id=chat_id("old"), login="new")
        await writer.write([Message.parse(line)])
        await writer.flush()
        await until(lambda: heard_by(server) == {"new"})
        [standing] = await wanted.standing()
        assert (standing.channel.name, standing.login) == ("old", "new")


async def test_a_login_that_passed_to_someone_else_is_not_read(store, wanted, server, tmp_path):
    await wanted.add(["moonbase", "demo"])
    moonbase = next(channel for channel in await wanted.all() if channel.name == "moonbase")
    await wanted.learn(moonbase, 4242)
    workers = await Workers.open(store.session)
    async with working(store, server, tmp_path):
        async with patience():
            while [(found.wanted, found.failed) for found in await workers.all()] != [(2, 1)]:
                await asyncio.sleep(0.05)
        await until(lambda: heard_by(server) == {"demo"})


async def test_a_join_that_fails_is_told(store, wanted, server, tmp_path):
    server.faults.refused["demo"] = "msg_banned"
    await wanted.add(["moonbase", "demo"])
    workers = await Workers.open(store.session)
    async with working(store, server, tmp_path, irc_join_retry=60), patience():
        while [(each.wanted, len(each.reading), each.failed) for each in await workers.all()] != [(2, 1, 1)]:
            await asyncio.sleep(0.05)


async def test_who_was_there_before_cassandra_went_away_is_given_time_to_say_that_he_lives(store, store_settings):
    (port,) = unused_ports(1)
    door = Door(store_settings.contact_points[0], store_settings.cql_port, port)
    await door.open()
    through = await Session.open(
        store_settings.model_copy(update={"contact_points": ("127.0.0.1",), "cql_port": port, "request_timeout": 5})
    )
    direct = await Workers.open(store.session)
    other = Worker("bo", uuid.uuid4(), 1, 1)
    try:
        presence = Presence(await Workers.open(through), IngestSettings(worker="ada", worker_heartbeat=0.5))
        await direct.beat(other, 60)
        assert (await presence.look()).names == {"ada", "bo"}
        await door.shut()
        with pytest.raises(StoreUnavailable):
            await presence.look()
        await direct.forget(other)  # it could not say that it lives
        await asyncio.sleep(life_seconds(0.5))  # away for longer than anyone lives without a word
        await door.open()
        async with patience():
            while True:
                with contextlib.suppress(StoreUnavailable):
                    present = await presence.look()
                    break
                await asyncio.sleep(0.1)
            assert present.names == {"ada", "bo"}
            while (await presence.look()).names != {"ada"}:
                await asyncio.sleep(0.1)
    finally:
        await through.close()
        await door.shut()
