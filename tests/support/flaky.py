"""A door in front of a TCP server that can be shut: what goes through it breaks off, and nothing new gets in."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Door:
    """Listens on a port of its own and passes bytes on to a server, while it is open.

    Attributes:
        port: where it listens.
    """

    def __init__(self, host: str, port: int, own_port: int) -> None:
        self.port = own_port
        self._to = host, port
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Let whoever comes through."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def shut(self) -> None:
        """Break off what goes through and refuse what comes."""
        assert self._server is not None
        self._server.close()
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await self._server.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            answers, there = await asyncio.open_connection(*self._to)
            await asyncio.gather(_copy(reader, there), _copy(answers, writer))
        except (OSError, asyncio.CancelledError):
            pass  # shut, or one side has gone
        finally:
            self._passing.discard(task)
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        to.write(piece)
        await to.drain()
    with suppress(OSError):
        to.write_eof()
