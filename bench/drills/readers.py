"""200 clients page at random while lines are written: no walk skips or repeats a line, and no answer is a 5xx.

    python -m bench.drills.readers [--rate 2000] [--clients 200] [--seconds 60]

A walk is of a channel, of a user in it or of a user everywhere, over a random range or an open one, up or down, with
a random limit, format and filter; somewhere it turns round and goes back by `previous`. Afterwards each is held against
what the demo chat said. A line that was not written yet when a page was asked for cannot be on it: what must be there
is what the worker had acknowledged ten seconds before (a write that failed is repeated for so long, `app.live`). How
old the oldest line was that a page passed by because it came later is reported: the worker's lag, on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx2
import orjson

from app.live import WINDOW_MS
from bench import ground
from bench.drills.ground import WorkerProcess, drill, now_ms
from ingest.demo import DemoChat
from ingest.pipeline import MOST_AT_ONCE, WRITES_AT_ONCE
from store.message import Message, MessageType
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER, Key

_PATHS = {
    CHANNEL.name: "/v1/channels/id:{}/messages",
    CHANNEL_USER.name: "/v1/channels/id:{}/users/id:{}/messages",
    USER.name: "/v1/users/id:{}/messages",
}
_FILTERS: tuple[tuple[dict[str, str], Callable[[Message], bool]], ...] = (
    ({}, lambda _: True),
    ({"type": "privmsg"}, lambda message: message.type is MessageType.PRIVMSG),
    ({"type": "usernotice,clearchat"}, lambda m: m.type in (MessageType.USERNOTICE, MessageType.CLEARCHAT)),
    ({"badge": "subscriber"}, lambda message: "subscriber/" in (message.badges or "")),
    ({"q": "the"}, lambda m: "the" in (m.text or "").lower() or "the" in (m.system_text or "").lower()),
)
_UNFILTERED = 6  # of ten walks
_MOST_PAGES = 12
_SHOWN = 20  # lines that were skipped
_PAUSE_SECONDS = 1.0
"""A client's pause between two pages, at most: it reads what it got."""


@dataclass(slots=True)
class Leg:
    """A part of a walk in one direction.

    Attributes:
        shape: the name of the log's shape.
        key: whose log.
        of: the number of the filter.
        up: whether it goes from old to new.
        start: the time at which it begins, Unix milliseconds; None: at the end of the log, or after a line.
        after: the mark of the line after which it begins; None: it begins at a time.
        asked: when each page was asked for, Unix milliseconds.
        lines: the marks of what each page gave, in the order in which they were read.
        whole: whether the log, or the range, came to its end.
        end_ms: that end, where there is one.
    """

    shape: str
    key: Key
    of: int
    up: bool
    start: int | None
    after: int | None
    end_ms: int | None
    asked: list[int] = field(default_factory=list)
    lines: list[list[int]] = field(default_factory=list)
    whole: bool = False


@dataclass(slots=True)
class Seen:
    """What the clients saw."""

    legs: list[Leg] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    statuses: Counter[int | str] = field(default_factory=Counter)


async def read(url: str, chat: DemoChat, epoch_ms: int, begun_ms: int, clients: int, seconds: float) -> Seen:
    """Let clients walk; run in a process of its own."""
    seen = Seen()
    end = time.monotonic() + seconds
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as http:

        async def client(number: int) -> None:
            dice = random.Random(number)
            await asyncio.sleep(dice.random() * _PAUSE_SECONDS)
            while time.monotonic() < end:
                await Walk(http, chat, epoch_ms, begun_ms, dice, seen, end).go()

        await asyncio.gather(*(client(number) for number in range(clients)))
    return seen


