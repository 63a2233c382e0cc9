"""A small chat server that speaks IRC as Twitch does, for machines without Twitch, for tests and for benches."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import ssl
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from ingest.demo.chat import EPOCH_MS, DemoChat
from ingest.wire import LineSplitter
from store.line import split

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.02
_SERVER = "tmi.twitch.tv"
_LOGIN = re.compile(r"[a-z0-9_]{1,25}")
_LINES_AT_ONCE = 500


@dataclass(slots=True)
class Faults:
    """What the server does wrong, for tests.

    Attributes:
        refused: by channel, the NOTICE's msg-id with which a join is refused.
        ignored: channels whose joins get no answer.
        silent: whether nothing at all is sent.
        login_refused: whether logins are refused.
    """

    refused: dict[str, str] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    silent: bool = False
    login_refused: bool = False


@dataclass(eq=False, slots=True)
class _Client:
    """One connection: who it is and which channels it is in."""

    writer: asyncio.StreamWriter
    nick: str = ""
    channels: set[str] = field(default_factory=set)


class DemoChatServer:
    """Serves a demo chat for as long as it is entered.

    Attributes:
        chat: what is said.
        epoch_ms: when line 0 of each channel is sent, Unix milliseconds.
        port: where it listens.
        faults: what it does wrong.
        joins: every join that was asked for, with its time.
        most_waiting_bytes: a client that lets more than this wait for it is dropped.

    Args:
        chat: what is said.
        host: where to listen.
        port: where to listen; 0 takes a free one.
        tls: to speak TLS.
        epoch_ms: when line 0 is sent.
        most_waiting_bytes: see there.
    """

    def __init__(
        self,
        chat: DemoChat,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        epoch_ms: int | None = None,
        most_waiting_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        self.chat = chat
        self.epoch_ms = EPOCH_MS if epoch_ms is None else epoch_ms
        self.host, self.port = host, port
        self.faults = Faults()
        self.joins: list[tuple[float, str]] = []
        self._tls = tls
        self.most_waiting_bytes = most_waiting_bytes
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._speaking = asyncio.create_task(self._speak())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._speaking is not None
        self._speaking.cancel()
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(self._speaking, *self._connections, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def say(self, channel: str, text: str, nick: str = "you") -> str:
        """Have someone say something now; give the line."""
        line = self._said(channel, text, nick)
        self._tell(channel, [line])
        return line

    def tell(self, channel: str, line: str) -> None:
        """Send a line as it is to everyone in a channel."""
        self._tell(channel, [line])

    def send_all(self, piece: bytes) -> None:
        """Send bytes as they are to every client."""
        for client in self._clients:
            client.writer.write(piece)

    def drop_all(self) -> None:
        """Close every connection at once."""
        for client in list(self._clients):
            client.writer.transport.abort()

    def close_all(self) -> None:
        """Close every connection once what was sent on it has gone out."""
        for client in list(self._clients):
            client.writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        client = _Client(writer)
        self._clients.add(client)
        splitter = LineSplitter()
        try:
            while piece := await reader.read(65_536):
                for line in splitter.feed(piece):
                    self._answer(client, line)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(client)
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    def _answer(self, client: _Client, line: str) -> None:
        if self.faults.silent:
            return
        _, _, command, params, trailing = split(line)
        last = trailing if trailing is not None else (params[-1] if params else "")
        match command.upper():
            case "CAP":
                self._send(client, f":{_SERVER} CAP * ACK :{last}")
            case "NICK":
                client.nick = last.lower() if _LOGIN.fullmatch(last.lower()) else "you"
                self._welcome(client)
            case "PING":
                self._send(client, f":{_SERVER} PONG {_SERVER} :{last}")
            case "JOIN":
                for channel in last.split(","):
                    self._join(client, channel.removeprefix("#").lower())
            case "PART":
                client.channels.discard(last.removeprefix("#").lower())
            case "PRIVMSG" if params and not client.nick.startswith("justinfan"):
                channel = params[0].removeprefix("#").lower()
                self._tell(channel, [self._said(channel, trailing or "", client.nick or "you")], but=client)
            case _:
                pass

    def _welcome(self, client: _Client) -> None:
        if self.faults.login_refused:
            self._send(client, f":{_SERVER} NOTICE * :Login authentication failed")
            return
        texts = ("001 {} :Welcome, GLHF!", "002 {} :Your host is the demo chat", "376 {} :>")
        self._send(client, *(f":{_SERVER} {text.format(client.nick)}" for text in texts))

    def _join(self, client: _Client, channel: str) -> None:
        self.joins.append((time.monotonic(), channel))
        if not _LOGIN.fullmatch(channel) or channel in self.faults.ignored or channel in client.channels:
            return  # Twitch says nothing either
        if why := self.faults.refused.get(channel):
            self._send(client, f"@msg-id={why} :{_SERVER} NOTICE #{channel} :This channel may not be joined.")
            return
        client.channels.add(channel)
        nick, room = client.nick, self.chat.channel_id(channel)
        self._send(
            client,
            f":{nick}!{nick}@{nick}.{_SERVER} JOIN #{channel}",
            f":{nick}.{_SERVER} 353 {nick} = #{channel} :{nick}",
            f":{nick}.{_SERVER} 366 {nick} #{channel} :End of /NAMES list",
            f"@emote-only=0;followers-only=-1;r9k=0;room-id={room};slow=0;subs-only=0 :{_SERVER} ROOMSTATE #{channel}",
        )

    def _said(self, channel: str, text: str, nick: str) -> str:
        user_id = int.from_bytes(hashlib.blake2b(nick.encode(), digest_size=4).digest(), "big")
        tags = (
            f"@badge-info=;badges=;color=#FF4500;display-name={nick};emotes=;first-msg=0;flags=;id={uuid.uuid4()};mod=0;"
            f"returning-chatter=0;room-id={self.chat.channel_id(channel)};subscriber=0;"
            f"tmi-sent-ts={time.time_ns() // 1_000_000};turbo=0;user-id={user_id};user-type="
        )
        return f"{tags} :{nick}!{nick}@{nick}.{_SERVER} PRIVMSG #{channel} :{text}"

    async def _speak(self) -> None:
        """Send each channel's lines when their time comes."""
        sent_until = time.time_ns() // 1_000_000
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.time_ns() // 1_000_000
            numbers = self.chat.numbers_between(sent_until, now, self.epoch_ms)
            sent_until = max(sent_until, now)  # a clock that is set back has nothing said twice
            if not numbers or self.faults.silent:
                continue
            wanted = {channel for client in self._clients for channel in client.channels}
            for channel in wanted.intersection(self.chat.channels):
                for some in (numbers[at : at + _LINES_AT_ONCE] for at in range(0, len(numbers), _LINES_AT_ONCE)):
                    self._tell(channel, [self.chat.line(channel, number, self.epoch_ms) for number in some])
                    await asyncio.sleep(0)  # what clients ask is answered in between

    def _tell(self, channel: str, lines: list[str], but: _Client | None = None) -> None:
        piece = "".join(f"{line}\r\n" for line in lines).encode()
        for client in list(self._clients):
            if channel in client.channels and client is not but and not self.faults.silent:
                self._write(client, piece)

    def _send(self, client: _Client, *lines: str) -> None:
        self._write(client, "".join(f"{line}\r\n" for line in lines).encode())

    def _write(self, client: _Client, piece: bytes) -> None:
        if client.writer.transport.get_write_buffer_size() > self.most_waiting_bytes:
            log.warning("demo.slow_reader_dropped", nick=client.nick)
            client.writer.transport.abort()
        else:
            client.writer.write(piece)
