"""The demo chat's server as a client sees it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from support.patience import patience

from ingest.demo import DemoChat, DemoChatServer
from store.message import Message


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def line(self) -> str:
        async with patience():
            return (await self.reader.readline()).decode().removesuffix("\r\n")

    async def line_with(self, part: str) -> str:
        while part not in (line := await self.line()):
            assert line, f"the server hung up before it said {part}"
        return line


@contextlib.asynccontextmanager
async def client_of(server: DemoChatServer) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_it_answers_as_twitch_does(server):
    async with client_of(server) as client:
        client.send("CAP REQ :twitch.tv/tags twitch.tv/commands", "PASS x", "NICK justinfan7")
        assert await client.line() == ":tmi.twitch.tv CAP * ACK :twitch.tv/tags twitch.tv/commands"
        assert (await client.line()).startswith(":tmi.twitch.tv 001 justinfan7 ")
        await client.line_with(" 376 ")
        client.send("JOIN #moonbase", "PING :still there")
        assert await client.line() == ":justinfan7!justinfan7@justinfan7.tmi.twitch.tv JOIN #moonbase"
        assert " 353 " in await client.line()
        assert " 366 " in await client.line()
        state = await client.line()
        assert f";room-id={server.chat.channel_id('moonbase')};" in state
        assert state.endswith(":tmi.twitch.tv ROOMSTATE #moonbase")
        assert await client.line() == ":tmi.twitch.tv PONG tmi.twitch.tv :still there"


async def test_a_second_join_and_a_name_that_is_none_get_no_answer_and_a_part_ends_it(server):
    async with client_of(server) as client:
        client.send("NICK justinfan7", "JOIN #moonbase,#demo", "JOIN #moonbase", "JOIN #no-channel", "PING :1")
        answers = []
        while "PONG" not in (line := await client.line()):
            answers.append(line)
        assert [line.rpartition("#")[2] for line in answers if "ROOMSTATE" in line] == ["moonbase", "demo"]
        client.send("PART #demo", "PING :2")
        await client.line_with("PONG")
        server.say("demo", "to nobody")
        said = server.say("moonbase", "to someone")
        assert await client.line() == said


@pytest.mark.parametrize(("nick", "login"), [("Visitor", "visitor"), ("two words", "you"), (";id=1", "you")])
async def test_what_a_visitor_says_is_a_line_of_chat_whatever_the_nick(server, nick, login):
    async with client_of(server) as visitor, client_of(server) as other:
        other.send("NICK justinfan1", "JOIN #moonbase")
        await other.line_with("ROOMSTATE")
        visitor.send(f"NICK :{nick}", "PRIVMSG #moonbase :hello :) there")
        message = Message.parse(await other.line())
        assert (message.login, message.text, message.exact) == (login, "hello :) there", None)
        assert message.channel_id == server.chat.channel_id("moonbase")


async def test_who_came_without_a_name_says_nothing(server):
    async with client_of(server) as silent, client_of(server) as other:
        other.send("NICK justinfan1", "JOIN #moonbase")
        await other.line_with("ROOMSTATE")
        silent.send("NICK justinfan2", "PRIVMSG #moonbase :hello?", "PING :1")
        await silent.line_with("PONG")
        said = server.say("moonbase", "I heard nothing")
        assert await other.line() == said


async def test_the_lines_are_those_that_can_be_computed_in_every_channel():
    chat = DemoChat(seed=11, channels=("moonbase", "demo"), rate=500)
    async with DemoChatServer(chat) as server, client_of(server) as client:
        client.send("NICK justinfan1", "JOIN #moonbase", "JOIN #demo")
        got: dict[str, list[str]] = {"moonbase": [], "demo": []}
        while min(map(len, got.values())) < 300:
            line = await client.line()
            if line.startswith("@") and "ROOMSTATE" not in line:
                got[Message.parse(line).channel_login].append(line)
        for channel, lines in got.items():
            first, last = (Message.parse(lines[at]).sent_ms for at in (0, -1))
            wanted = [*chat.lines_between(channel, first, last + 1, server.epoch_ms)]
            assert wanted[wanted.index(lines[0]) :][: len(lines)] == lines


async def test_who_does_not_read_is_dropped_and_holds_up_nobody():
    chat = DemoChat(channels=("moonbase",), rate=1e-9)
    async with (
        DemoChatServer(chat, most_waiting_bytes=200_000) as server,
        client_of(server) as asleep,
        client_of(server) as awake,
    ):
        for client in (asleep, awake):
            client.send("NICK justinfan1", "JOIN #moonbase")
            await client.line_with("ROOMSTATE")
        asleep.writer.transport.pause_reading()
        count = 0
        async with patience():
            while server.connections == 2:
                said = server.say("moonbase", "x" * 10_000)
                count += 1
                assert await awake.line() == said
        assert count > 20
        said = server.say("moonbase", "still here")
        assert await awake.line() == said
