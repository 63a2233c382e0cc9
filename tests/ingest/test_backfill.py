"""Gaps that are filled from a recent-messages service: another logstv, on its own port and tables."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import pytest
from support.chat import settings_for, until
from support.lines import CHANNEL, privmsg
from support.patience import patience
from support.serving import served, until_ready

from ingest import backfill
from ingest.backfill import Backfill
from ingest.errors import HistoryError, TransportError
from ingest.pipeline import IngestCounts
from ingest.recent_messages import History
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine
from ingest.transport import open_source
from ingest.worker import work
from store.coverage import Coverage, Span
from store.message import Message
from store.reader import Log
from store.shapes import CHANNEL as CHANNEL_SHAPE


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(backfill, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(backfill, "_SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(backfill, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(backfill, "_PAUSE_SECONDS", 0.0)


async def test_what_was_said_while_a_channel_was_not_read_is_there_once(
    server, store, module_store, module_writer, tmp_path
):
    channel_id = server.chat.channel_id(CHANNEL)
    log = Log(CHANNEL_SHAPE, (channel_id,), newest_first=False)

    async def texts() -> list[str]:
        return [message.text async for piece in store.reader.stream(log) for message in piece]

    async def wait_for(wanted: list[str]) -> None:
        async with patience():
            while await texts() != wanted:
                await asyncio.sleep(0.05)

    async with served(module_store.session.settings) as client:
        await until_ready(client)
        url = f"{client.base_url}/api/v2/recent-messages/{{channel}}"
        settings = settings_for(server, worker="one", worker_heartbeat=0.2, irc_join_timeout=0.5, backfill_url=url)
        worker = asyncio.create_task(work(store.session.settings, settings, tmp_path))
        try:
            await until(lambda: any(CHANNEL in client.channels for client in server._clients))
            before = server.say(CHANNEL, "before")
            await wait_for(["before"])
            server.faults.ignored.add(CHANNEL)
            server.drop_all()
            await until(lambda: not server._clients)
            await asyncio.sleep(0.05)
            missed = [
                privmsg(f"missed {number}", number=number, sent_ms=time.time_ns() // 1_000_000, channel_id=channel_id)
                for number in range(2)
            ]
            known = [Message.parse(line, received_ms=0, channel_id=channel_id) for line in (before, *missed)]
            await module_writer.write(known)
            await module_writer.flush()
            server.faults.ignored.clear()
            await wait_for(["before", "missed 0", "missed 1"])
        finally:
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker


@dataclass
class Reading:
    """How the reading of a channel stands."""

    login: str = CHANNEL
    channel_id: int | None = 7
    reading_from_ms: int | None = None
    heard_ms: int = 0
    joined: bool = True
    failure: str = ""
    read_spans: list[tuple[int, int]] = field(default_factory=list)


class Channels:
    """A source of which only the channels are looked at."""

    def __init__(self) -> None:
        self.channels = [Reading()]


class Service:
    """Remembers what it was asked, and has all of it."""

    def __init__(self) -> None:
        self.asked: list[Span] = []
        self.fails = 0

    async def history(self, login: str, channel_id: int, span: Span) -> History:
        assert login == CHANNEL
        self.asked.append(span)
        if self.fails:
            self.fails -= 1
            raise HistoryError("not now")
        return History([ReceivedLine("@a=b :x PRIVMSG #c :d", span.from_ms, channel_id)], span)


@dataclass
class Filling:
    """A back-fill at work, and what it did."""

    source: Channels
    service: Service
    coverage: Coverage
    counts: IngestCounts
    taken: list[ReceivedLine]
    backfill: Backfill

    @property
    def undecided(self) -> set[str]:
        """The channels of which it is not known yet whether they have a gap, or whose gap is to be filled."""
        return set(self.backfill._due)


@pytest.fixture
async def filling(store):
    source, service, counts, taken = Channels(), Service(), IngestCounts(), []

    async def take(lines: list[ReceivedLine]) -> None:
        taken.extend(lines)

    async def opened() -> Coverage:
        return coverage

    coverage = await Coverage.open(store.session)
    leaving = asyncio.Event()
    filling = Backfill(service, source, "one", take, counts)  # type: ignore[arg-type]
    running = asyncio.create_task(filling.run(opened(), leaving))
    yield Filling(source, service, coverage, counts, taken, filling)
    leaving.set()
    await running


async def test_a_gap_of_this_worker_is_filled_and_covered(filling, now_ms):
    (state,) = filling.source.channels
    await filling.coverage.record(7, Span(now_ms - 90_000, now_ms - 60_000), "one")
    state.reading_from_ms, state.heard_ms = now_ms - 90_000, now_ms - 60_000
    await until(lambda: CHANNEL in filling.backfill._heard and not filling.undecided)
    assert filling.service.asked == []
    state.reading_from_ms, state.heard_ms = now_ms - 40_000, now_ms - 40_000
    gap = Span(now_ms - 60_000, now_ms - 40_000)

    async def covered() -> bool:
        ends = await filling.coverage.ends(7, began_before_ms=now_ms)
        return ends == {"one": gap.from_ms, "one (recent messages)": gap.to_ms}

    await until(covered)
    assert filling.service.asked == [gap]
    assert filling.counts.backfilled == 1


async def test_a_worker_that_starts_asks_for_the_time_since_the_channel_was_read(filling, now_ms):
    (state,) = filling.source.channels
    await filling.coverage.record(7, Span(now_ms - 90_000, now_ms - 60_000), "one of before")
    state.reading_from_ms, state.heard_ms = now_ms - 1000, now_ms
    await until(lambda: filling.service.asked == [Span(now_ms - 60_000, now_ms - 1000)])


async def test_a_channel_that_another_worker_read_or_that_is_new_has_no_gap(filling, now_ms):
    (state,) = filling.source.channels
    other = Reading(login="demo", channel_id=8, reading_from_ms=now_ms - 1000, heard_ms=now_ms)
    await filling.coverage.record(7, Span(now_ms - 90_000, now_ms - 5000), "two")
    filling.source.channels.append(other)
    state.reading_from_ms, state.heard_ms = now_ms - 1000, now_ms
    await until(lambda: filling.undecided == {CHANNEL})  # it is not known yet whether the other reads on
    assert filling.service.asked == []
    await filling.coverage.record(7, Span(now_ms - 90_000, now_ms + 5000), "two")
    await until(lambda: not filling.undecided)
    assert filling.service.asked == []


async def test_a_service_that_fails_is_asked_again_but_not_for_ever(filling, now_ms):
    (state,) = filling.source.channels
    filling.service.fails = 2
    await filling.coverage.record(7, Span(now_ms - 90_000, now_ms - 60_000), "one")
    state.reading_from_ms, state.heard_ms = now_ms - 1000, now_ms
    await until(lambda: filling.counts.backfilled == 1)
    assert filling.counts.gaps_unfilled == 0
    filling.service.fails = 3
    state.reading_from_ms = state.heard_ms = now_ms + 60_000
    await until(lambda: filling.counts.gaps_unfilled == 1)
    assert len(filling.service.asked) == 6


def test_an_address_that_makes_no_sense_is_refused():
    for url in ("recent", "ftp://host/{channel}", "https://host/"):
        with pytest.raises(ValueError, match=r"write http:// or https://, and \{channel\}"):
            IngestSettings(backfill_url=url)
    settings = IngestSettings(transport="eventsub", backfill_url="http://host/{channel}")
    with pytest.raises(TransportError, match="goes with LOGSTV_TRANSPORT=irc only"):
        open_source(settings)
