"""Keys: the timeuuid that only a message decides, the order of a log, and the buckets that bound its partitions."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

LOW_MASK = (1 << 64) - 1
_GREGORIAN_TO_UNIX = 0x01B21DD213814000  # 100 ns steps from 1582-10-15 to 1970-01-01 (RFC 9562, 5.1)
_STEPS_IN_MS = 10_000
SIGN_BITS = 0x8080808080808080
_PACK_HALVES = Struct(">QQ").pack
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

MS_IN_HOUR = 3_600_000
LATEST_MS = 64_060_588_800_000
"""The latest time that is dealt with, Unix milliseconds: the year 4000; a timeuuid ends in 5236."""
MS_IN_DAY = 86_400_000


class Position(NamedTuple):
    """A place in a log.

    Attributes:
        sent_ms: Unix milliseconds.
        low: the low 64 bits of the timeuuid, unsigned.
    """

    sent_ms: int
    low: int

    @property
    def order(self) -> tuple[int, int]:
        """What to sort by to get Cassandra's order: time, then the low half as signed bytes."""
        return self.sent_ms, self.low ^ SIGN_BITS

    def after(self) -> Position:
        """Give the place right after this one in Cassandra's order."""
        moved = (self.low ^ SIGN_BITS) + 1
        return Position(self.sent_ms, moved ^ SIGN_BITS) if moved <= LOW_MASK else Position(self.sent_ms + 1, FIRST_LOW)

    def before(self) -> Position:
        """Give the place right before this one in Cassandra's order."""
        moved = (self.low ^ SIGN_BITS) - 1
        return Position(self.sent_ms, moved ^ SIGN_BITS) if moved >= 0 else Position(self.sent_ms - 1, LAST_LOW)

    def __lt__(self, other: tuple[int, ...]) -> bool:
        if not isinstance(other, Position):
            return NotImplemented
        return self.order < other.order


FIRST_LOW = SIGN_BITS
"""The low half that sorts before every other in its millisecond: all bytes -128."""
LAST_LOW = LOW_MASK ^ SIGN_BITS
"""The low half that sorts after every other in its millisecond: all bytes 127."""


def timeuuid(sent_ms: int, low: int) -> int:
    """Give a timeuuid (version 1, RFC 9562) as a number of 128 bits.

    Args:
        sent_ms: Unix milliseconds.
        low: the low 64 bits, unsigned.
    """
    steps = sent_ms * _STEPS_IN_MS + _GREGORIAN_TO_UNIX
    return (steps & 0xFFFFFFFF) << 96 | (steps >> 32 & 0xFFFF) << 80 | 1 << 76 | (steps >> 48 & 0xFFF) << 64 | low


def time_of(timeuuid_number: int) -> int:
    """Give the time of a timeuuid that is known to be ours, in Unix milliseconds."""
    high = timeuuid_number >> 64
    steps = (high & 0xFFF) << 48 | (high >> 16 & 0xFFFF) << 32 | high >> 32
    return (steps - _GREGORIAN_TO_UNIX) // _STEPS_IN_MS


def position(timeuuid_number: int) -> Position:
    """Give the place that a timeuuid of ours names.

    Raises:
        ValueError: it is no version 1 UUID, or names a part of a millisecond, which ours never do.
    """
    if timeuuid_number >> 76 & 0xF != 1:
        raise ValueError("not a timeuuid (a version 1 UUID)")
    found = Position(time_of(timeuuid_number), timeuuid_number & LOW_MASK)
    if found.sent_ms < 0 or timeuuid(*found) != timeuuid_number:
        raise ValueError("not a timeuuid that logstv gave: its time is no whole millisecond after 1970")
    return found


def message_uuid(text: str) -> int | None:
    """Read a message's own UUID; None if it is none, or one whose low half cannot be that of a timeuuid.

    Twitch's are version 4, and the variant bits of version 4 and version 1 are the same (RFC 9562, 4.1).
    """
    if not _UUID.fullmatch(text):
        return None
    found = int(text.replace("-", ""), 16)
    return found if found >> 62 & 3 == 2 else None


def hashed_low(identity: str) -> int:
    """Give the low half for an event that has no UUID of its own: a hash, with the variant bits of a UUID."""
    digest = hashlib.blake2b(identity.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") & (LOW_MASK >> 2) | 2 << 62


def uuid_text(high: int, low: int) -> str:
    """Write a UUID of two unsigned halves in its usual form."""
    digits = _PACK_HALVES(high, low).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Width(StrEnum):
    """How much time a bucket spans; each is a window of UTC, and the narrowest comes first."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def start(self, ms: int) -> int:
        """Give the start of the bucket that holds a time; both Unix milliseconds."""
        if self is Width.HOUR:
            return ms - ms % MS_IN_HOUR
        if self is Width.DAY:
            return ms - ms % MS_IN_DAY
        return _month_start(ms // MS_IN_DAY)

    def end(self, start: int) -> int:
        """Give the first millisecond after the bucket that starts there."""
        if self is Width.HOUR:
            return start + MS_IN_HOUR
        if self is Width.DAY:
            return start + MS_IN_DAY
        return _month_start(start // MS_IN_DAY + 31)


@lru_cache(maxsize=1024)
def _month_start(day: int) -> int:
    first = (dt.date(1970, 1, 1) + dt.timedelta(days=day)).replace(day=1)
    return (first - dt.date(1970, 1, 1)).days * MS_IN_DAY


def starts_between(width: Width, from_ms: int, to_ms: int) -> Iterator[int]:
    """Yield the start of every bucket that overlaps `[from_ms, to_ms)`, oldest first."""
    start = width.start(from_ms)
    while start < to_ms:
        yield start
        start = width.end(start)