class Walk:
    """One client's way through one log."""

    def __init__(
        self, http: httpx2.AsyncClient, chat: DemoChat, epoch_ms: int, begun_ms: int, dice: random.Random, seen: Seen,
        end: float,
    ) -> None:  # fmt: skip
        self._http, self._dice, self._seen, self._end = http, dice, seen, end
        shape = dice.choice(SHAPES)
        channel = dice.choice(chat.channels)
        now = now_ms()
        numbers = chat.numbers_between(begun_ms, now, epoch_ms)
        line = chat.line(channel, dice.choice(numbers), epoch_ms)
        message = Message.parse(line, channel_id=chat.channel_id(channel))
        if not message.users:
            shape = CHANNEL
        self._shape, self._key = shape, dice.choice(shape.keys_of(chat.channel_id(channel), message.users))
        self._path = _PATHS[self._shape.name].format(*self._key)
        self._of = 0 if dice.randrange(10) < _UNFILTERED else dice.randrange(1, len(_FILTERS))
        self._up = dice.random() < 0.5
        self._from = dice.randrange(begun_ms, now)
        self._to = dice.randrange(self._from + 1, now + 2) if dice.random() < 0.5 else None
        self._asked: dict[str, str | int] = {
            "limit": dice.choice((1, 7, 50, 100, 100, 100, 300, 1000)),
            "format": dice.choice(("json", "json", "raw")),
            **_FILTERS[self._of][0],
        }
        self._range: dict[str, str | int] = {"from": self._from, "order": "asc" if self._up else "desc"}
        if self._to is not None:
            self._range["to"] = self._to

    async def go(self) -> None:
        """Walk, and somewhere turn round."""
        there = self._leg(self._up, start=self._from if self._up else self._to)
        _, back = await self._along(there, self._range, forth=True)
        if back and there.lines[-1] and time.monotonic() < self._end:
            # The page on the other side begins right before the last page that was given.
            turned = self._leg(not self._up, after=there.lines[-1][0])
            await self._along(turned, {"cursor": back}, forth=False)

    def _leg(self, up: bool, *, start: int | None = None, after: int | None = None) -> Leg:
        return Leg(self._shape.name, self._key, self._of, up, start, after, self._to if up else self._from)

    async def _along(self, leg: Leg, first: dict[str, str | int], *, forth: bool) -> tuple[str, str]:
        """Ask for page after page; give the cursors of the last one, onward and back."""
        onward = back = ""
        for _ in range(self._dice.randrange(1, _MOST_PAGES)):
            asked_ms, begun = now_ms(), time.perf_counter()
            try:
                answer = await self._http.get(self._path, params={**self._asked, **first})
            except httpx2.TransportError as error:
                self._seen.statuses[repr(error)] += 1
                break
            self._seen.took.append(time.perf_counter() - begun)
            self._seen.statuses[answer.status_code] += 1
            if answer.status_code != 200:
                break
            lines, following, previous = _page(answer, str(self._asked["format"]))
            onward, back = (following, previous) if forth else (previous, following)
            leg.asked.append(asked_ms)
            leg.lines.append(lines if forth else lines[::-1])
            if not onward:
                leg.whole = True
                break
            if time.monotonic() > self._end:
                break
            first = {"cursor": onward}
            await asyncio.sleep(self._dice.random() * _PAUSE_SECONDS)
        if leg.lines:
            self._seen.legs.append(leg)
        return onward, back


def _page(answer: httpx2.Response, form: str) -> tuple[list[int], str, str]:
    """Give the marks of a page's lines, in its order, and its cursors."""
    if form == "json":
        body = orjson.loads(answer.content)
        return (
            [mark(line["raw"]) for line in body["messages"]],
            body["page"]["next"] or "",
            body["page"]["previous"] or "",
        )
    links = {name: parse_qs(urlsplit(link["url"]).query)["cursor"][0] for name, link in answer.links.items()}
    lines = answer.content.decode().split("\r\n")[:-1]
    return [mark(line) for line in lines], links.get("next", ""), links.get("prev", "")


def mark(line: str) -> int:
    """Give a number that stands for a line."""
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "big")


Order = tuple[int, int]


@dataclass(slots=True)
class Verdict:
    """What is wrong with the walks.

    Attributes:
        lines: how many lines were held against what was said.
        skipped: how many a walk left out.
        repeated: how many it gave twice.
        strange: how many it gave that do not belong there, or not at that place.
        late_ms: how long before a page was asked for the oldest line was said that was not visible yet.
    """

    lines: int = 0
    skipped: int = 0
    repeated: int = 0
    strange: int = 0
    late_ms: int = 0


class Written:
    """Up to when what was said had been written, as the worker's own numbers say."""

    def __init__(self, worker: WorkerProcess, rate: float, begun_ms: int) -> None:
        self._worker, self._rate, self._begun_ms = worker, rate, begun_ms
        self._times: list[int] = []
        self._through: list[int] = []

    async def watch(self) -> None:
        """Look again and again; messages are written in the order in which they were said, but for those under way."""
        while True:
            asked = now_ms()
            written = await asyncio.to_thread(self._worker.figure, "messages_written_total")
            sure = written - WRITES_AT_ONCE * MOST_AT_ONCE - self._rate  # a second: not all channels are joined at once
            self._times.append(asked)
            self._through.append(self._begun_ms + int(sure / self._rate * 1000))
            await asyncio.sleep(0.5)

    def through(self, at_ms: int) -> int:
        """Give the time up to which all that was said was written at a time; both Unix milliseconds."""
        place = bisect_right(self._times, at_ms) - 1
        return self._through[place] if place >= 0 else 0


