"""One connection to Twitch's IRC: logs in anonymously, joins channels, answers pings, hands on chat lines."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from typing import TYPE_CHECKING

import structlog

from ingest.errors import LoginRefused
from ingest.pacing import Budget
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine
from ingest.wire import LineSplitter, command_of, is_chat
from store import tags
from store.line import split

if TYPE_CHECKING:
    from ingest.irc import ChannelState, IrcCounts

log = structlog.get_logger(__name__)

_READ_BYTES = 64 * 1024
_CONNECT_SECONDS = 15.0
_PONG_SECONDS = 10.0
_OVERLAP_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_JOIN_REFUSALS = ("msg_channel_suspended", "msg_banned", "msg_room_not_found", "msg_channel_blocked", "tos_ban")
_LOGIN_REFUSALS = ("Login authentication failed", "Improperly formatted auth", "Invalid NICK")


class IrcConnection:
    """A connection for some channels; the caller opens the next one when it ends.

    Attributes:
        reconnect_asked: set when the server asks for a new connection (RECONNECT).
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
        self._settings = settings
        self._channels = channels
        self._joined: set[str] = set()
        self._asked: dict[str, float] = {}
        self._joins = joins
        self._counts = counts
        self._chunks = chunks
        self._splitter = LineSplitter()
        self._writer: asyncio.StreamWriter | None = None
        self._previous: IrcConnection | None = None

    def replaces(self, previous: IrcConnection) -> None:
        """Say which connection is to be closed once this one is in its channels."""
        self._previous = previous

    async def run(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect, and read until the connection ends.

        Raises:
            LoginRefused: the server does not take our login.
            OSError: the connection was not made, or broke.
            TimeoutError: the server fell silent.
        """
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, self._writer = await asyncio.open_connection(host, port, ssl=tls, limit=_READ_BYTES)
        self._counts.connections += 1
        try:
            self._send("CAP REQ :twitch.tv/tags twitch.tv/commands")
            self._send("PASS SCHMOOPIIE", f"NICK justinfan{random.randint(1000, 999_999)}")
            async with asyncio.TaskGroup() as group:
                joining = group.create_task(self._keep_joined())
                try:
                    await self._read(reader)
                finally:
                    joining.cancel()
        except* LoginRefused as errors:
            raise errors.exceptions[0] from None
        except* (OSError, TimeoutError) as errors:
            raise errors.exceptions[0] from None
        finally:
            self._counts.connections -= 1
            self._leave_all()

    async def close(self) -> None:
        """Close the connection; what it was reading ends."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._writer.wait_closed()

    async def part(self, login: str) -> None:
        """Leave a channel."""
        self._joined.discard(login)
        self._asked.pop(login, None)
        if self._writer is not None:
            self._send(f"PART #{login}")

    def _leave_all(self) -> None:
        for login in self._joined:
            state = self._channels.get(login)
            if state is not None and state.connection is self:
                state.joined, state.connection = False, None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.irc_silence):
                    piece = await reader.read(_READ_BYTES)
            except TimeoutError:
                self._send("PING :logstv")
                async with asyncio.timeout(_PONG_SECONDS):
                    piece = await reader.read(_READ_BYTES)
            if not piece:
                return
            too_long = self._splitter.too_long
            lines = self._splitter.feed(piece)
            self._counts.too_long += self._splitter.too_long - too_long
            self._counts.lines += len(lines)
            if chunk := self._chat(lines):
                # A full queue keeps us from reading, and so, in time, the server from sending.
                await self._chunks.put(chunk)

    def _chat(self, lines: list[str]) -> list[ReceivedLine]:
        """Give the chat lines among some lines; see to the others."""
        received_ms = time.time_ns() // 1_000_000
        chunk = []
        for line in lines:
            command = command_of(line)
            if is_chat(command):
                login = line.partition(f" {command} #")[2].partition(" ")[0]
                state = self._channels.get(login)
                chunk.append(ReceivedLine(line, received_ms, state.channel_id if state else None))
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
        elif command == "RECONNECT":
            self.reconnect_asked.set()
        else:
            self._counts.ignored[command] += 1

    def _confirm(self, login: str, tag_part: str) -> None:
        state, room = self._channels.get(login), tags.number(tags.find(tag_part, "room-id"))
        if state is None or room is None:
            return
        state.channel_id, state.joined, state.failure, state.connection = room, True, "", self
        self._asked.pop(login, None)
        self._joined.add(login)
        if not self._missing():
            self._close_previous()

    def _notice(self, login: str, prefix: str, msg_id: str, text: str) -> None:
        # Only the server itself, to no channel, can refuse a login: a chatter can say the same words.
        if login == "*" and prefix == "tmi.twitch.tv" and text in _LOGIN_REFUSALS:
            raise LoginRefused(text)
        state = self._channels.get(login)
        if state is not None and msg_id in _JOIN_REFUSALS:
            self._fail(state, text or msg_id)
        else:
            self._counts.ignored["NOTICE"] += 1

    def _fail(self, state: ChannelState, why: str) -> None:
        self._asked.pop(state.login, None)
        state.failure = why
        state.retry_at = asyncio.get_running_loop().time() + self._settings.irc_join_retry
        log.warning("irc.join_failed", channel=state.login, reason=why, retry_seconds=self._settings.irc_join_retry)

    def _missing(self) -> list[ChannelState]:
        """Give the channels that we are not in and have no answer for."""
        return [state for login, state in self._channels.items() if login not in self._joined and not state.failure]

    async def _keep_joined(self) -> None:
        """Join what is to be read, within the budget; notice joins that nobody answers."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        while True:
            for login, state in list(self._channels.items()):
                asked = self._asked.get(login)
                if asked is not None and clock() - asked > self._settings.irc_join_timeout:
                    self._fail(state, "the server did not answer: no such channel, or it may not be joined")
                elif login not in self._joined and asked is None and (not state.failure or clock() > state.retry_at):
                    await self._joins.turn()
                    state.failure = ""
                    self._asked[login] = clock()
                    self._send(f"JOIN #{login}")
            if clock() - begun > _OVERLAP_SECONDS or not self._missing():
                self._close_previous()
            await asyncio.sleep(_LOOK_SECONDS)

    def _close_previous(self) -> None:
        if self._previous is not None and self._previous._writer is not None:  # noqa: SLF001 - one of us
            self._previous._writer.close()  # noqa: SLF001
        self._previous = None

    def _send(self, *lines: str) -> None:
        assert self._writer is not None
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
