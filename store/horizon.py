"""The horizon: what was said before it is looked for in the archive, what was said since lies in Cassandra alone.

It is now minus the time that the tables keep a line, and a day for safety, cut at a UTC midnight. Lines keep the TTL
that they were written with, so what the tables said earlier counts until it no longer matters.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cassandra.query import PreparedStatement

from store.keys import MS_IN_DAY
from store.retention import FOR_EVER, Retention
from store.rows import unix_ms
from store.session import Session
from store.shapes import SHAPES, Shape
from store.sightings import REGISTRY

_FOLLOWED_SECONDS = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """From a time on, Unix milliseconds, a table said how many seconds a line is kept; 0 is for ever."""

    since_ms: int
    seconds: int


def horizon_of(history: Sequence[Said], now_ms: int) -> int | None:
    """Give the horizon in Unix milliseconds, a UTC midnight; None if no line has ever had a TTL.

    Args:
        history: what the table said, oldest first; the first holds for all time before.
        now_ms: Unix milliseconds.
    """
    gone_ms = None
    for said, following in itertools.zip_longest(history, history[1:]):
        if said.seconds == FOR_EVER:
            continue
        until_ms = now_ms - said.seconds * 1000
        if following is not None:
            until_ms = min(until_ms, following.since_ms)
        gone_ms = until_ms if gone_ms is None else max(gone_ms, until_ms)
    if gone_ms is None:
        return None
    # Whatever is said from this midnight on is there for a day more.
    return -(-(gone_ms + MS_IN_DAY) // MS_IN_DAY) * MS_IN_DAY


class Horizon:
    """Where the horizon of each shape is; follows what the tables say, and notes it when it has changed."""

    def __init__(
        self,
        session: Session,
        prepared: dict[str, PreparedStatement],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._session = session
        self._prepared = prepared
        self._clock_ms = clock_ms
        self._history: dict[str, list[Said]] = {}
        self._read_at = 0.0

    @classmethod
    async def open(cls, session: Session) -> Horizon:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        table = session.table("retention_history")
        columns = "table_name, since, seconds"
        statements = {
            "read": f"SELECT {columns} FROM {table} WHERE registry = ?",
            "note": f"INSERT INTO {table} (registry, {columns}) VALUES (?, ?, ?, ?)",
        }
        return cls(session, {name: await session.prepare(cql) for name, cql in statements.items()})

    async def of(self, shape: Shape) -> int | None:
        """Give the horizon of a shape, as `horizon_of`.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        now = time.monotonic()
        if not self._history or now - self._read_at > _FOLLOWED_SECONDS:
            await self.follow()
            self._read_at = now
        return horizon_of(self._history[shape.table], self._clock_ms())

    async def follow(self) -> None:
        """Read what the tables say and said, and note what is new.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        retention = await Retention.of_tables(self._session)
        history: dict[str, list[Said]] = {shape.table: [] for shape in SHAPES}
        for table, since, seconds in await self._session.execute(self._prepared["read"].bind((REGISTRY,))):
            history.setdefault(table, []).append(Said(unix_ms(since), seconds))
        for shape in SHAPES:
            said, seconds = history[shape.table], retention.seconds[shape.table]
            if not said or said[-1].seconds != seconds:
                new = Said(self._clock_ms() if said else 0, seconds)
                values = (REGISTRY, shape.table, new.since_ms, new.seconds)
                await self._session.execute(self._prepared["note"].bind(values))
                said.append(new)
        self._history = history
