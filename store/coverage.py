"""Keeps the spans of time in which channels were being read, and gives the gaps between them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cassandra.query import PreparedStatement

from store.keys import MS_IN_DAY
from store.rows import unix_ms
from store.session import Session

BEAT_MS = 10_000
"""How often a worker moves the end of a span on: so long an open span may seem to have ended."""

_GRACE_MS = 3 * BEAT_MS
_MOST_REMEMBERED = 2_000


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A span of time, `[from_ms, to_ms)`, in Unix milliseconds."""

    from_ms: int
    to_ms: int


def joined(spans: Iterable[Span]) -> list[Span]:
    """Give the time that spans cover together, as spans that do not touch each other, oldest first."""
    together: list[Span] = []
    for span in sorted(spans):
        if together and span.from_ms <= together[-1].to_ms:
            together[-1] = Span(together[-1].from_ms, max(together[-1].to_ms, span.to_ms))
        elif span.from_ms < span.to_ms:
            together.append(span)
    return together


def between(covered: Iterable[Span], whole: Span) -> list[Span]:
    """Give the gaps that spans leave in a whole, oldest first."""
    gaps, at = [], whole.from_ms
    for span in joined(covered):
        if span.to_ms <= at:
            continue
        if span.from_ms >= whole.to_ms:
            break
        if span.from_ms > at:
            gaps.append(Span(at, span.from_ms))
        at = span.to_ms
    if at < whole.to_ms:
        gaps.append(Span(at, whole.to_ms))
    return gaps


class Coverage:
    """The spans in which channels were being read."""

    def __init__(
        self,
        session: Session,
        prepared: dict[str, PreparedStatement],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._session = session
        self._prepared = prepared
        self._clock_ms = clock_ms
        self._remembered: dict[tuple[int, int, int], tuple[int, list[Span]]] = {}

    @classmethod
    async def open(cls, session: Session) -> Coverage:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        table = session.table("coverage")
        statements = {
            "record": f"INSERT INTO {table} (channel_id, began, worker, ended) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            "read": f"SELECT began, ended FROM {table} WHERE channel_id = ? AND began >= ? AND began < ?",
            "ends": f"SELECT worker, ended FROM {table} WHERE channel_id = ? AND began >= ? AND began < ?",
            "first": f"SELECT min(began) FROM {table} WHERE channel_id = ?",
        }
        return cls(session, {name: await session.prepare(cql) for name, cql in statements.items()})

    async def record(self, channel_id: int, span: Span, worker: str) -> int:
        """Say that a worker read a channel for a span; a later end of a span that began at the same time replaces it.

        Returns:
            Where the same span is to begin when its end moves on, Unix milliseconds: whole days need not be said again.

        Raises:
            StoreUnavailable: Cassandra cannot answer; saying it again is right.
        """
        parts = _by_day(span)
        for part in parts:
            await self._session.execute(
                self._prepared["record"].bind((channel_id, part.from_ms, worker, part.to_ms, part.to_ms * 1000))
            )
        return parts[-1].from_ms

    async def ends(self, channel_id: int, *, began_before_ms: int) -> dict[str, int]:
        """Give until when each worker surely read a channel, in spans that began in the two days before a time.

        Args:
            channel_id: the channel's id.
            began_before_ms: Unix milliseconds.

        Returns:
            Unix milliseconds by worker.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        bounds = (channel_id, began_before_ms - 2 * MS_IN_DAY, began_before_ms)
        ends: dict[str, int] = {}
        for worker, ended in await self._session.execute(self._prepared["ends"].bind(bounds)):
            ends[worker] = max(ends.get(worker, 0), unix_ms(ended))
        return ends

    async def spans(self, channel_id: int, whole: Span) -> list[Span]:
        """Give when a channel was being read, within a whole, oldest first.

        A span that was moved on a moment ago goes on until now: the channel is still being read.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        now_ms = self._clock_ms()
        days = whole.from_ms // MS_IN_DAY, -(-whole.to_ms // MS_IN_DAY)
        key = (channel_id, *days)
        asked_ms, found = self._remembered.get(key, (0, []))
        if now_ms - asked_ms > BEAT_MS:
            # A span is at most a day long, so none that reaches in begins earlier than a day before.
            bounds = ((days[0] - 1) * MS_IN_DAY, days[1] * MS_IN_DAY)
            rows = await self._session.execute(self._prepared["read"].bind((channel_id, *bounds)))
            found = joined(_lasting(Span(unix_ms(began), unix_ms(ended)), now_ms) for began, ended in rows)
            self._remembered.pop(key, None)
            self._remembered[key] = (now_ms, found)
            while len(self._remembered) > _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        inside = (Span(max(span.from_ms, whole.from_ms), min(span.to_ms, whole.to_ms)) for span in found)
        return [span for span in inside if span.from_ms < span.to_ms]

    async def gaps(self, channel_id: int, whole: Span) -> list[Span]:
        """Give when a channel was not being read, within a whole, oldest first.

        Before the channel was read for the first time nothing is known, which is no gap; nor is the future.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        first_ms = await self._first(channel_id)
        if first_ms is None:
            return []
        known = Span(max(whole.from_ms, first_ms), min(whole.to_ms, self._clock_ms()))
        if known.from_ms >= known.to_ms:
            return []
        return between(await self.spans(channel_id, known), known)

    async def _first(self, channel_id: int) -> int | None:
        now_ms = self._clock_ms()
        asked_ms, found = self._remembered.get((channel_id, -1, -1), (0, []))
        if not found and now_ms - asked_ms > BEAT_MS:
            rows = await self._session.execute(self._prepared["first"].bind((channel_id,)))
            found = [Span(unix_ms(began), unix_ms(began)) for (began,) in rows if began is not None]
            self._remembered[channel_id, -1, -1] = (now_ms, found)
        return found[0].from_ms if found else None


def _lasting(span: Span, now_ms: int) -> Span:
    return Span(span.from_ms, now_ms + BEAT_MS) if now_ms - span.to_ms < _GRACE_MS else span


def _by_day(span: Span) -> list[Span]:
    """Cut a span at UTC midnights."""
    cuts = range((span.from_ms // MS_IN_DAY + 1) * MS_IN_DAY, span.to_ms, MS_IN_DAY)
    edges = [span.from_ms, *cuts, span.to_ms]
    return [Span(start, end) for start, end in itertools.pairwise(edges)]
