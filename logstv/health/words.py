"""Spans, sizes and lists in words that people read at a glance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

_UNITS = ((86_400 * 2, 86_400, "days"), (3600 * 2, 3600, "h"), (120, 60, "min"))


def span(seconds: float) -> str:
    """Give a span of time, as in 0.4 s, 3 min, 5 h, 12 days."""
    for least, unit, name in _UNITS:
        if seconds >= least:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def size(count: float) -> str:
    """Give bytes, as in 512 KiB, 1.5 GiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def moment(ms: int) -> str:
    """Give a moment in UTC, to the minute."""
    return f"{dt.datetime.fromtimestamp(ms / 1000, dt.UTC):%Y-%m-%d %H:%M} UTC"


def some(names: Sequence[str], most: int = 5) -> str:
    """Give the first names of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
