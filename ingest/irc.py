"""Reads Twitch's chat over IRC, anonymously: channels spread over connections, joins confirmed, silence noticed.

One connection is `ingest.irc_connection`'s, how each channel stands `ingest.irc_state`'s, what the server allows
`ingest.pacing`'s.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import structlog

from ingest.errors import LoginRefused, SourceUrlError
from ingest.irc_connection import IrcConnection
from ingest.irc_state import ChannelState, IrcCounts
from ingest.pacing import Budget
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine

log = structlog.get_logger(__name__)

_CHUNKS_WAITING = 16
_BACKOFF_SECONDS = (0.5, 60.0)
_STOP_SECONDS = 5.0
_STEADY_SECONDS = 10.0
"""A connection that held this long was a good one: the next attempt does not wait long."""


@dataclass(slots=True)
class _Link:
    """Some channels that share a connection, and the task that keeps it up.

    Attributes:
        channels: by login.
        live: its connections, the newest last: one, or more for a moment while one takes over.
        task: keeps one up.
    """

    channels: dict[str, ChannelState] = field(default_factory=dict)
    live: list[IrcConnection] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class IrcSource:
    """Chat lines of a set of channels, for as long as it is entered.

    Attributes:
        counts: what was seen.
    """

    def __init__(self, settings: IngestSettings, channels: Iterable[str] = ()) -> None:
        self.counts = IrcCounts()
        self._settings = settings
        self._host, self._port, self._tls = _address(settings)
        self._first = tuple(channels) or settings.channels
        self._links: list[_Link] = []
        self._chunks: asyncio.Queue[list[ReceivedLine] | None] = asyncio.Queue(_CHUNKS_WAITING)
        self._joins = Budget(settings.irc_joins_per_10s, 10.0)
        self._pace = Budget(1, settings.irc_connection_pause)
        self._tasks: asyncio.TaskGroup | None = None
        self._keeping: set[asyncio.Task[None]] = set()  # also of links that have no channel any more
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        for login in self._first:
            self.join(login)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        for task in self._keeping:
            task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        """Yield the chat lines as they come; end after `stop`."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def stop(self) -> None:
        """Close the connections, and have `chunks` end after what had arrived on them."""
        self._stopping = True
        for link in self._links:
            _hang_up(link)
        if self._keeping:
            _, busy = await asyncio.wait(list(self._keeping), timeout=_STOP_SECONDS)
            for task in busy:
                task.cancel()
        await self._chunks.put(None)

    def join(self, login: str) -> None:
        """Read a channel too; harmless if it is read already."""
        if any(login in link.channels for link in self._links):
            return
        most = self._settings.irc_channels_per_connection
        link = next((link for link in self._links if len(link.channels) < most), None)
        if link is None:
            assert self._tasks is not None
            link = _Link()
            self._links.append(link)
            link.task = self._tasks.create_task(self._keep_up(link))
            self._keeping.add(link.task)
            link.task.add_done_callback(self._keeping.discard)
        link.channels[login] = ChannelState(login)
        for connection in link.live:
            connection.look()

    async def part(self, login: str) -> None:
        """Read a channel no more: but for what was read already, no line of it is handed on from now on."""
        for link in list(self._links):
            if link.channels.pop(login, None) is None:
                continue
            for connection in link.live:
                connection.part(login)
            if not link.channels:
                self._links.remove(link)
                _hang_up(link)

    @property
    def channels(self) -> list[ChannelState]:
        """How the reading of each channel stands."""
        return [state for link in self._links for state in link.channels.values()]

    @property
    def figures(self) -> dict[str, float]:
        """What was counted on all connections."""
        return self.counts.figures

    async def _keep_up(self, link: _Link) -> None:
        """Keep a connection for a link's channels; on RECONNECT open the next one before the old is closed."""
        clock = asyncio.get_running_loop().time
        pause, longest = shortest, _ = _BACKOFF_SECONDS
        async with asyncio.TaskGroup() as group:
            while True:
                await self._pace.turn()
                if self._stopping or not link.channels:
                    return
                begun = clock()
                connection = IrcConnection(self._settings, link.channels, self._joins, self.counts, self._chunks)
                connection.replaces = list(link.live)
                link.live.append(connection)
                live = group.create_task(self._live(link, connection))
                moved_on = group.create_task(connection.reconnect_asked.wait())
                await asyncio.wait([live, moved_on], return_when=asyncio.FIRST_COMPLETED)
                moved_on.cancel()
                if self._stopping or not link.channels:
                    return
                asked = not live.done()
                if asked:
                    log.info("irc.reconnect_asked", channels=len(link.channels))
                elif live.result():
                    await asyncio.sleep(self._settings.irc_login_retry)
                    continue
                pause = shortest if asked or clock() - begun > _STEADY_SECONDS else min(pause * 2, longest)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _live(self, link: _Link, connection: IrcConnection) -> bool:
        """Run one connection to its end; say whether the login was refused."""
        try:
            await connection.run(self._host, self._port, self._tls)
        except LoginRefused as error:
            self.counts.logins_refused += 1
            log.error("irc.login_refused", reason=str(error), retry_seconds=self._settings.irc_login_retry)
            return True
        except OSError as error:
            log.warning("irc.connection_lost", host=self._host, reason=str(error) or type(error).__name__)
        finally:
            link.live.remove(connection)
            await connection.closed()
        return False


def _hang_up(link: _Link) -> None:
    """End a link: its connections hand on what was read; one that waits for its turn or for the server has nothing."""
    for connection in link.live:
        connection.hang_up()
    if link.task is not None and not any(connection.is_open for connection in link.live):
        link.task.cancel()


def _address(settings: IngestSettings) -> tuple[str, int, ssl.SSLContext | None]:
    """Take the server's address apart.

    Raises:
        SourceUrlError: it is none, or the certificate authority cannot be read.
    """
    wrong = (
        f"{settings.irc_url!r} is no chat server: write ircs://host:port (TLS) or irc://host:port, as LOGSTV_IRC_URL"
    )
    try:
        url = urlsplit(settings.irc_url)
        port = url.port
    except ValueError as error:
        raise SourceUrlError(wrong) from error
    if url.scheme not in ("irc", "ircs") or not url.hostname or url.path.strip("/"):
        raise SourceUrlError(wrong)
    if url.scheme == "irc":
        return url.hostname, port or 6667, None
    try:
        context = ssl.create_default_context(cafile=settings.irc_ca)
    except OSError as error:
        raise SourceUrlError(f"LOGSTV_IRC_CA names {settings.irc_ca}, which holds no certificates: {error}") from error
    return url.hostname, port or 6697, context
