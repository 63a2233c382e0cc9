"""The workers' signs of life: who is there, since when, and which channels each reads.

A row expires when its worker no longer writes it. What follows from who is there is `ingest.assignment`'s.
"""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from cassandra.query import PreparedStatement

from store.rows import unix_ms
from store.session import Session
from store.sightings import REGISTRY

BEATS_MISSED = 3
"""How many signs of life a worker may miss before it counts as gone."""

MOST_FAILING = 20
"""A row names no more channels than these that cannot be joined; how many they are it says in any case."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How a worker's reading and writing goes.

    Attributes:
        lines: how many it has received.
        connections: how many it has with the chat server.
        waiting: how many lines wait to be written.
        waiting_bytes: what those take on disk.
        lag_ms: how old the newest message of its last write was when that was acknowledged.
        alarm: what is wrong with its spool; empty when all is well.
    """

    lines: int = 0
    connections: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    lag_ms: int = 0
    alarm: str = ""


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
        figures: how its reading and writing goes.
        reading: the ids of the channels that it is in.
        failing: the logins that it cannot join, at most `MOST_FAILING` of them, and why.
    """

    name: str
    incarnation: uuid.UUID
    since_ms: int
    seen_ms: int
    leaving: bool = False
    wanted: int = 0
    failed: int = 0
    figures: Figures = Figures()
    reading: frozenset[int] = frozenset()
    failing: Mapping[str, str] = field(default_factory=dict, hash=False)

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
            worker.reading,
            dict(itertools.islice(worker.failing.items(), MOST_FAILING)),
            *astuple(worker.figures),
            life_seconds(every_seconds),
        )
        await self._session.execute(self._prepared["beat"].bind(values))

    async def all(self) -> list[Worker]:
        """Give the workers that are there, by name.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._session.execute(self._prepared["all"].bind((REGISTRY,)))
        return [_worker(row) for row in rows]

    async def forget(self, worker: Worker) -> None:
        """Take the row of a worker that has ended out of the table.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._session.execute(self._prepared["forget"].bind((REGISTRY, worker.name, worker.incarnation)))


def _worker(row: Sequence[Any]) -> Worker:
    name, which, since, seen, leaving, wanted, failed, reading, failing = row[:9]
    # A worker of a time before the later columns says nothing in them.
    lines, connections, waiting, waiting_bytes, lag, alarm = row[9:]
    return Worker(
        name,
        which,
        unix_ms(since),
        unix_ms(seen),
        leaving,
        wanted,
        failed,
        Figures(lines or 0, connections or 0, waiting or 0, waiting_bytes or 0, lag or 0, alarm or ""),
        frozenset(reading or ()),
        dict(failing or {}),
    )


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
    columns = (
        "name, incarnation, since, seen, leaving, wanted, failed, reading, failing, "
        "lines, connections, waiting, waiting_bytes, lag, alarm"
    )
    marks = ", ".join("?" for _ in columns.split(","))
    return {
        "beat": f"INSERT INTO {table} (registry, {columns}) VALUES (?, {marks}) USING TTL ?",
        "all": f"SELECT {columns} FROM {table} WHERE registry = ?",
        "forget": f"DELETE FROM {table} WHERE registry = ? AND name = ? AND incarnation = ?",
    }
