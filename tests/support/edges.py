"""A channel whose lines lie on both sides of the edges of days, months and years."""

from __future__ import annotations

import datetime as dt

from support import lines

CHANNEL = "edgebase"
CHANNEL_ID = 9002
SENT = (
    "2024-02-29T23:59:59.999Z",
    "2024-03-01T00:00:00Z",
    "2025-12-31T23:59:59Z",
    "2026-01-01T00:00:00Z",
    "2026-02-28T12:00:00Z",
    "2026-03-01T00:00:00Z",
    "2026-03-01T23:59:59.999Z",
    "2026-03-02T00:00:00.500Z",
)


def at(text: str) -> int:
    """Give a time as Unix milliseconds."""
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def said() -> list[str]:
    """Give one line at each time, of two users by turns, oldest first."""
    return [
        lines.privmsg(
            f"edge {number}",
            number=2000 + number,
            sent_ms=at(sent),
            channel_id=CHANNEL_ID,
            channel=CHANNEL,
            user_id=601 + number % 2,
            login=("cy_rus", "di_ode")[number % 2],
        )
        for number, sent in enumerate(SENT)
    ]
