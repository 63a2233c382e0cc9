"""Begins an answer that is a stream: what goes wrong at once is still a proper answer; who leaves is not read for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Self

import structlog

from store.errors import StoreError
from store.message import Message

log = structlog.get_logger(__name__)

Pieces = AsyncIterator[list[Message]]

FIRST_SECONDS = 2.0
"""How long a stream may look for its first lines before its answer begins."""

BEGINNING = b""
"""What such an answer begins with: its headers wait for the first of its body (`app.freshness`, starlette-compress)."""


class Begun:
    """The pieces of a stream of which the first was looked for.

    Attributes:
        is_empty: whether there is none; not known yet, it is taken not to be.
    """

    def __init__(self, first: asyncio.Task[list[Message]], pieces: Pieces) -> None:
        self._first: asyncio.Task[list[Message]] | None = first
        self._pieces = pieces
        self.is_empty = first.done() and not first.result()

    @classmethod
    async def of(cls, pieces: Pieces, seconds: float) -> Self:
        """Look for the first piece for so long: a search that finds nothing for longer begins its answer all the same.

        Only then does the server notice that a client has left, and ends the search.

        Raises:
            StoreError: what went wrong at once.
        """
        first = asyncio.ensure_future(_next(pieces))
        try:
            await asyncio.wait({first}, timeout=seconds)
            return cls(first, pieces)
        except BaseException:
            first.cancel()
            raise

    async def pieces(self) -> AsyncGenerator[list[Message], None]:
        """Yield the pieces."""
        try:
            while piece := await (self._first or _next(self._pieces)):
                self._first = None
                yield piece
        finally:
            await self.close()

    @contextlib.asynccontextmanager
    async def written(self) -> AsyncIterator[AsyncGenerator[list[Message], None]]:
        """Give the pieces to whoever writes them; after the block no more is looked for.

        An error of the store is logged, and breaks the connection, so that a client sees that the end is missing.
        """
        try:
            async with contextlib.aclosing(self.pieces()) as pieces:
                yield pieces
        except StoreError as error:
            log.error("stream.broken", reason=str(error))
            raise
        finally:
            await self.close()  # also of pieces of which none was asked for

    async def close(self) -> None:
        """Look for no more."""
        if self._first is not None and not self._first.done():
            self._first.cancel()
            await asyncio.wait({self._first})


async def _next(pieces: Pieces) -> list[Message]:
    return await anext(pieces, [])
