from __future__ import annotations

import itertools
import time

import pytest
from support import lines

from app.gaps import span_of
from store.coverage import Span, between, joined
from store.cursor import Cursor
from store.message import Message
from store.reader import Log
from store.shapes import CHANNEL

KEY = (lines.CHANNEL_ID,)
BEGIN = lines.EVENING_MS
HOUR = 3_600_000


@pytest.fixture(scope="module")
async def filled(module_store, module_writer):
    said = [lines.privmsg(f"line {n}", number=n, sent_ms=BEGIN + n * 60_000) for n in range(50)]
    await module_writer.write([Message.parse(line) for line in said])
    return module_store


async def walk(store, log: Log, limit: int):
    """Walk to the end and back; give what each page speaks of."""
    page, cursor = await store.reader.page(log, limit=limit), None
    there = [(page, cursor)]
    while page.next is not None:
        cursor = Cursor.decode(page.next, CHANNEL, KEY)
        page = await store.reader.page(log, limit=limit, cursor=cursor)
        there.append((page, cursor))
    back = []
    while page.previous is not None:
        cursor = Cursor.decode(page.previous, CHANNEL, KEY)
        page = await store.reader.page(log, limit=limit, cursor=cursor)
        back.append((page, cursor))
    now_ms = time.time_ns() // 1_000_000
    return [[span_of(log, page, cursor, now_ms) for page, cursor in pages] for pages in (there, back)], now_ms


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [7, 50, 100])
async def test_the_pages_of_a_walk_speak_of_all_its_time_and_of_none_twice(filled, newest_first, limit):
    log = Log(CHANNEL, KEY, BEGIN - HOUR, BEGIN + 2 * HOUR, newest_first=newest_first)
    (there, back), _ = await walk(filled, log, limit)
    assert joined(span for span in there if span) == [Span(BEGIN - HOUR, BEGIN + 2 * HOUR)]
    ordered = sorted(span for span in there if span)
    assert all(one.to_ms == two.from_ms for one, two in itertools.pairwise(ordered))
    assert joined(span for span in (there[-1], *back) if span) == joined(span for span in there if span)


async def test_a_log_without_a_range_speaks_of_the_time_up_to_now(filled):
    (there, _), now_ms = await walk(filled, Log(CHANNEL, KEY), 100)
    assert there == [Span(BEGIN, now_ms)]


async def test_gaps_are_in_the_page_and_in_a_route_of_their_own(client, module_store):
    coverage = module_store.coverage
    await coverage.record(lines.CHANNEL_ID, Span(BEGIN - 1000, BEGIN + 500_000), "one")
    await coverage.record(lines.CHANNEL_ID, Span(BEGIN + 700_000, BEGIN + HOUR), "one")
    params = {"from": BEGIN, "to": BEGIN + HOUR}
    answer = (await client.get(f"/v1/channels/id:{lines.CHANNEL_ID}/coverage", params=params)).json()
    gap = Span(BEGIN + 500_000, BEGIN + 700_000)
    assert between([], gap) == [gap]
    assert len(answer["gaps"]) == 1
    assert len(answer["spans"]) == 2
    page = (await client.get(f"/v1/channels/id:{lines.CHANNEL_ID}/messages", params=params)).json()
    assert page["gaps"] == answer["gaps"]
