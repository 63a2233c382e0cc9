"""Reading from a chat server in tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from ingest.demo import DemoChatServer
from ingest.irc import IrcSource
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine
from store.writer import Writer
from support.patience import patience


def settings_for(server: DemoChatServer, **more: object) -> IngestSettings:
    quick = {
        "irc_url": f"irc://127.0.0.1:{server.port}",
        "channels": ("moonbase",),
        "irc_connection_pause": 0.01,
        "irc_join_retry": 0.5,
        "irc_linger": 0.05,
        "irc_joins_per_10s": 10_000,
    }
    return IngestSettings(**(quick | more))  # type: ignore[arg-type]


def opened(writer: Writer) -> Callable[[], Awaitable[Writer]]:
    """Give a writer as a pipeline takes it."""

    async def open_writer() -> Writer:
        return writer

    return open_writer


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; what finds that out may have to be awaited."""
    async with patience():
        while not (await held if inspect.isawaitable(held := holds()) else held):
            await asyncio.sleep(0.01)


class Reading:
    """Reads a source in the background, and keeps what it gives."""

    def __init__(self, source: IrcSource) -> None:
        self.source = source
        self.received: list[ReceivedLine] = []

    @property
    def lines(self) -> list[str]:
        return [received.line for received in self.received]

    async def read(self) -> None:
        async for chunk in self.source.chunks():
            self.received += chunk


class reading:  # noqa: N801 - used as a function
    """Enter a source and read it for as long as the block runs."""

    def __init__(self, settings: IngestSettings) -> None:
        self._source = IrcSource(settings)

    async def __aenter__(self) -> Reading:
        await self._source.__aenter__()
        found = Reading(self._source)
        self._task = asyncio.create_task(found.read())
        return found

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._source.__aexit__(None, None, None)
