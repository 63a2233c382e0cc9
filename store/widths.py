"""How wide the buckets of busy logs are, and since when: the table, and the rule by which it changes.

A switch is decided some minutes before it counts, and no writer goes by a table that it read longer ago than that: so
all agree on the bucket of a line. How much a log gets is `store.volumes`' to say; who measures it is the ingest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from cassandra.query import PreparedStatement

from store.keys import MS_IN_HOUR, Width
from store.rows import unix_ms
from store.session import Session
from store.shapes import SHAPES, Key, Shape
from store.sightings import REGISTRY

log = structlog.get_logger(__name__)

MARGIN_MS = 5 * 60_000
"""How long before it counts a switch has to be written."""
QUIET_DAYS = 7
"""Full days in a row that a log must be quiet before its buckets become wider again."""

_READ_SECONDS = 30.0
_QUIET_PART = 4
"""A log is quiet below this part of what would make its buckets narrower."""
_REMEMBERED_SECONDS = 100 * 86_400
"""How long the switches of a log that is quiet again are kept for lines of back then; without them such a line would
lie in a bucket that overlaps others, which readers bear."""

_SHAPES = {shape.name: shape for shape in SHAPES}
_NARROWEST_FIRST = list(Width)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From how many lines a day on a log gets narrower buckets.

    Attributes:
        hour: one an hour.
        day: one a day.
    """

    hour: int = 100_000
    day: int = 10_000


@dataclass(frozen=True, slots=True)
class Switch:
    """From a time on, Unix milliseconds, the buckets of a log have another width."""

    since_ms: int
    width: Width


def narrower(one: Width, other: Width) -> bool:
    """Say whether one width is narrower than another."""
    return _NARROWEST_FIRST.index(one) < _NARROWEST_FIRST.index(other)


def next_start(width: Width, from_ms: int) -> int:
    """Give where the first bucket of a width begins that begins at a time or later; both Unix milliseconds."""
    start = width.start(from_ms)
    return start if start == from_ms else width.end(start)


def fitting(shape: Shape, messages_a_day: int, thresholds: Thresholds) -> Width:
    """Give the width that a log should have that gets so many lines a day; never wider than its shape's."""
    if messages_a_day >= thresholds.hour:
        return Width.HOUR
    if messages_a_day >= thresholds.day and narrower(Width.DAY, shape.width):
        return Width.DAY
    return shape.width


def promotion(
    shape: Shape, width_at: Callable[[int], Width], today: int, now_ms: int, thresholds: Thresholds
) -> Switch | None:
    """Say whether a log needs narrower buckets, and from when on.

    That is the next start of a narrower one: at most an hour or a day away, so that what piles up until then is
    bounded too. What lies in the wider bucket is then all older.

    Args:
        shape: which kind of log.
        width_at: how wide its bucket at a time (Unix milliseconds) is by what has been decided.
        today: lines of this UTC day so far.
        now_ms: Unix milliseconds.
        thresholds: from when on a log is busy.
    """
    width = fitting(shape, today, thresholds)
    since_ms = next_start(width, now_ms + MARGIN_MS)
    return Switch(since_ms, width) if narrower(width, width_at(since_ms)) else None


def demotion(
    shape: Shape, width_at: Callable[[int], Width], busiest: int, now_ms: int, thresholds: Thresholds
) -> Switch | None:
    """Say whether wider buckets do for a log again, and from when on.

    They begin where one of them begins: what lies in the narrower ones is then all older, so that no bucket is begun
    that others overlap. That is decided in the hour before alone, when what the day brought is known.

    Args:
        shape: which kind of log.
        width_at: how wide its bucket at a time (Unix milliseconds) is by what has been decided.
        busiest: lines of its busiest UTC day of the last `QUIET_DAYS` and today.
        now_ms: Unix milliseconds.
        thresholds: from when on a log is busy.
    """
    quiet = fitting(shape, busiest * _QUIET_PART, thresholds)
    for width in reversed(_NARROWEST_FIRST[: _NARROWEST_FIRST.index(quiet) + 1]):
        since_ms = next_start(width, now_ms + MARGIN_MS)
        if since_ms <= now_ms + MARGIN_MS + MS_IN_HOUR and narrower(width_at(since_ms), width):
            return Switch(since_ms, width)
    return None


