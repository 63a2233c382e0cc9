"""One answer for all who ask the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flight:
    """Something that is asked, and how many wait for it."""

    task: asyncio.Task[Any]
    waiting: int = 0


class Flights:
    """Shares what is being asked right now; nothing is kept once it was answered."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Flight] = {}
        self._left: set[asyncio.Task[Any]] = set()

    async def share(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Give the answer, asked once for all who share a key while it is under way.

        Whoever is cancelled leaves the others their answer; when the last one leaves, the question is cancelled.

        Raises:
            Exception: what asking raised, for all of them.
        """
        flight = self._under_way.get(key)
        if flight is None:
            flight = self._under_way[key] = _Flight(asyncio.create_task(ask()))
            flight.task.add_done_callback(lambda _: self._landed(key, flight))
        flight.waiting += 1
        try:
            answer: T = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._landed(key, flight)
                self._left.add(flight.task)
                flight.task.add_done_callback(self._left.discard)
                flight.task.cancel()
        return answer

    async def close(self) -> None:
        """Wait for what nobody waits for any more."""
        await asyncio.gather(*self._left, return_exceptions=True)

    def _landed(self, key: Hashable, flight: _Flight) -> None:
        if self._under_way.get(key) is flight:
            del self._under_way[key]
