from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from store.merging import ahead


class Source:
    """Yields numbers, and takes note of how far it came and whether it was closed."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.made = 0
        self.closed = False
        self._fails_at = fails_at

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(5):
                await asyncio.sleep(0)
                if number == self._fails_at:
                    raise RuntimeError
                self.made += 1
                yield number
        finally:
            self.closed = True


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_next_piece_is_made_while_one_is_dealt_with_and_no_more():
    source = Source()
    taken = []
    async for number in ahead(source.numbers()):
        await settled()
        taken.append(number)
        assert source.made == min(number + 2, 5)
    assert taken == list(range(5))


async def test_what_was_made_before_a_failure_is_given_first():
    pieces = ahead(Source(fails_at=2).numbers())
    assert await anext(pieces) == 0
    await settled()
    assert await anext(pieces) == 1
    with pytest.raises(RuntimeError):
        await anext(pieces)


async def test_whoever_leaves_ends_what_was_begun():
    for turns in (0, 1):  # before and after the next piece is there
        source = Source()
        async with contextlib.aclosing(ahead(source.numbers())) as pieces:
            await anext(pieces)
            for _ in range(turns):
                await settled()
        assert source.closed