class Widths:
    """The switches that there are, as read a moment ago."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement]) -> None:
        self._session = session
        self._prepared = prepared
        self._switches: dict[str, dict[Key, tuple[Switch, ...]]] = {name: {} for name in _SHAPES}
        self._read_at = -_READ_SECONDS
        self._reading = asyncio.Lock()

    @classmethod
    async def open(cls, session: Session) -> Widths:
        """Prepare the statements and read the table.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {name: await session.prepare(cql) for name, cql in _statements(session).items()}
        widths = cls(session, prepared)
        await widths.read()
        return widths

    def width_of(self, shape: Shape, key: Key, sent_ms: int) -> Width:
        """Give the width of the bucket that holds a time, Unix milliseconds, in a log."""
        switches = self._switches[shape.name].get(key)
        if switches is not None:
            for switch in switches:
                if sent_ms >= switch.since_ms:
                    return switch.width
        return shape.width

    def narrowed(self) -> Iterator[tuple[Shape, Key]]:
        """Yield the logs whose buckets are, or will be, narrower than usual."""
        for name, logs in self._switches.items():
            shape = _SHAPES[name]
            for key, switches in logs.items():
                if narrower(switches[0].width, shape.width):
                    yield shape, key

    async def follow(self) -> None:
        """Read the table again if that is half a minute ago.

        Raises:
            StoreUnavailable: Cassandra cannot answer; what is known may be too old to write by.
        """
        if time.monotonic() - self._read_at >= _READ_SECONDS:
            async with self._reading:
                if time.monotonic() - self._read_at >= _READ_SECONDS:
                    await self.read()

    async def read(self) -> None:
        """Read the table.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        began = time.monotonic()
        found: dict[str, dict[Key, list[Switch]]] = {name: {} for name in _SHAPES}
        for name, log_key, since, width in await self._session.execute(self._prepared["read"].bind((REGISTRY,))):
            shape, key = _SHAPES.get(name), tuple(log_key)
            if shape is None or width not in _NARROWEST_FIRST or narrower(shape.width, Width(width)):
                log.warning("widths.unknown", shape=name, log=key, width=width)  # one by hand, or a newer version's
                continue
            # Where one by hand begins amid a bucket, the next one is meant: a bucket has one width.
            switch = Switch(next_start(Width(width), unix_ms(since)), Width(width))
            found[name].setdefault(key, []).append(switch)
        self._switches = {
            name: {
                key: tuple(sorted(switches, key=lambda switch: switch.since_ms, reverse=True))
                for key, switches in logs.items()
            }
            for name, logs in found.items()
        }
        self._read_at = began

    async def switch(self, shape: Shape, key: Key, switch: Switch) -> None:
        """Write a switch; when a log gets its usual width again, all its switches will be forgotten some time.

        Raises:
            StoreUnavailable: Cassandra cannot answer; writing it again is right.
        """
        ttl = 0
        if switch.width is shape.width:
            # The last one goes a day after the others: those alone would be in force again.
            for earlier in self._switches[shape.name].get(key, ()):
                await self._write(shape, key, earlier, _REMEMBERED_SECONDS)
            ttl = _REMEMBERED_SECONDS + 86_400
        await self._write(shape, key, switch, ttl)
        known = [s for s in self._switches[shape.name].get(key, ()) if s.since_ms != switch.since_ms]
        self._switches[shape.name][key] = tuple(sorted([*known, switch], key=lambda s: s.since_ms, reverse=True))

    async def _write(self, shape: Shape, key: Key, switch: Switch, ttl: int) -> None:
        values = (REGISTRY, shape.name, list(key), switch.since_ms, switch.width.value, ttl)
        await self._session.execute(self._prepared["write"].bind(values))


def _statements(session: Session) -> dict[str, str]:
    table = session.table("widths")
    return {
        "read": f"SELECT shape, log, since, width FROM {table} WHERE registry = ?",
        "write": f"INSERT INTO {table} (registry, shape, log, since, width) VALUES (?, ?, ?, ?, ?) USING TTL ?",
    }
