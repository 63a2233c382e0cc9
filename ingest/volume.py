"""Measures how much each log gets, and has the buckets of busy ones made narrower, and of quiet ones wider again.

Each worker counts what it wrote itself and says how much its busiest logs got; each looks at the sum of what all say.
There is nobody to elect: whoever sees first what is to be done writes it, and a second one writes the same, or a switch
that no longer changes anything. What the rule is, is `store.widths`' to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from ingest.heavy import HeavyHitters
from store.errors import StoreUnavailable
from store.keys import MS_IN_DAY, MS_IN_HOUR, Width
from store.message import Message
from store.session import Session
from store.shapes import SHAPES, Key, Shape
from store.volumes import Log, Volumes
from store.widths import MARGIN_MS, QUIET_DAYS, Switch, Thresholds, Widths, demotion, fitting, next_start, promotion

log = structlog.get_logger(__name__)

COUNTERS = 8192
"""Counters kept a shape and day, in at most about 4 MB. A count may miss a 8192nd part of what the worker writes in the
day, if that were spread evenly, which chat is not."""
MOST_SAID = 1000
"""Logs of a shape of which a worker says how much they got."""
FLOOR_PART = 16
"""It says so from this part of what makes a log busy: a user in the channels of several workers is busy in none."""

_LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Opened:
    widths: Widths
    volumes: Volumes


class Volume:
    """Counts messages that were written, and now and then looks whether buckets should have another width.

    Args:
        session: where the tables are, once Cassandra can be reached.
        worker: what this worker is called.
        thresholds: from when on a log is busy.
        clock_ms: gives the time, Unix milliseconds.
    """

    def __init__(
        self,
        session: Awaitable[Session],
        worker: str,
        thresholds: Thresholds,
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._session = session
        self._thresholds = thresholds
        self._clock_ms = clock_ms
        # What an earlier run of this worker said stays: what this one counts is added to it.
        self._run = f"{worker} {clock_ms()}"
        self._days: dict[int, dict[str, HeavyHitters[Key]]] = {}
        self._said: dict[tuple[int, Log], int] = {}
        self._opened: _Opened | None = None
        self._demoted_for = 0

    def counted(self, messages: Sequence[Message]) -> None:
        """Take note of messages that were written; what was sent before yesterday changes nothing any more."""
        today = self._clock_ms() // MS_IN_DAY
        for day, some in itertools.groupby(messages, _day):
            if not today - 1 <= day <= today + 1:
                continue
            hitters = self._days.get(day)
            if hitters is None:
                hitters = self._days[day] = {shape.name: HeavyHitters(COUNTERS) for shape in SHAPES}
            places = [(message.channel_id, message.users) for message in some if message.channel_id is not None]
            for shape in SHAPES:
                keys_of = shape.keys_of
                hitters[shape.name].add([key for channel_id, users in places for key in keys_of(channel_id, users)])

    async def run(self) -> None:
        """Look once a minute, until cancelled.

        Raises:
            StoreError: a table is missing.
        """
        await self._session
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await self.look()

    async def look(self) -> None:
        """Say how much the busiest logs got; have their buckets made narrower or wider where that is due.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer; the next look does what this one did not.
        """
        if self._opened is None:
            session = await self._session
            self._opened = _Opened(await Widths.open(session), await Volumes.open(session))
        widths, volumes = self._opened.widths, self._opened.volumes
        now_ms = self._clock_ms()
        today = now_ms // MS_IN_DAY
        await self._say(volumes, today)
        await widths.read()
        ours = [log for day, log in self._said if day == today]
        if ours:
            await self._promote(widths, await volumes.of_day(today), ours, now_ms)
        midnight = next_start(Width.DAY, now_ms + MARGIN_MS)
        if midnight <= now_ms + MARGIN_MS + MS_IN_HOUR and midnight != self._demoted_for:
            await self._demote(widths, volumes, now_ms)
            self._demoted_for = midnight

    async def _say(self, volumes: Volumes, today: int) -> None:
        """Write what has grown since it was written last; forget the days that are over."""
        self._days = {day: hitters for day, hitters in self._days.items() if day >= today - 1}
        self._said = {(day, log): count for (day, log), count in self._said.items() if day >= today - 1}
        for day, shape, key, count in list(self._busiest()):
            said = (day, (shape.name, key))
            if self._said.get(said) != count:
                await volumes.record(day, shape, key, self._run, count)
                self._said[said] = count

    def _busiest(self) -> Iterator[tuple[int, Shape, Key, int]]:
        for day, hitters in self._days.items():
            for shape in SHAPES:
                floor = max(_least_busy(shape, self._thresholds) // FLOOR_PART, 1)
                for key, count in hitters[shape.name].above(floor, MOST_SAID):
                    yield day, shape, key, count

    async def _promote(self, widths: Widths, sums: Counter[Log], ours: list[Log], now_ms: int) -> None:
        for shape, key in _named(ours):
            width_at = _width_at(widths, shape, key)
            switch = promotion(shape, width_at, sums[shape.name, key], now_ms, self._thresholds)
            if switch is not None:
                await self._switch(widths, shape, key, switch, sums[shape.name, key])

    async def _demote(self, widths: Widths, volumes: Volumes, now_ms: int) -> None:
        today = now_ms // MS_IN_DAY
        narrowed = list(widths.narrowed())
        if not narrowed:
            return
        busiest: Counter[Log] = Counter()
        for day in range(today - QUIET_DAYS, today + 1):
            sums = await volumes.of_day(day)
            for shape, key in narrowed:
                busiest[shape.name, key] = max(busiest[shape.name, key], sums[shape.name, key])
        for shape, key in narrowed:
            width_at = _width_at(widths, shape, key)
            switch = demotion(shape, width_at, busiest[shape.name, key], now_ms, self._thresholds)
            if switch is not None:
                await self._switch(widths, shape, key, switch, busiest[shape.name, key])

    async def _switch(self, widths: Widths, shape: Shape, key: Key, switch: Switch, messages: int) -> None:
        await widths.switch(shape, key, switch)
        log.info(
            "buckets.switched",
            shape=shape.name,
            log=key,
            width=switch.width.value,
            since_ms=switch.since_ms,
            messages_a_day=messages,
        )


def _day(message: Message) -> int:
    assert message.sent_ms is not None
    return message.sent_ms // MS_IN_DAY


def _least_busy(shape: Shape, thresholds: Thresholds) -> int:
    """Give from how many lines a day on a log of a shape may get narrower buckets."""
    return min(
        count for count in (thresholds.day, thresholds.hour) if fitting(shape, count, thresholds) is not shape.width
    )


def _named(logs: Sequence[Log]) -> Iterator[tuple[Shape, Key]]:
    shapes = {shape.name: shape for shape in SHAPES}
    for name, key in logs:
        yield shapes[name], key


def _width_at(widths: Widths, shape: Shape, key: Key) -> Callable[[int], Width]:
    return lambda at_ms: widths.width_of(shape, key, at_ms)
