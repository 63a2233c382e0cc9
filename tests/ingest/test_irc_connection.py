"""What the IRC source says to a server and makes of what it hears, down to the bytes."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest
from support.chat import reading, until
from support.irc_server import handmade
from support.lines import privmsg
from support.patience import patience

from ingest.irc import IrcSource

HELLO = privmsg("hello", channel="moonbase")


async def test_it_logs_in_without_a_name_asks_for_tags_and_joins_after_the_greeting():
    async with handmade() as server, reading(server.settings("moonbase")) as found:
        caller = await server.caller()
        await until(lambda: len(caller.heard) == 3)
        assert caller.heard[0] == "CAP REQ :twitch.tv/tags twitch.tv/commands"
        assert caller.heard[1].startswith("PASS ")
        assert caller.heard[2].startswith("NICK justinfan")
        assert caller.heard[2].removeprefix("NICK justinfan").isdigit()
        caller.greet()
        await caller.hears("JOIN #moonbase")
        (state,) = found.source.channels
        assert not state.joined
        caller.room("moonbase", 42)
        await until(lambda: state.joined)
        assert state.channel_id == 42


async def test_commands_without_end_do_not_fill_the_memory():
    async with handmade() as server, reading(server.settings("moonbase")) as found:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        odd = [":tmi.twitch.tv NOTICE #moonbase :Something without tags", "@only-tags", ":tmi.twitch.tv 353 me :a"]
        caller.send(*odd, *(f":tmi.twitch.tv ODD{number} x" for number in range(997)), HELLO)
        await until(lambda: found.lines)
        assert found.source.counts.ignored["NOTICE"] == found.source.counts.ignored["353"] == 1
        assert found.source.counts.ignored.total() == 1000
        assert len(found.source.counts.ignored) < 100


@pytest.mark.parametrize(
    ("ping", "pong"),
    [
        (b"PING :tmi.twitch.tv", "PONG :tmi.twitch.tv"),
        (b"PING tmi.twitch.tv", "PONG :tmi.twitch.tv"),
        (b":tmi.twitch.tv PING :a b", "PONG :a b"),
        (b"PING :\xff", "PONG :\udcff"),
    ],
)
async def test_a_ping_is_answered_with_the_same_bytes(ping, pong):
    async with handmade() as server, reading(server.settings("moonbase")):
        caller = await server.caller()
        caller.writer.write(ping + b"\r\n")
        await caller.hears(pong)


async def test_odd_bytes_and_lines_too_long_do_not_end_the_connection():
    odd = privmsg("\U0001f525 one\u2028line\x00", channel="moonbase").encode() + b" \xff\xfe"
    async with handmade() as server, reading(server.settings("moonbase")) as found:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        for start in range(0, len(odd), 7):
            caller.writer.write(odd[start : start + 7])
            await asyncio.sleep(0)
        caller.writer.write(b"\r\n\r\n\n" + b"x" * 300_000 + b"\r\n" + HELLO.encode() + b"\n")
        await until(lambda: len(found.lines) == 2)
        assert found.lines[0].encode("utf-8", "surrogateescape") == odd
        assert found.lines[1] == HELLO
        assert found.source.counts.too_long == 1
        assert len(server.callers) == 1


async def test_a_refused_login_joins_nothing_and_is_tried_again_later():
    async with handmade() as server, reading(server.settings("moonbase", irc_login_retry=0.2)) as found:
        first = await server.caller()
        first.send(":tmi.twitch.tv NOTICE * :Login authentication failed")
        await until(lambda: first.gone and found.source.counts.logins_refused == 1)
        assert first.joins == []
        second = await server.caller(1)
        await second.lets_in("moonbase")
        second.send(HELLO)
        await until(lambda: found.lines == [HELLO])


async def test_a_chatter_who_says_what_the_server_says_changes_nothing():
    texts = ["Login authentication failed", ":tmi.twitch.tv NOTICE * :Login authentication failed", "RECONNECT", "PING"]
    said = [privmsg(text, number=number, channel="moonbase") for number, text in enumerate(texts)]
    forged = ":joker!joker@joker.tmi.twitch.tv NOTICE * :Login authentication failed"
    async with handmade() as server, reading(server.settings("moonbase")) as found:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        caller.send(*said, forged, HELLO)
        await until(lambda: len(found.lines) == 5)
        assert found.source.counts.logins_refused == 0
        assert not any(line.startswith("PONG") for line in caller.heard)
        assert len(server.callers) == 1


async def test_a_late_answer_to_a_join_still_counts():
    async with handmade() as server, reading(server.settings("moonbase", irc_join_timeout=0.1)) as found:
        caller = await server.caller()
        caller.greet()
        (state,) = found.source.channels
        await until(lambda: "did not answer" in state.failure)
        assert found.source.counts.joins_failed == 1
        caller.room("moonbase")
        await until(lambda: state.joined and not state.failure)


async def test_a_channel_that_is_suspended_while_it_is_read_is_no_longer_joined():
    async with handmade() as server, reading(server.settings("moonbase", irc_join_retry=0.9)) as found:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        (state,) = found.source.channels
        await until(lambda: state.joined)
        caller.send("@msg-id=msg_channel_suspended :tmi.twitch.tv NOTICE #moonbase :This channel has been suspended.")
        await until(lambda: state.failure and not state.joined)
        await caller.hears("JOIN #moonbase", times=2)
        caller.room("moonbase")
        await until(lambda: state.joined and not state.failure)


async def test_a_silent_server_is_asked_and_left_only_if_it_does_not_answer():
    async with (
        handmade() as server,
        reading(server.settings("moonbase", irc_silence=0.1, irc_pong_timeout=2)) as found,
    ):
        first = await server.caller()
        await first.lets_in("moonbase")
        await first.hears("PING :logstv")
        first.send(":tmi.twitch.tv PONG tmi.twitch.tv :logstv")
        await first.hears("PING :logstv", times=2)
        await until(lambda: first.gone)
        second = await server.caller(1)
        await second.lets_in("moonbase")
        second.send(HELLO)
        await until(lambda: found.lines == [HELLO])


async def test_a_new_connection_takes_over_only_when_it_is_in_all_channels():
    async with handmade() as server, reading(server.settings("moonbase", "demo")) as found:
        old = await server.caller()
        await old.lets_in("moonbase")
        old.room("demo")
        moonbase, demo = found.source.channels
        await until(lambda: moonbase.joined and demo.joined)
        old.send(":tmi.twitch.tv RECONNECT")
        new = await server.caller(1)
        await new.lets_in("moonbase")
        await until(lambda: len(moonbase.readers) == 2)
        last = privmsg("still on the old one", number=2, channel="demo")
        old.send(last)
        await until(lambda: found.lines == [last])
        assert not old.gone
        new.room("demo")
        await until(lambda: old.gone and len(moonbase.readers) == len(demo.readers) == 1)
        new.send(HELLO)
        await until(lambda: found.lines == [last, HELLO])
        assert len(server.callers) == 2


async def test_an_old_connection_is_closed_even_if_the_first_to_replace_it_failed():
    async with handmade() as server, reading(server.settings("moonbase")) as found:
        old = await server.caller()
        await old.lets_in("moonbase")
        await until(lambda: found.source.channels[0].joined)
        old.send(":tmi.twitch.tv RECONNECT")
        (await server.caller(1)).writer.transport.abort()
        new = await server.caller(2)
        assert not old.gone
        await new.lets_in("moonbase")
        await until(lambda: old.gone and found.source.counts.connections == 1)
        assert found.source.channels[0].joined


async def test_a_connection_that_was_replaced_is_read_for_a_while_longer():
    async with handmade() as server, reading(server.settings("moonbase", irc_linger=30)) as found:
        (state,) = found.source.channels
        old = await server.caller()
        await old.lets_in("moonbase")
        await until(lambda: state.joined)
        old.send(":tmi.twitch.tv RECONNECT")
        new = await server.caller(1)
        await new.lets_in("moonbase")
        await until(lambda: len(state.readers) == 2)
        new.send(privmsg("came on the new one first", number=2, channel="moonbase"))
        await until(lambda: found.lines)
        old.send(HELLO)
        await until(lambda: found.lines[-1] == HELLO)
        assert not old.gone


async def test_what_had_arrived_before_a_connection_broke_is_handed_on_however_late():
    said = [privmsg(f"line {number}", number=number, channel="moonbase") for number in range(60)]
    async with handmade() as server, IrcSource(server.settings("moonbase")) as source:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        (state,) = source.channels
        await until(lambda: state.joined)
        for line in said:  # nobody takes them, so that reading stops
            caller.send(line)
            await asyncio.sleep(0.005)
        caller.reset()
        await until(lambda: caller.gone)
        found: list[str] = []
        async with patience():
            async for chunk in source.chunks():
                found += [received.line for received in chunk]
                if len(found) == len(said):
                    break
    assert found == said


async def test_no_connection_has_more_channels_than_allowed():
    names = [f"channel_{number}" for number in range(7)]
    async with handmade() as server, reading(server.settings(*names, irc_channels_per_connection=3)):
        callers = [await server.caller(number) for number in range(3)]
        for caller in callers:
            caller.greet()
        await until(lambda: sum(len(caller.joins) for caller in callers) == 7)
        assert sorted(len(caller.joins) for caller in callers) == [1, 3, 3]
        assert sorted(chain.from_iterable(caller.joins for caller in callers)) == names


async def test_a_parted_channel_is_silent_at_once_whatever_still_comes():
    async with handmade() as server, reading(server.settings("moonbase", "demo")) as found:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        caller.room("demo")
        await until(lambda: all(state.joined for state in found.source.channels))
        await found.source.part("demo")
        await caller.hears("PART #demo")
        caller.send(privmsg("too late", number=3, channel="demo"), HELLO)
        await until(lambda: found.lines)
        assert found.lines == [HELLO]
        assert found.source.counts.strays == 1
        found.source.join("demo")
        await caller.hears("JOIN #demo", times=2)
        assert len(server.callers) == 1


async def test_without_channels_there_is_no_connection():
    async with handmade() as server, reading(server.settings()) as found:
        found.source.join("moonbase")
        caller = await server.caller()
        await caller.lets_in("moonbase")
        await until(lambda: found.source.channels[0].joined)
        await found.source.part("moonbase")
        await until(lambda: caller.gone)
        assert found.source.channels == []
        found.source.join("demo")
        await (await server.caller(1)).lets_in("demo")
        await until(lambda: found.source.channels[0].joined)


async def test_it_waits_for_a_server_that_is_not_there_yet():
    async with handmade() as server:
        settings = server.settings("moonbase")
    async with reading(settings) as found:
        await until(lambda: found.source.counts.opened >= 2)
        assert found.source.counts.connections == 0
        async with handmade(server.port) as again:
            await (await again.caller()).lets_in("moonbase")
            await until(lambda: found.source.channels[0].joined)


async def test_what_nobody_takes_stays_with_the_server_and_none_of_it_is_lost():
    count, sent = 120_000, 0  # far more than the sockets of this machine hold

    async def send_all(caller):
        nonlocal sent
        for sent in range(1, count + 1):
            caller.send(privmsg(str(sent), channel="moonbase"))
            if sent % 100 == 0:
                await caller.writer.drain()

    async with handmade() as server, IrcSource(server.settings("moonbase")) as source:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        await until(lambda: source.channels[0].joined)
        sending = asyncio.create_task(send_all(caller))
        seen, unchanged = -1, 0
        async with patience():
            while unchanged < 20:
                await asyncio.sleep(0.01)
                unchanged = unchanged + 1 if sent == seen else 0
                seen = sent
        assert 1000 < source.counts.lines <= sent < count
        received = []
        async with patience():
            async for chunk in source.chunks():
                received += [line.line.rpartition(":")[2] for line in chunk]
                if len(received) == count:
                    break
            await sending
        assert received == [str(number) for number in range(1, count + 1)]


async def test_what_was_read_of_the_last_channel_before_it_was_parted_is_handed_on_however_late():
    async with handmade() as server, IrcSource(server.settings("moonbase")) as source:
        caller = await server.caller()
        await caller.lets_in("moonbase")
        await until(lambda: source.channels[0].joined)
        (state,), before = source.channels, source.counts.lines
        said = [privmsg(str(number), number=number, channel="moonbase") for number in range(17)]
        for number, line in enumerate(said, 1):  # a chunk each: the last of them finds no room
            caller.send(line)
            await until(lambda number=number: source.counts.lines - before == number)
        assert source._chunks.full()
        await source.part("moonbase")
        ((_, read_to_ms),) = state.read_spans
        stopping = asyncio.create_task(source.stop())
        await until(lambda: caller.gone)
        received = [received async for chunk in source.chunks() for received in chunk]
        await stopping
        assert [each.line for each in received] == said
        assert max(each.received_ms for each in received) <= read_to_ms


async def test_a_server_that_never_answers_is_left_at_once_when_its_channels_are():
    async with handmade() as server:
        settings = server.settings("moonbase", irc_url=f"ircs://127.0.0.1:{server.port}")
        async with IrcSource(settings) as source:
            await server.caller()  # which waits for the handshake
            await source.part("moonbase")
            await until(lambda: server.callers[0].gone)
            assert source.counts.connections == 0
