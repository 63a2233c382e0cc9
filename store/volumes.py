"""How many lines the busiest logs get a day: what each worker says it wrote, and the sum of it."""

from __future__ import annotations

from collections import Counter

from cassandra.query import PreparedStatement

from store.keys import MS_IN_DAY
from store.session import Session
from store.shapes import Key, Shape

DAYS_KEPT = 11
"""Days after which nothing is left of a day: the table's TTL, and one to be safe (schema/volumes.cql)."""

Log = tuple[str, Key]
"""A shape's name, and whose log."""


class Volumes:
    """What the workers measured."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement]) -> None:
        self._session = session
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> Volumes:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        table = session.table("volumes")
        statements = {
            "record": f"INSERT INTO {table} (day, shape, log, worker, messages) VALUES (?, ?, ?, ?, ?)",
            "forget": f"DELETE FROM {table} WHERE day = ? AND shape = ? AND log = ?",
            "read": f"SELECT shape, log, messages FROM {table} WHERE day = ?",
        }
        return cls(session, {name: await session.prepare(cql) for name, cql in statements.items()})

    async def record(self, day: int, shape: Shape, key: Key, worker: str, messages: int) -> None:
        """Say how many lines of a log a worker wrote that day, so far.

        Args:
            day: the UTC day, counted from 1970.
            shape: which kind of log.
            key: whose.
            worker: one run of one worker; what another run wrote is added to it.
            messages: how many.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        values = (day * MS_IN_DAY, shape.name, list(key), worker, messages)
        await self._session.execute(self._prepared["record"].bind(values))

    async def forget(self, day: int, name: str, key: Key) -> None:
        """Delete what was said of a log that day, counted from 1970, by the name of its shape.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._session.execute(self._prepared["forget"].bind((day * MS_IN_DAY, name, list(key))))

    async def of_day(self, day: int) -> Counter[Log]:
        """Give how many lines each of the busiest logs got that day, counted from 1970, from all workers.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        found: Counter[Log] = Counter()
        for name, key, messages in await self._session.execute(self._prepared["read"].bind((day * MS_IN_DAY,))):
            found[name, tuple(key)] += messages
        return found
