"""Records in which spans of time each channel was being read, as far as the lines of that time surely are on disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from ingest.source import ChannelReading, ChatSource
from store.coverage import BEAT_MS, Coverage, Span
from store.errors import StoreUnavailable

_LOOK_SECONDS = 1.0
_LOOKS_A_BEAT = int(BEAT_MS / 1000 / _LOOK_SECONDS)


@dataclass(slots=True)
class _Due:
    """Spans that are to be recorded, by channel."""

    ended: list[tuple[int, Span]] = field(default_factory=list)
    going_on: dict[int, tuple[ChannelReading, Span]] = field(default_factory=dict)


class CoverageRecorder:
    """Says of each channel from when to when it was read: every few seconds while it is, and at once when it ends.

    What a look finds is recorded at the next, a second later: what was read until then is on disk by then. While the
    store is away, ends are remembered and open spans move on.

    Args:
        source: what is read.
        worker: who reads.
    """

    def __init__(self, source: ChatSource, worker: str) -> None:
        self._source = source
        self._worker = worker
        self._due = _Due()
        self._seen: dict[int, ChannelReading] = {}

    async def run(self, opening: Awaitable[Coverage]) -> None:
        """Record until cancelled; what is read before the store can be reached is looked at too, and recorded then."""
        opened, looks = asyncio.ensure_future(opening), 0
        try:
            while True:
                self._look()
                await asyncio.sleep(_LOOK_SECONDS)
                if opened.done():
                    with contextlib.suppress(StoreUnavailable):
                        await self._record(opened.result(), everything=looks % _LOOKS_A_BEAT == 0)
                    looks += 1
        finally:
            opened.cancel()

    async def finish(self, coverage: Coverage) -> None:
        """Record what there is, once all that was read is on disk.

        Raises:
            StoreUnavailable: Cassandra cannot answer; the ends that it knows are then those of the last beat.
        """
        self._look()
        await self._record(coverage, everything=True)

    def _look(self) -> None:
        self._due.going_on.clear()
        for state in self._all():
            if state.channel_id is None:
                continue
            self._due.ended += [(state.channel_id, Span(*span)) for span in state.read_spans]
            state.read_spans.clear()
            if state.reading_from_ms is not None:
                self._due.going_on[state.channel_id] = state, Span(state.reading_from_ms, state.heard_ms)

    def _all(self) -> Iterable[ChannelReading]:
        """Give the channels that are read, and once more those that are not any longer, for their ends."""
        now = {id(state): state for state in self._source.channels}
        gone = [state for key, state in self._seen.items() if key not in now]
        self._seen = now
        return [*now.values(), *gone]

    async def _record(self, coverage: Coverage, *, everything: bool) -> None:
        while self._due.ended:
            await coverage.record(*self._due.ended[-1], self._worker)
            self._due.ended.pop()
        if everything:
            for channel_id, (state, span) in list(self._due.going_on.items()):
                begins = await coverage.record(channel_id, span, self._worker)
                if state.reading_from_ms == span.from_ms:
                    state.reading_from_ms = begins
