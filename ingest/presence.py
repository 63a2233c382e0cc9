"""This worker among the others: says that it lives, and looks who else does and what each reads.

What follows for the channels is `ingest.follow`'s; the rows are `store.workers`'.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from ingest.errors import WorkerNameTaken
from ingest.settings import IngestSettings
from ingest.source import ChannelReading
from store.errors import StoreUnavailable
from store.workers import Figures, Worker, Workers, life_seconds, readers

log = structlog.get_logger(__name__)

_END_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Present:
    """Who is there.

    Attributes:
        names: the workers to whom channels can be assigned.
        workers: what each says of himself, by name; also those who are leaving.
        readers: who says that he reads a channel, by its id.
    """

    names: frozenset[str]
    workers: dict[str, Worker]
    readers: dict[int, list[str]]


class Presence:
    """This worker's row, and what the rows of all say.

    Attributes:
        name: what this worker is called.
        leaving: whether it is about to end; set by whoever ends it.
    """

    def __init__(self, workers: Workers, settings: IngestSettings) -> None:
        self.name = settings.worker
        self.leaving = False
        self._workers = workers
        self._every = settings.worker_heartbeat
        now = time.time_ns() // 1_000_000
        self._me = Worker(settings.worker, uuid.uuid4(), since_ms=now, seen_ms=now)
        self._namesakes: dict[uuid.UUID, int] = {}
        self._live: frozenset[str] = frozenset()
        self._looked_at: float | None = None
        self._amnesty_until = 0.0

    async def say(
        self, readings: Collection[ChannelReading], *, wanted: int, failing: Mapping[str, str], figures: Figures
    ) -> None:
        """Say that this worker lives.

        Args:
            readings: how its channels stand.
            wanted: how many are assigned to it.
            failing: the logins of those that cannot be joined, and why.
            figures: how its reading and writing goes.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        self._me = replace(
            self._me,
            seen_ms=max(time.time_ns() // 1_000_000, self._me.seen_ms + 1),
            leaving=self.leaving,
            wanted=wanted,
            failed=len(failing),
            failing=failing,
            figures=figures,
            reading=frozenset(
                reading.channel_id for reading in readings if reading.joined and reading.channel_id is not None
            ),
        )
        await self._workers.beat(self._me, self._every)

    async def look(self) -> Present:
        """Look who is there: this worker is, unless it is leaving.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
            WorkerNameTaken: another worker, which was started earlier, is called the same.
        """
        rows = await self._workers.all()
        self._check_name(rows)
        now = asyncio.get_running_loop().time()
        live = frozenset(row.name for row in rows if not row.leaving)
        if self._looked_at is not None and now - self._looked_at > life_seconds(self._every):
            # Nobody could say that he lives while Cassandra was away: who was there before is given time to do so.
            self._amnesty_until = now + 2 * self._every
        if now < self._amnesty_until:
            live |= self._live - {row.name for row in rows if row.leaving}
        self._looked_at, self._live = now, live
        names = live - {self.name} if self.leaving else live | {self.name}
        return Present(names, {row.name: row for row in sorted(rows, key=lambda row: row.seen_ms)}, readers(rows))

    async def end(self) -> None:
        """Take this worker's row away, if Cassandra answers soon; if not, the row expires."""
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._workers.forget(self._me)

    def _check_name(self, rows: Sequence[Worker]) -> None:
        """Notice another worker of the same name that lives: the row of one that was killed stands still.

        Raises:
            WorkerNameTaken: there is one, and it was started earlier.
        """
        for row in rows:
            if row.name != self.name or row.incarnation == self._me.incarnation:
                continue
            lives = row.seen_ms > self._namesakes.setdefault(row.incarnation, row.seen_ms)
            self._namesakes[row.incarnation] = row.seen_ms
            if lives and row.age < self._me.age:
                raise WorkerNameTaken(
                    f"another worker is called {self.name!r} and was there before: "
                    "give each a name of its own, with LOGSTV_WORKER"
                )
            if lives:
                log.error("worker.name_taken", worker=self.name, reason="another one of this name was started later")
