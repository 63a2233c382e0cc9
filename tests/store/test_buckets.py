from __future__ import annotations

import datetime as dt
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lines
from support.walks import both_ways, page

from store.buckets import Bucket, stretches, widest
from store.keys import MS_IN_DAY, MS_IN_HOUR, Width
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, USER
from store.writer import Writer


def at(month: int, day: int, hour: int = 0) -> int:
    return int(dt.datetime(2026, month, day, hour, tzinfo=dt.UTC).timestamp() * 1000)


MARCH = at(3, 1)
SWITCH = at(3, 15)

buckets = st.builds(
    lambda width, hours: Bucket(width.start(MARCH + hours * MS_IN_HOUR), width),
    st.sampled_from(Width),
    st.integers(0, 60 * 24),
)


@given(st.lists(buckets, min_size=1, max_size=12, unique=True))
def test_stretches_say_of_each_moment_which_buckets_may_hold_it(some):
    found = stretches(some)
    assert all(one.to_ms <= two.from_ms for one, two in itertools.pairwise(found))
    for bucket in some:
        for moment in (bucket.start_ms, bucket.start_ms + MS_IN_HOUR // 2, bucket.end_ms - 1, bucket.end_ms):
            holding = {b.start_ms for b in some if b.start_ms <= moment < b.end_ms}
            covering = [set(s.starts) for s in found if s.from_ms <= moment < s.to_ms]
            assert covering == ([holding] if holding else [])
    for stretch in found:
        overlapping = [b for b in some if b.start_ms < stretch.to_ms and b.end_ms > stretch.from_ms]
        assert stretch.alone == ([(b.start_ms, b.end_ms) for b in overlapping] == [(stretch.from_ms, stretch.to_ms)])


def test_of_two_buckets_of_one_start_the_wider_one_is_given():
    hour, day, other = Bucket(MARCH, Width.HOUR), Bucket(MARCH, Width.DAY), Bucket(SWITCH, Width.HOUR)
    assert widest([hour, other, day]) == [day, other]
    assert widest([other, day, hour]) == [other, day]


def said(number: int, sent_ms: int, user_id: int = 501) -> Message:
    return Message.parse(lines.privmsg(f"line {number}", number=number, sent_ms=sent_ms, user_id=user_id))


async def by(store, width_of) -> Writer:
    return await Writer.open(store.session, Retention.of(0), width_of=width_of)


def switched(shape, *switches: tuple[int, Width]):
    """Give the widths of one shape by what was switched when, latest first."""

    def width_of(of, _key, sent_ms):
        return next((w for since, w in switches if of is shape and sent_ms >= since), of.width)

    return width_of


@pytest.fixture(scope="module")
async def switched_store(module_store):
    """A user's log that passes from months to days to hours and back, some lines late, one day with nobody there."""
    writer = await by(
        module_store,
        switched(USER, (at(5, 1), Width.MONTH), (at(4, 3), Width.HOUR), (SWITCH, Width.DAY)),
    )
    times = [
        at(2, 27) + n * 13 * MS_IN_HOUR
        for n in range(120)
        if not at(3, 20) <= at(2, 27) + n * 13 * MS_IN_HOUR < at(3, 21)
    ]
    some = [said(n, sent_ms) for n, sent_ms in enumerate(times)]
    random.Random(3).shuffle(some)  # so that lines of before a switch come after some of behind it
    for start in range(0, len(some), 100):
        await writer.write(some[start : start + 100])
    return module_store, [message.line for message in sorted(some, key=lambda m: m.position.order)], times


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_a_walk_over_switches_of_width_gives_each_line_once(switched_store, limit):
    store, wanted, _ = switched_store
    assert await both_ways(store, Log(USER, (501,)), limit) == wanted


@pytest.mark.parametrize(
    ("from_ms", "to_ms"),
    [
        (SWITCH - 1, SWITCH + 1),
        (at(3, 14, 12), at(3, 16, 12)),
        (at(3, 19), at(3, 22)),
        (at(3, 31), at(4, 4)),
        (at(4, 2, 23), None),
        (None, at(3, 15)),
        (at(3, 20), at(3, 20)),
        (at(4, 30, 12), at(5, 1, 12)),
    ],
)
async def test_a_range_over_a_switch_is_whole(switched_store, from_ms, to_ms):
    store, wanted, times = switched_store
    inside = [line for line, t in zip(wanted, times, strict=True) if (from_ms or 0) <= t < (to_ms or 1 << 50)]
    for limit in (1, 1000):
        assert await both_ways(store, Log(USER, (501,), from_ms, to_ms), limit) == inside
    streamed = [
        m.line
        async for piece in store.reader.stream(Log(USER, (501,), from_ms, to_ms, newest_first=False))
        for m in piece
    ]
    assert streamed == inside


async def test_turning_round_at_a_switch_repeats_and_skips_nothing(switched_store):
    store, wanted, _ = switched_store
    log = Log(USER, (501,), newest_first=False)
    pages = [await page(store, log, None, 9)]
    while pages[-1].next is not None:
        pages.append(await page(store, log, pages[-1].next, 9))
        back = await page(store, log, pages[-1].previous, 9)
        assert back.messages == pages[-2].messages
        assert (await page(store, log, back.next, 9)).messages == pages[-1].messages
    assert [m.line for p in pages for m in p.messages] == wanted


async def test_workers_that_disagree_cost_no_line_and_double_none(store):
    ahead = await by(store, switched(CHANNEL, (MARCH, Width.HOUR)))
    behind = await by(store, switched(CHANNEL))
    some = [said(n, MARCH - MS_IN_DAY + n * 30 * 60_000) for n in range(3 * 24 * 2)]
    # Both saw every third line; the others one of them. Midnight is the start of a day and of an hour: one partition.
    await behind.write([m for n, m in enumerate(some) if n % 3 != 1])
    await ahead.write([m for n, m in enumerate(some) if n % 3 != 2])
    for limit in (1, 11, 1000):
        assert await both_ways(store, Log(CHANNEL, (lines.CHANNEL_ID,)), limit) == [m.line for m in some]
    found = await store.reader.buckets(Log(CHANNEL, (lines.CHANNEL_ID,), newest_first=False))
    assert [b.width for b in found if b.start_ms == MARCH] == [Width.DAY]
    day = Log(CHANNEL, (lines.CHANNEL_ID,), MARCH + 5 * MS_IN_HOUR, MARCH + 6 * MS_IN_HOUR)
    assert len(await both_ways(store, day, 1)) == 2


async def test_a_month_of_hours_is_found_from_its_end(store):
    writer = await by(store, switched(USER, (at(3, 2), Width.HOUR)))
    some = [said(n, MARCH + n * MS_IN_HOUR) for n in range(31 * 24)]
    await writer.write(some)
    for limit in (3, 100):
        log = Log(USER, (501,), to_ms=at(3, 31, 20))
        last = await page(store, log, None, limit)
        assert [m.line for m in last.messages] == [m.line for m in some[-5 : -5 - limit : -1]]
    assert await both_ways(store, Log(USER, (501,)), 300) == [m.line for m in some]
