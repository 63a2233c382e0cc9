"""Fills gaps in the reading of channels from a recent-messages service, where one is set: as far as it remembers.

What a gap is, the source's channels and the spans that workers record say (`store.coverage`). A line that was read all
the same is written once more, which changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ingest.errors import HistoryError
from ingest.pipeline import IngestCounts
from ingest.recent_messages import RecentMessages
from ingest.source import ChatSource, ReceivedLine
from store.coverage import BEAT_MS, Coverage, Span
from store.errors import StoreUnavailable

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 2.0
"""A service has a line a moment after it was said."""
_PAUSE_SECONDS = 0.25
_TRIES = 3
_AGAIN_SECONDS = 15.0
_NEWS_MS = BEAT_MS + 5_000
"""So long after it was read by another worker, that worker has said so, if it still lives."""


@dataclass(slots=True)
class _Due:
    """A gap that is to be filled.

    Attributes:
        channel_id: of the channel.
        heard_ms: how far this worker had read it before; None if it has not since it started.
        joined_ms: since when it is being read again.
        at: when to ask, by the loop's clock.
        tries: how often that failed.
    """

    channel_id: int
    heard_ms: int | None
    joined_ms: int
    at: float
    tries: int = 0


class Backfill:
    """Looks for gaps that have ended, and fills them.

    Args:
        service: whom to ask.
        source: what is read.
        worker: who reads.
        take: takes lines in, as those that are read.
        counts: what became of it.
    """

    def __init__(
        self,
        service: RecentMessages,
        source: ChatSource,
        worker: str,
        take: Callable[[list[ReceivedLine]], Awaitable[None]],
        counts: IngestCounts,
    ) -> None:
        self._service = service
        self._source = source
        self._worker = worker
        self._take = take
        self._counts = counts
        self._heard: dict[str, int] = {}
        self._due: dict[str, _Due] = {}

    async def run(self, opening: Awaitable[Coverage], leaving: asyncio.Event) -> None:
        """Fill gaps until the worker is about to leave; those found while Cassandra is away wait for it."""
        opened = asyncio.ensure_future(opening)
        try:
            while not leaving.is_set():
                self._look()
                if opened.done():
                    await self._fill_some(opened.result(), leaving)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await leaving.wait()
        finally:
            opened.cancel()

    def _look(self) -> None:
        at = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        for state in self._source.channels:
            if state.channel_id is None or state.reading_from_ms is None:
                continue
            heard_ms = self._heard.get(state.login)
            if heard_ms is None or state.reading_from_ms > heard_ms:
                earlier = self._due.get(state.login)
                self._due[state.login] = _Due(
                    state.channel_id, earlier.heard_ms if earlier else heard_ms, state.reading_from_ms, at
                )
            self._heard[state.login] = state.heard_ms

    async def _fill_some(self, coverage: Coverage, leaving: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        for login, due in list(self._due.items()):
            if leaving.is_set():
                return
            if due.at > clock() or self._due.get(login) is not due:
                continue
            try:
                ended_ms = await self._ended(coverage, due)
                if ended_ms is None:
                    due.at = clock() + _LOOK_SECONDS
                    continue
                if 0 < ended_ms < due.joined_ms:
                    await self._fill(coverage, login, due.channel_id, Span(ended_ms, due.joined_ms))
                    await asyncio.sleep(_PAUSE_SECONDS)
            except StoreUnavailable:
                return  # it is asked again at the next look
            except HistoryError as error:
                due.tries += 1
                due.at = clock() + _AGAIN_SECONDS * due.tries
                log.warning("backfill.failed", channel=login, reason=str(error), tries=due.tries)
                if due.tries < _TRIES:
                    continue
                self._counts.gaps_unfilled += 1
            if self._due.get(login) is due:
                del self._due[login]

    async def _ended(self, coverage: Coverage, due: _Due) -> int | None:
        """Say until when a channel was read before a gap: Unix milliseconds, 0 if never; None if that is not known yet.

        Another worker that read it until a moment ago may be reading on, and says so every few seconds.
        """
        ends = await coverage.ends(due.channel_id, began_before_ms=due.joined_ms)
        own_ms = due.heard_ms if due.heard_ms is not None else ends.get(self._worker, 0)
        others_ms = max((ms for worker, ms in ends.items() if worker != self._worker), default=0)
        is_news = time.time_ns() // 1_000_000 - due.joined_ms < _NEWS_MS
        if is_news and others_ms < due.joined_ms < others_ms + _NEWS_MS:
            return None
        return max(own_ms, others_ms)

    async def _fill(self, coverage: Coverage, login: str, channel_id: int, gap: Span) -> None:
        history = await self._service.history(login, channel_id, gap)
        if history.lines:
            await self._take(history.lines)
            self._counts.backfilled += len(history.lines)
        if history.covered is not None:
            await coverage.record(channel_id, history.covered, f"{self._worker} (recent messages)")
        whole = history.covered == gap
        self._counts.gaps_unfilled += not whole
        log.info(
            "backfill.done",
            channel=login,
            seconds=round((gap.to_ms - gap.from_ms) / 1000, 1),
            lines=len(history.lines),
            whole=whole,
        )
