"""Keeps to what a chat server allows: so many joins in so many seconds, a pause between connections."""

from __future__ import annotations

import asyncio
from collections import deque


class Budget:
    """At most so many turns in any window of time; who asks for more waits, in order.

    Args:
        turns: how many.
        seconds: the window.
    """

    def __init__(self, turns: int, seconds: float) -> None:
        self._turns = turns
        self._seconds = seconds
        self._taken: deque[float] = deque()
        self._next = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for a turn, and take it."""
        async with self._next:
            clock = asyncio.get_running_loop().time
            while self._taken and self._taken[0] <= clock() - self._seconds:
                self._taken.popleft()
            if len(self._taken) >= self._turns:
                await asyncio.sleep(self._taken[0] + self._seconds - clock())
                self._taken.popleft()
            self._taken.append(clock())
