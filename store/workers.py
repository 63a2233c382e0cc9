"""The workers' signs of life: who is there, since when, and which channels each reads.

A row expires when its worker no longer writes it. What follows from who is there is `ingest.assignment`'s.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from cassandra.query import PreparedStatement

from store.rows import unix_ms
from store.session import Session
from store.sightings import REGISTRY

BEATS_MISSED = 3
"""How many signs of life a worker may miss before it counts as gone."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, as it last said itself; times are Unix milliseconds by its own clock.

    Attributes:
        name: what it is called.
        incarnation: which start of it this is.
        since_ms: when that was.
        seen_ms: when it said so.
        leaving: whether it hands its channels over, to end.
        wanted: how many channels are assigned to it.
        failed: how many of those it cannot join.
        lines: how many lines it has received.
        reading: the ids of the channels that it is in.
    """

    name: str
    incarnation: uuid.UUID
    since_ms: int
    seen_ms: int
    leaving: bool = False
    wanted: int = 0
    failed: int = 0
    lines: int = 0
    reading: frozenset[int] = frozenset()

    @property
    def age(self) -> tuple[int, uuid.UUID]:
        """What orders workers of one name: the older one is less; no two are equal."""
        return self.since_ms, self.incarnation


class Workers:
    """The table of the workers."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement]) -> None:
        self._session = session
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> Workers:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        return cls(session, {name: await session.prepare(cql) for name, cql in _statements(session).items()})

    async def beat(self, worker: Worker, every_seconds: float) -> None:
        """Write a worker's sign of life.

        Args:
            worker: how it is.
            every_seconds: when the next sign is to be expected; after some that are missed, the row expires.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        values = (
            REGISTRY,
            worker.name,
            worker.incarnation,
            worker.since_ms,
            worker.seen_ms,
            worker.leaving,
            worker.wanted,
            worker.failed,
            worker.lines,
            worker.reading,
            life_seconds(every_seconds),
        )
        await self._session.execute(self._prepared["beat"].bind(values))

    async def all(self) -> list[Worker]:
        """Give the workers that are there, by name.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._session.execute(self._prepared["all"].bind((REGISTRY,)))
        return [
            Worker(name, which, unix_ms(since), unix_ms(seen), leaving, wanted, failed, lines, frozenset(reading or ()))
            for name, which, since, seen, leaving, wanted, failed, lines, reading in rows
        ]

    async def forget(self, worker: Worker) -> None:
        """Take the row of a worker that has ended out of the table.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._session.execute(self._prepared["forget"].bind((REGISTRY, worker.name, worker.incarnation)))


def life_seconds(every_seconds: float) -> int:
    """Give the TTL of a sign of life: Cassandra counts whole seconds, so one more than the beats that may be missed."""
    return math.ceil(every_seconds * BEATS_MISSED) + 1


def readers(workers: Iterable[Worker]) -> dict[int, list[str]]:
    """Give who reads each channel, by the channel's id."""
    found: dict[int, list[str]] = {}
    for worker in workers:
        for channel_id in worker.reading:
            names = found.setdefault(channel_id, [])
            if worker.name not in names:
                names.append(worker.name)
    return found


def _statements(session: Session) -> dict[str, str]:
    table = session.table("workers")
    columns = "name, incarnation, since, seen, leaving, wanted, failed, lines, reading"
    return {
        "beat": f"INSERT INTO {table} (registry, {columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?",
        "all": f"SELECT {columns} FROM {table} WHERE registry = ?",
        "forget": f"DELETE FROM {table} WHERE registry = ? AND name = ? AND incarnation = ?",
    }
