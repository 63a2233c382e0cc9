"""Where received lines wait between the source and the writes: what both kinds of waiting have in common.

In memory they wait here, which is enough for what can be read again, such as a file; what cannot waits on disk, in
`ingest.spool`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from ingest.source import ReceivedLine

MOST_WAITING = 4096
"""Lines in memory that wait for a write before the source is held back."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Lines that were taken to be written.

    Attributes:
        lines: in the order in which they came.
        groups: what they are called where they wait until they are written.
    """

    lines: list[ReceivedLine] = field(default_factory=list)
    groups: tuple[int, ...] = ()


class WaitingLines(Protocol):
    """Takes lines in, gives them out in order, and hears which of them are written.

    Attributes:
        durable: whether lines that are not written when the process ends are there again the next time.
    """

    durable: bool

    @property
    def unsettled(self) -> int:
        """How many lines came in and are not done."""
        ...

    async def put(self, chunk: list[ReceivedLine]) -> None:
        """Take lines in; wait while there is no room."""
        ...

    async def end(self) -> None:
        """Say that no more lines come."""
        ...

    async def take(self, most: int) -> Taken:
        """Give the oldest lines, about as many as there are up to `most`; none once it has ended and is empty."""
        ...

    def done(self, taken: Taken) -> None:
        """Say that these lines are written, or set aside."""
        ...

    def again(self) -> None:
        """Say that Cassandra was away, so that it may have lost what it acknowledged just before."""
        ...


class InMemory:
    """Lines wait in memory, a bounded number of them.

    Attributes:
        durable: they are lost when the process ends.
        unsettled: how many lines came in and are not done.
    """

    durable = False

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.unsettled = 0
        self._most = most
        self._lines: list[ReceivedLine] = []
        self._ended = False
        self._changed = asyncio.Condition()

    async def put(self, chunk: list[ReceivedLine]) -> None:
        """Take lines in; wait while there is no room."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._lines) < self._most)
            self._lines += chunk
            self.unsettled += len(chunk)
            self._changed.notify_all()

    async def end(self) -> None:
        """Say that no more lines come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def take(self, most: int) -> Taken:
        """Give the oldest lines, as many as there are up to `most`; none once it has ended and is empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._lines or self._ended)
            taken, self._lines = self._lines[:most], self._lines[most:]
            self._changed.notify_all()
            return Taken(taken)

    def done(self, taken: Taken) -> None:
        """Say that these lines are written, or set aside."""
        self.unsettled -= len(taken.lines)

    def again(self) -> None:
        """Do nothing: what was written is no longer here."""
