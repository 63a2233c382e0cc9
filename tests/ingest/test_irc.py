from __future__ import annotations

import asyncio
import itertools
import ssl
import time

import pytest
import trustme
from support import lines
from support.chat import reading, settings_for, until
from support.patience import PATIENCE_SECONDS, patience

from ingest.demo import DemoChat, DemoChatServer
from ingest.errors import SourceUrlError
from ingest.irc import IrcSource
from ingest.settings import IngestSettings
from store.message import Message


def joined(found):
    return [state.login for state in found.source.channels if state.joined]


async def test_lines_of_joined_channels_come_with_the_channels_id(server):
    async with reading(settings_for(server)) as found:
        await until(lambda: joined(found) == ["moonbase"])
        said = [server.say("moonbase", f"hello {n}") for n in range(3)]
        server.say("demo", "not joined")
        await until(lambda: len(found.lines) == 3)
    assert found.lines == said
    assert {received.channel_id for received in found.received} == {server.chat.channel_id("moonbase")}
    assert all(abs(received.received_ms - time.time() * 1000) < 60_000 for received in found.received)


async def test_only_chat_is_handed_on_and_the_rest_is_counted(server):
    async with reading(settings_for(server)) as found:
        await until(lambda: joined(found))
        server.tell("moonbase", "@user-id=1 :w!w@w.tmi.twitch.tv WHISPER me :psst")
        server.tell("moonbase", "@room-id=1 :tmi.twitch.tv NEWCOMMAND #moonbase :what")
        chat = [lines.usernotice(), lines.clearchat(), lines.clearmsg(lines.message_id(1)), lines.privmsg("x")]
        for line in chat:
            server.tell("moonbase", line)
        await until(lambda: len(found.lines) == 4)
    assert found.lines == chat
    assert found.source.counts.ignored["WHISPER"] == found.source.counts.ignored["NEWCOMMAND"] == 1


async def test_a_demo_chat_arrives_whole_and_in_order(server):
    chat = DemoChat(seed=5, channels=("busy",), rate=2000)
    async with DemoChatServer(chat) as busy, reading(settings_for(busy, channels=("busy",))) as found:
        await until(lambda: len(found.lines) > 1500)
        got = list(found.lines)
        numbers = itertools.count(int((time.time() * 1000 - busy.epoch_ms) * 2) - 20_000)
        wanted = itertools.dropwhile(
            lambda line: line != got[0], (chat.line("busy", n, busy.epoch_ms) for n in numbers)
        )
        assert got == list(itertools.islice(wanted, len(got)))


