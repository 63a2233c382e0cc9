"""What a recent-messages service gives, and what is believed of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from support.lines import CHANNEL, CHANNEL_ID, EVENING_MS, privmsg
from support.patience import PATIENCE_SECONDS

from ingest.errors import HistoryError
from ingest.recent_messages import RecentMessages, as_received
from ingest.spool_file import pack
from store.coverage import Span


def marked(line: str, **more: str) -> str:
    tags = {"historical": "1", "rm-received-ts": str(EVENING_MS + 40)} | more
    return f"@{';'.join(f'{name}={value}' for name, value in tags.items())};{line[1:]}"


def said(number: int, sent_ms: int) -> str:
    return privmsg(f"line {number}", number=number, sent_ms=sent_ms)


@asynccontextmanager
async def served_at(path: str, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve one route; give where."""
    app = web.Application()
    app.router.add_get(path, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering(status: int = 200, body: object = None, text: str | None = None):
    """Serve one answer; give the service, and the queries that it was asked."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.path == f"/of/{CHANNEL}"
        asked.append(dict(request.query))
        return web.json_response(body, status=status) if text is None else web.Response(text=text, status=status)

    async with served_at("/of/{channel}", answer) as url, RecentMessages(f"{url}/of/{{channel}}") as service:
        yield service, asked


def test_a_line_becomes_what_the_chat_server_sent():
    line = said(1, EVENING_MS)
    received = as_received(marked(line, **{"rm-deleted": "1"}), CHANNEL, CHANNEL_ID)
    assert received is not None
    assert (received.line, received.received_ms, received.channel_id) == (line, EVENING_MS, CHANNEL_ID)


def test_a_line_without_a_time_of_its_own_has_the_service_s():
    bare = f":tmi.twitch.tv CLEARCHAT #{CHANNEL} :someone"
    received = as_received(f"@historical=1;rm-received-ts={EVENING_MS} {bare}", CHANNEL, CHANNEL_ID)
    assert received is not None
    assert (received.line, received.received_ms) == (bare, EVENING_MS)


@pytest.mark.parametrize(
    "line",
    [
        "",
        ":tmi.twitch.tv CLEARCHAT #moonbase",
        marked(privmsg("elsewhere", channel="demo")),
        marked(privmsg("in a room of another id", channel_id=CHANNEL_ID + 1)),
        marked(privmsg("two\nlines")),
        marked(privmsg("x" * 20_000)),
        marked(privmsg("é" * 10_000)),
        marked(privmsg("half a pair: \ud800")),
        f"@room-id={CHANNEL_ID};rm-received-ts=1 :tmi.twitch.tv ROOMSTATE #{CHANNEL}",
    ],
)
def test_what_has_no_place_in_the_log_is_left_out(line):
    assert as_received(line, CHANNEL, CHANNEL_ID) is None


async def test_only_the_lines_of_the_gap_are_given_and_how_far_the_answer_reaches():
    lines = [said(number, EVENING_MS + number * 1000) for number in range(10)]
    gap = Span(EVENING_MS + 3000, EVENING_MS + 7000)
    async with answering(body={"messages": [marked(line) for line in lines], "error": None}) as (service, asked):
        history = await service.history(CHANNEL, CHANNEL_ID, gap)
        assert [received.line for received in history.lines] == lines[3:7]
        assert history.covered == gap
        assert asked == [{"limit": "800", "before": str(gap.to_ms + 1000)}]
        # An answer that begins within the gap has that part of it only.
        longer = Span(EVENING_MS - 60_000, gap.to_ms)
        assert (await service.history(CHANNEL, CHANNEL_ID, longer)).covered == Span(EVENING_MS, gap.to_ms)


async def test_a_service_that_has_nothing_or_may_have_holes_covers_nothing():
    gap = Span(EVENING_MS, EVENING_MS + 1000)
    async with answering(body={"messages": [], "error": None}) as (service, _):
        assert (await service.history(CHANNEL, CHANNEL_ID, gap)).covered is None
    holes = {"messages": [marked(said(1, EVENING_MS))], "error": "not joined", "error_code": "channel_not_joined"}
    async with answering(body=holes) as (service, _):
        history = await service.history(CHANNEL, CHANNEL_ID, gap)
        assert len(history.lines) == 1
        assert history.covered is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": 500, "body": {"messages": []}}, "status 500"),
        ({"text": "<html>"}, "Expecting value"),
        ({"text": ""}, "Expecting value"),
        ({"text": "[" * 200_000}, "recursion"),
        ({"body": []}, "no list of messages"),
        ({"body": {"messages": None}}, "no list of messages"),
    ],
)
async def test_another_answer_is_an_error_that_says_what_it_is(answer, reason):
    async with answering(**answer) as (service, _):
        with pytest.raises(HistoryError, match=reason):
            await service.history(CHANNEL, CHANNEL_ID, Span(0, 1000))


async def test_a_service_that_cannot_be_reached_is_an_error(unused_port):
    async with RecentMessages(f"http://127.0.0.1:{unused_port}/{{channel}}") as service:
        with pytest.raises(HistoryError, match="Cannot connect"):
            await service.history(CHANNEL, CHANNEL_ID, Span(0, 1000))


async def test_half_a_surrogate_pair_costs_one_line_and_not_the_answer():
    lines = [said(number, EVENING_MS + number) for number in range(3)]
    wrong = marked(lines[1].replace("line 1", "\ud800"))
    gap = Span(EVENING_MS, EVENING_MS + 1000)
    async with answering(body={"messages": [marked(lines[0]), wrong, marked(lines[2])]}) as (service, _):
        history = await service.history(CHANNEL, CHANNEL_ID, gap)
    assert [received.line for received in history.lines] == [lines[0], lines[2]]
    pack(history.lines)


async def test_an_answer_that_does_not_say_how_long_it_is_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr("ingest.recent_messages._MOST_BYTES", 100_000)
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"[" * 10_000)
        finally:
            gone.set()

    async with served_at("/{channel}", endless) as url, RecentMessages(f"{url}/{{channel}}") as service:
        with pytest.raises(HistoryError, match="more than 100000 bytes"):
            await service.history(CHANNEL, CHANNEL_ID, Span(0, 1000))
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)
