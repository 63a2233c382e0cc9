"""One connection to Twitch's IRC: logs in anonymously, joins channels, answers pings, hands on chat lines.

When to open one, and which channels it has, is `ingest.irc`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time

import structlog

from ingest.errors import LoginRefused
from ingest.irc_state import ChannelState, IrcCounts
from ingest.pacing import Budget
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine
from ingest.wire import LineSplitter, command_of, is_chat
from store import tags
from store.line import split

log = structlog.get_logger(__name__)

_READ_BYTES = 64 * 1024
_UNSENT_BYTES = 64 * 1024
_CONNECT_SECONDS = 15.0
_CLOSE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_SLACK_SECONDS = 5.0
_OVERLAP_SECONDS = 300.0
"""How long a new connection may take to join before the one that it replaces is closed all the same."""
_JOIN_REFUSALS = ("msg_channel_suspended", "msg_banned", "msg_room_not_found", "msg_channel_blocked", "tos_ban")
_LOGIN_REFUSALS = ("Login authentication failed", "Login unsuccessful", "Improperly formatted auth", "Invalid NICK")


class _Arrived(asyncio.StreamReader):
    """What has arrived, also when the connection breaks: the usual reader gives the error before the bytes it holds."""

    error: Exception | None = None

    def set_exception(self, exc: Exception) -> None:
        """Take note of why the connection broke; whoever reads comes to its end."""
        self.error = exc
        self.feed_eof()


class IrcConnection:
    """A connection for some channels; the caller opens the next one when it ends.

    Attributes:
        reconnect_asked: set when the server asks for a new connection (RECONNECT).
        replaces: connections that are closed once this one is in its channels.
        heard_ms: when something arrived last, Unix milliseconds.
    """

    def __init__(
        self,
        settings: IngestSettings,
        channels: dict[str, ChannelState],
        joins: Budget,
        counts: IrcCounts,
        chunks: asyncio.Queue[list[ReceivedLine] | None],
    ) -> None:
        self.reconnect_asked = asyncio.Event()
        self.replaces: list[IrcConnection] = []
        self.heard_ms = 0
        self._settings = settings
        self._channels = channels
        self._joined: dict[str, ChannelState] = {}
        self._asked: dict[str, float] = {}
        self._joins = joins
        self._counts = counts
        self._chunks = chunks
        self._splitter = LineSplitter()
        self._greeted = asyncio.Event()
        self._look = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._hung_up = False
        self._broken: OSError | LoginRefused | None = None

    async def run(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect, and read until the connection ends. What had arrived by then is handed on, however it ends.

        Raises:
            LoginRefused: the server does not take our login.
            OSError: the connection was not made, or broke, or the server fell silent.
        """
        self._counts.opened += 1
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader = await self._open(host, port, tls)
        self._counts.connections += 1
        try:
            if self._hung_up:
                return
            self._send("CAP REQ :twitch.tv/tags twitch.tv/commands")
            self._send("PASS SCHMOOPIIE", f"NICK justinfan{random.randint(1000, 999_999)}")
            async with asyncio.TaskGroup() as group:
                joining = group.create_task(self._keep_joined())
                await self._read(reader)
                joining.cancel()
        finally:
            self._counts.connections -= 1
            for login in list(self._joined):
                self._left(login)
        if error := self._broken or reader.error:
            raise error

    async def _open(self, host: str, port: int, tls: ssl.SSLContext | None) -> _Arrived:
        """Connect as asyncio.open_connection does, but for the reader."""
        loop = asyncio.get_running_loop()
        reader = _Arrived(_READ_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls)
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader

    def _break(self, error: OSError | LoginRefused) -> None:
        """End the connection for a reason; what has arrived on it is still read."""
        assert self._writer is not None
        self._broken = self._broken or error
        self._writer.transport.abort()

    @property
    def is_open(self) -> bool:
        """Whether the server has answered."""
        return self._writer is not None

    def hang_up(self) -> None:
        """Close the connection, or do not open it; what has arrived on it is still read, then `run` ends."""
        self._hung_up = True
        if self._writer is not None:
            self._writer.close()

    async def closed(self) -> None:
        """Close the connection, and wait until it is."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._writer.wait_closed()

    def look(self) -> None:
        """Say that there are new channels to join."""
        self._look.set()

    def part(self, login: str) -> None:
        """Leave a channel."""
        asked = self._asked.pop(login, None) is not None
        if (self._left(login) or asked) and self._writer is not None and not self._writer.is_closing():
            self._send(f"PART #{login}")

    def _left(self, login: str) -> bool:
        state = self._joined.pop(login, None)
        if state is not None:
            state.leave(self)
        return state is not None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while piece := await self._piece(reader):
            too_long = self._splitter.too_long
            lines = self._splitter.feed(piece)
            self._hear()
            self._counts.too_long += self._splitter.too_long - too_long
            self._counts.lines += len(lines)
            if chunk := self._chat(lines):
                # A full queue keeps us from reading, and so, in time, the server from sending.
                await self._chunks.put(chunk)

    def _hear(self) -> None:
        """Take note that something arrived. After longer than a live connection is silent, we did not listen before.

        What is read then may have waited for us, and the server may have given up on us meanwhile.
        """
        now_ms = time.time_ns() // 1_000_000
        longest = self._settings.irc_silence + self._settings.irc_pong_timeout + _SLACK_SECONDS
        broken = self.heard_ms and now_ms - self.heard_ms > longest * 1000
        if broken:
            for state in self._joined.values():
                state.leave(self)
        self.heard_ms = now_ms
        if broken:
            for state in self._joined.values():
                state.enter(self)

    async def _piece(self, reader: asyncio.StreamReader) -> bytes:
        """Give what arrives next; ask a silent server whether it lives."""
        try:
            async with asyncio.timeout(self._settings.irc_silence):
                return await reader.read(_READ_BYTES)
        except TimeoutError:
            self._send("PING :logstv")
        try:
            async with asyncio.timeout(self._settings.irc_pong_timeout):
                return await reader.read(_READ_BYTES)
        except TimeoutError:
            self._break(TimeoutError("the server fell silent and did not answer a PING"))
            return b""

    def _chat(self, lines: list[str]) -> list[ReceivedLine]:
        """Give the chat lines among some lines; see to the others."""
        chunk = []
        for line in lines:
            command = command_of(line)
            if is_chat(command):
                login = line.partition(f" {command} #")[2].partition(" ")[0]
                state = self._channels.get(login)
                if state is None:
                    self._counts.strays += 1
                else:
                    chunk.append(ReceivedLine(line, self.heard_ms, state.channel_id))
            else:
                self._see_to(line, command)
        return chunk

    def _see_to(self, line: str, command: str) -> None:
        tag_part, prefix, _, params, trailing = split(line)
        if command == "PING":
            self._send(f"PONG :{trailing if trailing is not None else ' '.join(params)}")
        elif command == "ROOMSTATE" and params:
            self._confirm(params[0].removeprefix("#"), tag_part)
        elif command == "NOTICE" and params:
            self._notice(params[0].removeprefix("#"), prefix, tags.find(tag_part, "msg-id"), trailing or "")
        elif command == "001":
            self._greeted.set()
        elif command == "RECONNECT":
            self.reconnect_asked.set()
        else:
            self._counts.ignore(command)

    def _confirm(self, login: str, tag_part: str) -> None:
        state, room = self._channels.get(login), tags.number(tags.find(tag_part, "room-id"))
        if state is None or room is None:
            return
        self._asked.pop(login, None)
        state.channel_id, state.failure = room, ""
        if login not in self._joined:
            self._joined[login] = state
            state.enter(self)
            self._look.set()

    def _notice(self, login: str, prefix: str, msg_id: str, text: str) -> None:
        # Only the server itself, to no channel, can refuse a login: a chatter can say the same words.
        if login == "*" and prefix == "tmi.twitch.tv" and text in _LOGIN_REFUSALS:
            self._break(LoginRefused(text))
            return
        state = self._channels.get(login)
        if state is not None and msg_id in _JOIN_REFUSALS:
            self._left(login)
            self._fail(state, text or msg_id)
        else:
            self._counts.ignore("NOTICE")

    def _fail(self, state: ChannelState, why: str) -> None:
        self._asked.pop(state.login, None)
        self._counts.joins_failed += 1
        state.failure = why
        state.retry_at = asyncio.get_running_loop().time() + self._settings.irc_join_retry
        log.warning("irc.join_failed", channel=state.login, reason=why, retry_seconds=self._settings.irc_join_retry)
        self._look.set()

    async def _keep_joined(self) -> None:
        """Join what is to be read, within the budget; notice joins that nobody answers."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._greeted.wait()
        except TimeoutError:
            self._break(TimeoutError("the server took our login, but did not greet us"))
            return
        begun = asyncio.get_running_loop().time()
        assert self._writer is not None
        while not self._writer.is_closing():
            self._look.clear()
            for state in list(self._channels.values()):
                await self._join(state)
            missing = any(login not in self._joined and not state.failure for login, state in self._channels.items())
            if not missing or asyncio.get_running_loop().time() - begun > _OVERLAP_SECONDS:
                self._take_over()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._look.wait()

    async def _join(self, state: ChannelState) -> None:
        """Ask for a channel, if that is due; give up on it, if nobody has answered."""
        clock, login = asyncio.get_running_loop().time, state.login
        asked = self._asked.get(login)
        if asked is not None:
            if clock() - asked > self._settings.irc_join_timeout:
                self._fail(state, "the server did not answer: no such channel, or it may not be joined")
            return
        if login in self._joined or (state.failure and clock() < state.retry_at):
            return
        await self._joins.turn()
        if self._channels.get(login) is state:  # it may have been parted while we waited
            state.failure = ""
            self._asked[login] = clock()
            self._send(f"JOIN #{login}")

    def _take_over(self) -> None:
        while self.replaces:
            asyncio.get_running_loop().call_later(self._settings.irc_linger, self.replaces.pop().hang_up)

    def _send(self, *lines: str) -> None:
        assert self._writer is not None
        if self._writer.transport.get_write_buffer_size() > _UNSENT_BYTES:
            self._break(ConnectionError("the server takes nothing from us"))
            return
        text = "".join(f"{line}\r\n" for line in lines)
        self._writer.write(text.encode("utf-8", "surrogateescape"))
