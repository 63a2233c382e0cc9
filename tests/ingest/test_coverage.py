from __future__ import annotations

import asyncio

from support.chat import reading, settings_for, until

from ingest import coverage as coverage_module
from ingest.coverage import CoverageRecorder
from ingest.demo import DemoChat, DemoChatServer
from ingest.irc_connection import IrcConnection
from ingest.irc_state import ChannelState, IrcCounts
from ingest.pacing import Budget
from ingest.settings import IngestSettings
from store.coverage import Span
from store.errors import StoreUnavailable


class Kept:
    """What was recorded: the latest end by channel and beginning."""

    def __init__(self) -> None:
        self.spans: dict[tuple[int, int], int] = {}
        self.away = False

    async def record(self, channel_id: int, span: Span, worker: str) -> int:
        if self.away:
            raise StoreUnavailable("down for now")
        assert worker == "one"
        self.spans[channel_id, span.from_ms] = span.to_ms
        return span.from_ms


async def opened(kept: Kept) -> Kept:
    return kept


async def test_a_channel_is_covered_from_its_join_to_the_last_thing_heard(monkeypatch):
    monkeypatch.setattr(coverage_module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(coverage_module, "_LOOKS_A_BEAT", 1)
    kept = Kept()
    chat = DemoChat(channels=("moonbase",), rate=50)
    async with DemoChatServer(chat) as server, reading(settings_for(server)) as read:
        recorder = CoverageRecorder(read.source, "one")
        recording = asyncio.create_task(recorder.run(opened(kept)))
        await until(lambda: len(read.lines) > 10 and kept.spans)
        state = read.source.channels[0]
        (channel_id, began), ended = next(iter(kept.spans.items()))
        assert channel_id == chat.channel_id("moonbase")
        assert began <= ended <= state.heard_ms
        # The connection breaks while the store is away: the span ends, another begins, and both are said later.
        kept.away = True
        server.drop_all()
        await until(lambda: len(server.joins) >= 2 and state.joined)
        kept.away = False
        await until(lambda: len(kept.spans) == 2)
        first, second = sorted(kept.spans)
        assert kept.spans[first] < second[1]
        await read.source.part("moonbase")
        await until(lambda: not recorder._due.going_on and not recorder._due.ended)
        recording.cancel()


class Heard:
    def __init__(self, heard_ms: int) -> None:
        self.heard_ms = heard_ms


def test_a_channel_that_one_connection_takes_over_from_another_is_read_without_a_break():
    state, one, two = ChannelState("moonbase"), Heard(1000), Heard(2000)
    state.enter(one)
    state.enter(two)
    one.heard_ms = 2500
    state.leave(one)
    assert (state.reading_from_ms, state.read_spans) == (1000, [])
    two.heard_ms = 3000
    state.leave(two)
    assert (state.reading_from_ms, state.read_spans) == (None, [(1000, 3000)])


def test_a_connection_that_was_not_listened_to_covers_nothing_of_that_time(monkeypatch):
    now = 1_000_000
    monkeypatch.setattr("ingest.irc_connection.time.time_ns", lambda: now * 1_000_000)
    settings = IngestSettings(irc_silence=60, irc_pong_timeout=10)
    connection = IrcConnection(settings, {}, Budget(1, 1), IrcCounts(), asyncio.Queue())
    state = ChannelState("moonbase", 9001)
    connection._hear()
    connection._joined["moonbase"] = state
    state.enter(connection)
    now += 60_000
    connection._hear()
    assert state.read_spans == []
    now += 600_000  # held back, or suspended: the server may long have given up on us
    connection._hear()
    assert (state.read_spans, state.reading_from_ms) == ([(1_000_000, 1_060_000)], 1_660_000)
