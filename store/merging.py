"""Merges streams of messages that are in order into one, in which what several hold stands once; reads one ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol, TypeVar

from store.keys import Position

T = TypeVar("T")


async def ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what a source yields, and have it make the next one meanwhile: Cassandra reads while lines are written.

    Args:
        source: yields no None.
    """
    coming = asyncio.ensure_future(anext(source, None))
    try:
        while (piece := await coming) is not None:
            coming = asyncio.ensure_future(anext(source, None))
            yield piece
    finally:
        coming.cancel()
        await asyncio.wait({coming})
        await source.aclose()


class Placed(Protocol):
    """What has a place in a log."""

    @property
    def position(self) -> Position:
        """The place."""
        ...


P = TypeVar("P", bound=Placed)


async def merged(sources: Sequence[AsyncIterator[Sequence[P]]], *, descending: bool) -> AsyncIterator[list[P]]:
    """Yield what the sources hold, in order, each line once; of two that share a place, the first source's.

    Args:
        sources: each in order.
        descending: the order of all.
    """
    ahead: list[Sequence[P]] = [[] for _ in sources]
    ended = [False] * len(sources)
    sign = -1 if descending else 1

    def order(message: P) -> tuple[int, int]:
        sent_ms, low = message.position.order
        return sign * sent_ms, sign * low

    while True:
        for at, source in enumerate(sources):
            while not ahead[at] and not ended[at]:
                piece = await anext(source, None)
                ended[at] = piece is None
                ahead[at] = piece or []
        left = [piece for piece in ahead if piece]
        if not left:
            return
        if len(left) == 1 and sum(not end for end in ended) <= 1:
            at = next(at for at, piece in enumerate(ahead) if piece)
            yield list(ahead[at])
            ahead[at] = []
            continue
        # All up to the nearest end of what is ahead is known to be complete.
        far = min(order(piece[-1]) for piece in left)
        found: dict[tuple[int, int], P] = {}
        for at, piece in enumerate(ahead):
            count = 0
            while count < len(piece) and order(piece[count]) <= far:
                found.setdefault(order(piece[count]), piece[count])
                count += 1
            ahead[at] = piece[count:]
        yield [found[place] for place in sorted(found)]
