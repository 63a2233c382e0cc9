"""A chat server by hand, for the tests of the IRC source: it does what it is told and nothing by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

from ingest.settings import IngestSettings
from support.chat import until


class Caller:
    """A client, as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard: list[str] = []
        self.gone = False

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await self.reader.readline():
                self.heard.append(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        self.gone = True

    def send(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    def reset(self) -> None:
        """End the connection with a reset, as a server that crashed."""
        at_once = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.writer.transport.abort()

    def greet(self) -> None:
        self.send(":tmi.twitch.tv 001 justinfan1 :Welcome, GLHF!")

    def room(self, channel: str, room_id: int = 9001) -> None:
        self.send(f"@room-id={room_id};slow=0 :tmi.twitch.tv ROOMSTATE #{channel}")

    async def hears(self, line: str, times: int = 1) -> None:
        await until(lambda: self.heard.count(line) >= times)

    async def lets_in(self, channel: str, room_id: int = 9001) -> None:
        self.greet()
        await self.hears(f"JOIN #{channel}")
        self.room(channel, room_id)

    @property
    def joins(self) -> list[str]:
        return [line.removeprefix("JOIN #") for line in self.heard if line.startswith("JOIN")]


class HandmadeServer:
    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.port = 0

    async def caller(self, number: int = 0) -> Caller:
        """Wait for the how-manieth client."""
        await until(lambda: len(self.callers) > number)
        return self.callers[number]

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(reader, writer)
        self.callers.append(caller)
        try:
            await caller.listen()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def settings(self, *channels: str, **more: object) -> IngestSettings:
        """Give settings for this server, in more of a hurry than Twitch would like."""
        hurry = {"irc_connection_pause": 0.01, "irc_linger": 0.05, "irc_joins_per_10s": 1000}
        where = {"irc_url": f"irc://127.0.0.1:{self.port}", "channels": channels}
        return IngestSettings(**(where | hurry | more))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def handmade(port: int = 0) -> AsyncIterator[HandmadeServer]:
    made = HandmadeServer()
    server = await asyncio.start_server(made.accept, "127.0.0.1", port, limit=1 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for caller in made.callers:
            caller.writer.close()
        await until(lambda: all(caller.gone for caller in made.callers))
