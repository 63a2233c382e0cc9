"""The horizon: what was said before it is looked for in the archive, what was said since lies in Cassandra alone.

It is now minus the time that the tables keep a line, and a day for safety, cut at a UTC midnight.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from store.keys import MS_IN_DAY
from store.retention import FOR_EVER, Retention
from store.session import Session
from store.shapes import Shape

_FOLLOWED_SECONDS = 60.0


class Horizon:
    """Where the horizon of each shape is; follows what the tables say.

    Args:
        session: what tells what the tables say.
        clock_ms: Unix milliseconds.
    """

    def __init__(self, session: Session, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._session = session
        self._clock_ms = clock_ms
        self._retention: Retention | None = None
        self._read_at = 0.0

    async def of(self, shape: Shape) -> int | None:
        """Give the horizon of a shape in Unix milliseconds, a UTC midnight; None if its lines are kept for ever.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        now = time.monotonic()
        if self._retention is None or now - self._read_at > _FOLLOWED_SECONDS:
            self._retention = await Retention.of_tables(self._session)
            self._read_at = now
        kept = self._retention.seconds[shape.table]
        if kept == FOR_EVER:
            return None
        # Of the day after the one that holds the last line to expire, every line is there for a day more.
        return -(-(self._clock_ms() - kept * 1000 + MS_IN_DAY) // MS_IN_DAY) * MS_IN_DAY
