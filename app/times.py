"""Times as clients write and read them."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

from store.keys import LATEST_MS

_EARLIEST_MS = 0
_SECONDS_DIGITS = 10
_RIGHT = "write RFC 3339, as in 2026-11-24T20:15:00Z, or Unix seconds or milliseconds"


def parse_time(text: str) -> int:
    """Read a time as Unix milliseconds: RFC 3339 with an offset, or Unix seconds (up to 10 digits) or milliseconds.

    Raises:
        ValueError: it is none; the message says what would be right.
    """
    text = text.strip().upper()  # RFC 3339 allows t and z
    if re.fullmatch(r"\d{1,15}", text) and text.isascii():
        number = int(text)
        found = number * 1000 if len(text) <= _SECONDS_DIGITS else number
    else:
        try:
            # A + in a query stands for a space unless it is escaped.
            moment = dt.datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        except ValueError:
            raise ValueError(f"this is no time: {_RIGHT}") from None
        if moment.tzinfo is None:
            raise ValueError("this time says nothing of its zone: end it with Z or an offset like +02:00")
        found = (moment - _EPOCH) // _MILLISECOND
    if not _EARLIEST_MS <= found <= LATEST_MS:
        raise ValueError("this time is before 1970 or after 4000")
    return found


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


@lru_cache(maxsize=4096)
def _minute(minute: int, between: str = "T") -> str:
    return dt.datetime.fromtimestamp(minute * 60, dt.UTC).strftime(f"%Y-%m-%d{between}%H:%M")


def rfc3339(ms: int) -> str:
    """Write Unix milliseconds as RFC 3339 in UTC, always with milliseconds."""
    second, rest = divmod(ms, 1000)
    minute, second = divmod(second, 60)
    return f"{_minute(minute)}:{second:02d}.{rest:03d}Z"


def rfc3339_brief(ms: int) -> str:
    """Write Unix milliseconds as RFC 3339 in UTC, with a fraction only where it is not zero, as rustlog does."""
    return rfc3339(ms).replace(".000Z", "Z")


def in_words(ms: int) -> str:
    """Write Unix milliseconds as a text line begins: `2026-11-24 20:15:00`, UTC."""
    minute, second = divmod(ms // 1000, 60)
    return f"{_minute(minute, ' ')}:{second:02d}"


def day(ms: int) -> str:
    """Write the UTC day of Unix milliseconds: `2026-11-24`."""
    return _minute(ms // 60_000)[:10]


def month(ms: int) -> str:
    """Write the UTC month of Unix milliseconds: `2026-11`."""
    return _minute(ms // 60_000)[:7]