class Said:
    """What the chat said, log by log, in order."""

    def __init__(self, chat: DemoChat, epoch_ms: int, begun_ms: int, ended_ms: int, written: Written) -> None:
        self._written = written
        self._places: dict[int, Order] = {}
        self._lines: dict[int, str] = {}
        self._logs: dict[tuple[str, Key], list[tuple[Order, int, int]]] = {}
        for channel in chat.channels:
            channel_id = chat.channel_id(channel)
            for line in chat.lines_between(channel, begun_ms, ended_ms, epoch_ms):
                message, number = Message.parse(line, channel_id=channel_id), mark(line)
                # Which filters want it, as bits.
                wanted = sum(1 << which for which, (_, wants) in enumerate(_FILTERS) if wants(message))
                self._places[number], self._lines[number] = message.position.order, line
                for shape in SHAPES:
                    for key in shape.keys_of(channel_id, message.users):
                        self._logs.setdefault((shape.name, key), []).append((message.position.order, number, wanted))
        for log in self._logs.values():
            log.sort()

    def hold(self, leg: Leg, verdict: Verdict) -> None:
        """Hold a leg against what was said."""
        given = [line for page in leg.lines for line in page]
        there = set(given)
        log = self._logs.get((leg.shape, leg.key), [])
        first, last = self._bounds(leg, log)
        expected = [line for _, line, wanted in log[first:last] if wanted >> leg.of & 1]
        known = set(expected)
        places = [self._places[line] for line in given if line in known]
        verdict.lines += len(given)
        verdict.repeated += len(given) - len(there)
        verdict.strange += len(there - known) + (places != sorted(places, reverse=not leg.up))
        if missing := [line for line in expected if line not in there]:
            self._missing(leg, missing, verdict)

    def _bounds(self, leg: Leg, log: list[tuple[Order, int, int]]) -> tuple[int, int]:
        """Give the part of a log of which a leg must have given everything."""
        begin = self._places.get(leg.after or 0) or (None if leg.start is None else (leg.start, 0))
        end = None if leg.end_ms is None else (leg.end_ms, 0)
        if not leg.whole:
            # It must have given everything up to its last line, that line too.
            end = next((self._places.get(page[-1]) for page in reversed(leg.lines) if page), begin)
        lower, upper = (begin, end) if leg.up else (end, begin)
        first = 0 if lower is None else bisect_left(log, (lower,))
        last = len(log) if upper is None else bisect_left(log, (upper,))
        if leg.up:
            return first + (leg.after is not None), last + (not leg.whole and end != begin)
        return first, last

    def _missing(self, leg: Leg, missing: list[int], verdict: Verdict) -> None:
        """Say of each line that is missing whether it was visible when the page was asked for that passed it by."""
        sign = 1 if leg.up else -1

        def way(line: int) -> Order:
            sent_ms, low = self._places[line]
            return sign * sent_ms, sign * low

        ends = [(way(page[-1]), asked) for page, asked in zip(leg.lines, leg.asked, strict=True) if page]
        for line in missing:
            page = bisect_right(ends, (way(line),))
            asked_ms = ends[page][1] if page < len(ends) else leg.asked[-1]
            sent_ms = self._places[line][0]
            if sent_ms >= self._written.through(asked_ms - WINDOW_MS):
                verdict.late_ms = max(verdict.late_ms, asked_ms - sent_ms)
                continue
            verdict.skipped += 1
            if verdict.skipped <= _SHOWN:
                print(f"skipped, said {asked_ms - sent_ms} ms before its page was asked for: {self._lines[line]}")


async def run(rate: float, clients: int, seconds: float) -> None:
    async with drill(rate, channels=10) as tried:
        chat, epoch_ms = tried.server.chat, tried.server.epoch_ms
        with ground.service(tried.settings) as service:
            worker = tried.worker(metrics_address=f"127.0.0.1:{ground.free_port()}")
            begun = await tried.joined()
            written = Written(worker, rate, begun)
            watching = asyncio.create_task(written.watch())
            await asyncio.sleep(3)  # there is something to read
            seen: Seen = await asyncio.to_thread(
                ground.apart, read, service.url, chat, epoch_ms, begun, clients, seconds
            )
            ended, memory = now_ms(), service.most_memory
            lines, repeated = worker.figure("messages_written_total"), worker.figure("writes_repeated_total")
        watching.cancel()
        await tried.caught_up(ended)
        worker.stop()
        stored = await tried.verdict([(begun, ended)])
    said, verdict = Said(chat, epoch_ms, begun, ended, written), Verdict()
    for leg in seen.legs:
        said.hold(leg, verdict)
    failed = {status: count for status, count in seen.statuses.items() if status != 200}
    row = {
        "pages": len(seen.took),
        "pages a second": len(seen.took) / seconds,
        **ground.percentiles(seen.took),
        "walks, one way": len(seen.legs),
        "lines on them": verdict.lines,
        "skipped": verdict.skipped,
        "repeated": verdict.repeated,
        "out of place": verdict.strange,
        "not visible yet, ms old at most": verdict.late_ms,
        "answers but 200": str(failed or "none"),
        "service MiB resident at most": memory,
        "writes repeated": repeated,
        "lines written a second": lines / ((ended - begun) / 1000),
    }
    ground.report(
        "readers", [row], f"{clients} clients page at random under {rate:,.0f} lines a second in ten channels."
    )
    stored.hold()
    assert not failed, "not every page was given"
    assert not any((verdict.skipped, verdict.repeated, verdict.strange)), "a walk is not what was said"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    asyncio.run(run(options.rate, options.clients, options.seconds))


if __name__ == "__main__":
    main()