async def test_tls_is_spoken_and_its_certificate_checked(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with DemoChatServer(DemoChat(channels=("moonbase",), rate=1e-9), tls=context) as server:
        url = f"ircs://localhost:{server.port}"
        async with reading(settings_for(server, irc_url=url, irc_ca=tmp_path / "ca.pem")) as found:
            await until(lambda: joined(found))
            said = server.say("moonbase", "in private")
            await until(lambda: found.lines == [said])
        async with reading(settings_for(server, irc_url=url)) as found:
            await until(lambda: found.source.counts.opened >= 2)
            assert not joined(found)


async def test_a_ping_is_answered_with_its_own_words():
    heard = asyncio.Queue()

    async def serve(reader, writer):
        writer.write(b"PING :are you there\r\nPING\r\n")
        while line := await reader.readline():
            if line.startswith(b"PONG"):
                heard.put_nowait(line)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = IngestSettings(irc_url=f"irc://127.0.0.1:{port}", channels=("moonbase",))
    async with listening, reading(settings):
        assert await asyncio.wait_for(heard.get(), PATIENCE_SECONDS) == b"PONG :are you there\r\n"
        assert await asyncio.wait_for(heard.get(), PATIENCE_SECONDS) == b"PONG :\r\n"


async def test_a_dropped_connection_is_made_again_and_its_channels_joined(server):
    async with reading(settings_for(server, channels=("moonbase", "demo"))) as found:
        await until(lambda: len(joined(found)) == 2)
        server.drop_all()
        await until(lambda: found.source.counts.opened >= 2)
        await until(lambda: len(joined(found)) == 2)
        said = server.say("demo", "back again")
        await until(lambda: said in found.lines)
        assert server.connections == 1


async def test_on_reconnect_the_next_connection_is_there_before_the_old_one_goes(server):
    async with reading(settings_for(server)) as found:
        await until(lambda: joined(found))
        said = []
        server.send_all(b":tmi.twitch.tv RECONNECT\r\n")
        async with patience():
            while len(server.joins) < 2 or server.connections != 1:
                said.append(server.say("moonbase", f"line {len(said)}"))
                await asyncio.sleep(0.005)
        said.append(server.say("moonbase", "the last"))
        await until(lambda: said[-1] in found.lines)
    # In the overlap a line may come twice; the store makes one of it.
    assert list(dict.fromkeys(found.lines)) == said
    assert found.source.counts.opened == 2


async def test_silence_is_noticed(server):
    async with reading(settings_for(server, irc_silence=0.3, irc_pong_timeout=2)) as found:
        await until(lambda: joined(found))
        # Longer than the silence allowed, but our own PING is answered.
        await until(lambda: found.source.counts.ignored["PONG"] >= 2)
        assert found.source.counts.opened == 1
        server.faults.silent = True
        await until(lambda: found.source.counts.connections == 0)
        server.faults.silent = False
        await until(lambda: joined(found))


@pytest.mark.parametrize("why", ["msg_channel_suspended", "msg_banned", "msg_room_not_found"])
async def test_a_refused_join_is_said_and_tried_again_and_holds_up_no_other(server, why):
    server.faults.refused["gone"] = why
    async with reading(settings_for(server, channels=("gone", "moonbase"))) as found:
        await until(lambda: joined(found) == ["moonbase"])
        gone = found.source.channels[0]
        await until(lambda: gone.failure == "This channel may not be joined.")
        server.faults.refused.clear()
        await until(lambda: gone.joined)


async def test_a_join_without_an_answer_failed(server):
    server.faults.ignored.add("nobody")
    async with reading(settings_for(server, channels=("nobody", "moonbase"), irc_join_timeout=0.5)) as found:
        await until(lambda: "did not answer" in found.source.channels[0].failure)
        await until(lambda: joined(found) == ["moonbase"])
        server.faults.ignored.clear()
        await until(lambda: len(joined(found)) == 2)


async def test_a_refused_login_is_no_hot_loop_and_a_chatter_cannot_fake_it(server):
    async with reading(settings_for(server)) as found:
        await until(lambda: joined(found))
        said = server.say("moonbase", "Login authentication failed")
        server.tell("moonbase", ":tmi.twitch.tv NOTICE #moonbase :Login authentication failed")
        await until(lambda: said in found.lines)
        assert server.connections == 1
    server.faults.login_refused = True
    async with reading(settings_for(server)) as found:
        await until(lambda: found.source.counts.logins_refused == 1)
        await asyncio.sleep(1)  # far longer than the pause after a lost connection
        assert found.source.counts.opened == 1


async def test_channels_come_and_go_while_it_reads(server):
    async with reading(settings_for(server)) as found:
        await until(lambda: joined(found))
        found.source.join("demo")
        found.source.join("demo")
        await until(lambda: len(joined(found)) == 2)
        assert [channel for _, channel in server.joins].count("demo") == 1
        await found.source.part("moonbase")
        said = server.say("demo", "still here")
        await until(lambda: said in found.lines)
        assert [state.login for state in found.source.channels] == ["demo"]


async def test_channels_are_spread_over_connections(server):
    names = tuple(f"channel{n}" for n in range(7))
    async with reading(settings_for(server, channels=names, irc_channels_per_connection=3)) as found:
        await until(lambda: len(joined(found)) == 7)
        assert server.connections == found.source.counts.connections == 3


async def test_a_slow_reader_holds_the_server_back_and_loses_nothing():
    async with DemoChatServer(DemoChat(channels=("moonbase",), rate=1e-9)) as server:
        async with IrcSource(settings_for(server)) as source:
            await until(lambda: source.channels[0].joined)
            said = [server.say("moonbase", f"{n} " + "x" * 400) for n in range(20_000)]
            await until(source._chunks.full)
            assert source.counts.lines < len(said)
            got = []
            async with patience():
                async for chunk in source.chunks():
                    got += [received.line for received in chunk]
                    if len(got) == len(said):
                        break
        assert got == said


@pytest.mark.parametrize("url", ["http://x", "irc.chat.twitch.tv", "ircs://", "irc://host:port", "ircs://host/path"])
def test_an_address_that_makes_no_sense_is_refused_with_a_sentence(url):
    with pytest.raises(SourceUrlError, match="LOGSTV_IRC_URL"):
        IrcSource(IngestSettings(irc_url=url, channels=("moonbase",)))


async def test_stopped_it_gives_what_had_arrived_and_ends():
    chat = DemoChat(channels=("moonbase",), rate=500)
    async with DemoChatServer(chat) as server, IrcSource(settings_for(server)) as source:
        await until(lambda: source.channels and source.channels[0].joined)
        await until(lambda: source.counts.lines > 60)  # nobody takes what it reads meanwhile
        stopping = asyncio.create_task(source.stop())
        got = [line.line async for chunk in source.chunks() for line in chunk]
        await stopping
        await until(lambda: not server.connections)
    first, last = (Message.parse(got[at], channel_id=lines.CHANNEL_ID).sent_ms for at in (0, -1))
    said = chat.lines_between("moonbase", first, last + 1, server.epoch_ms)
    assert len(got) == sum(1 for _ in said) > 50
