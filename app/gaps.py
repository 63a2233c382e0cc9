"""Which gaps in the reading of a channel fall into a page of its log."""

from __future__ import annotations

import time

from app.times import rfc3339
from store.coverage import BEAT_MS, Coverage, Span
from store.cursor import Cursor
from store.reader import Log, Page
from store.shapes import USER

_LONGEST_MS = 366 * 86_400_000
"""Of a longer time than this between two lines nothing is said: it would have to be looked up day by day."""


def span_of(log: Log, page: Page, cursor: Cursor | None, now_ms: int) -> Span | None:
    """Give the time that a page speaks of: pages that follow each other speak of all of a walk's time.

    On the side where the walk goes on, a page's time ends with its last line; on the other it begins where the page
    before ended, or with the range. Where a walk has come to its end, the page speaks of the range's end too.

    Args:
        log: what was asked for.
        page: what was answered.
        cursor: what it was asked with.
        now_ms: Unix milliseconds.
    """
    times = [message.sent_ms or 0 for message in page.messages]
    older, newer = (page.next, page.previous) if log.newest_first else (page.previous, page.next)
    lower = log.from_ms if older is None else None
    upper = (log.to_ms or now_ms) if newer is None else None
    if cursor is not None:
        if log.newest_first != cursor.backwards:
            upper = cursor.position.sent_ms
        else:
            lower = cursor.position.sent_ms
    if lower is None:
        lower = min(times, default=None)
    if upper is None:
        upper = max(times, default=None)
    if lower is None or upper is None or lower >= upper or upper - lower > _LONGEST_MS:
        return None
    return Span(lower, upper)


async def gaps_of(coverage: Coverage, log: Log, page: Page, cursor: Cursor | None = None) -> list[dict[str, str]]:
    """Give the gaps in the time that a page speaks of, as /v1 shows them; of a user everywhere none are known.

    Raises:
        StoreUnavailable: Cassandra cannot answer.
    """
    # A gap that goes on until now grows in steps, so that an answer stays the same for a while.
    now_ms = time.time_ns() // 1_000_000 // BEAT_MS * BEAT_MS
    span = None if log.shape is USER else span_of(log, page, cursor, now_ms)
    return [] if span is None else shown(await coverage.gaps(log.key[0], span))


def shown(spans: list[Span]) -> list[dict[str, str]]:
    """Give spans of time as /v1 shows them."""
    return [{"from": rfc3339(span.from_ms), "to": rfc3339(span.to_ms)} for span in spans]
