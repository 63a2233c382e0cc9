from __future__ import annotations

import datetime as dt

import pytest
from support import lines

from store import widths as widths_module
from store.keys import MS_IN_DAY, Width
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER
from store.volumes import Volumes
from store.widths import MARGIN_MS, Switch, Thresholds, Widths, demotion, fitting, next_start, promotion
from store.writer import Writer

KEY = (274598607,)
BUSY = Thresholds(hour=100_000, day=10_000)


def at(day: int, hour: int = 0, minute: int = 0) -> int:
    """Give a time of March 2026, Unix milliseconds."""
    return (
        int((dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(day - 1, hours=hour, minutes=minute)).timestamp())
        * 1000
    )


def always(width: Width):
    return lambda _: width


@pytest.mark.parametrize(
    ("shape", "messages", "width"),
    [
        (CHANNEL, 0, Width.DAY),
        (CHANNEL, 99_999, Width.DAY),
        (CHANNEL, 100_000, Width.HOUR),
        (USER, 9_999, Width.MONTH),
        (USER, 10_000, Width.DAY),
        (CHANNEL_USER, 99_999, Width.DAY),
        (CHANNEL_USER, 100_000, Width.HOUR),
    ],
)
def test_the_busier_a_log_the_narrower_its_buckets(shape, messages, width):
    assert fitting(shape, messages, BUSY) is width


@pytest.mark.parametrize(
    ("shape", "today", "now_ms", "switch"),
    [
        (CHANNEL, 100_000, at(9, 14, 20), Switch(at(9, 15), Width.HOUR)),
        (CHANNEL, 100_000, at(9, 14, 55), Switch(at(9, 15), Width.HOUR)),
        (CHANNEL, 100_000, at(9, 14, 56), Switch(at(9, 16), Width.HOUR)),  # not everyone would know by 15:00
        (CHANNEL, 100_000, at(9, 23, 58), Switch(at(10, 1), Width.HOUR)),
        (CHANNEL, 99_999, at(9, 14), None),
        (USER, 10_000, at(9, 14), Switch(at(10), Width.DAY)),
        (USER, 10_000, at(9, 23, 58), Switch(at(11), Width.DAY)),
        (USER, 100_000, at(9, 14, 1), Switch(at(9, 15), Width.HOUR)),
        (USER, 9_999, at(9, 14), None),
    ],
)
def test_a_busy_log_gets_narrower_buckets_from_the_next_one_that_all_can_know_of(shape, today, now_ms, switch):
    assert promotion(shape, always(shape.width), today, now_ms, BUSY) == switch


def test_what_is_narrow_already_or_will_be_is_left_alone():
    assert promotion(CHANNEL, always(Width.HOUR), 1_000_000, at(9, 14), BUSY) is None
    assert promotion(USER, always(Width.HOUR), 10_000, at(9, 14), BUSY) is None


def test_a_log_that_becomes_busy_before_its_buckets_widen_keeps_narrow_ones():
    widens_at_midnight = lambda ms: Width.DAY if ms >= at(10) else Width.HOUR  # noqa: E731
    assert promotion(CHANNEL, widens_at_midnight, 100_000, at(9, 22, 30), BUSY) is None
    assert promotion(CHANNEL, widens_at_midnight, 100_000, at(9, 23, 30), BUSY) == Switch(at(10), Width.HOUR)


@pytest.mark.parametrize(
    ("shape", "now", "busiest", "now_ms", "switch"),
    [
        (CHANNEL, Width.HOUR, 24_999, at(9, 23), Switch(at(10), Width.DAY)),
        (CHANNEL, Width.HOUR, 25_000, at(9, 23), None),
        (CHANNEL, Width.HOUR, 0, at(9, 12), None),  # the day is not over
        (CHANNEL, Width.HOUR, 0, at(9, 23, 56), None),  # not everyone would know by midnight
        (USER, Width.HOUR, 24_999, at(9, 23), Switch(at(10), Width.DAY)),
        (USER, Width.HOUR, 0, at(9, 23), Switch(at(10), Width.DAY)),
        (USER, Width.DAY, 0, at(9, 23), None),  # days and a month would overlap
        (USER, Width.DAY, 2_499, at(31, 23), Switch(at(32), Width.MONTH)),
        (USER, Width.DAY, 2_500, at(31, 23), None),
        (USER, Width.HOUR, 0, at(31, 23), Switch(at(32), Width.MONTH)),
        (USER, Width.HOUR, 2_500, at(31, 23), Switch(at(32), Width.DAY)),
    ],
)
def test_a_quiet_log_gets_wider_buckets_where_one_begins(shape, now, busiest, now_ms, switch):
    assert demotion(shape, always(now), busiest, now_ms, BUSY) == switch


def test_a_switch_is_always_where_a_bucket_begins_and_some_minutes_away():
    for shape in SHAPES:
        for minute in range(0, 60 * 24 * 40, 7):
            now_ms = at(1, 0, minute)
            for found in (
                promotion(shape, always(shape.width), 200_000, now_ms, BUSY),
                promotion(shape, always(shape.width), 20_000, now_ms, BUSY),
                demotion(shape, always(Width.HOUR), 0, now_ms, BUSY),
            ):
                if found is not None:
                    assert found.width.start(found.since_ms) == found.since_ms >= now_ms + MARGIN_MS


async def test_switches_are_read_by_everyone_and_count_from_their_time_on(store):
    ours, theirs = await Widths.open(store.session), await Widths.open(store.session)
    await ours.switch(USER, KEY, Switch(at(10), Width.DAY))
    await ours.switch(USER, KEY, Switch(at(12, 5), Width.HOUR))
    await ours.switch(CHANNEL_USER, (1, 2), Switch(at(10), Width.DAY))
    await theirs.read()
    for widths in (ours, theirs):
        assert [widths.width_of(USER, KEY, ms) for ms in (0, at(10) - 1, at(10), at(12, 5) - 1, at(12, 5), at(99))] == [
            Width.MONTH, Width.MONTH, Width.DAY, Width.DAY, Width.HOUR, Width.HOUR,
        ]  # fmt: skip
        assert widths.width_of(CHANNEL_USER, (1, 2), at(11)) is Width.DAY
        assert widths.width_of(CHANNEL_USER, (2, 1), at(11)) is Width.MONTH
        assert set(widths.narrowed()) == {(USER, KEY), (CHANNEL_USER, (1, 2))}


async def test_a_log_that_is_as_usual_again_is_forgotten_some_time_its_last_switch_last(store):
    widths = await Widths.open(store.session)
    await widths.switch(USER, KEY, Switch(at(10), Width.DAY))
    table = store.session.table("widths")
    assert await store.session.execute(f"SELECT TTL(width) FROM {table}") == [(None,)]
    await widths.switch(USER, KEY, Switch(at(32), Width.MONTH))
    (first,), (last,) = await store.session.execute(f"SELECT TTL(width) FROM {table}")
    assert 90 * 86_400 < first < last - 80_000
    assert list(widths.narrowed()) == []
    await widths.switch(USER, KEY, Switch(at(40), Width.HOUR))
    await widths.read()
    assert [widths.width_of(USER, KEY, ms) for ms in (at(11), at(33), at(41))] == [Width.DAY, Width.MONTH, Width.HOUR]


async def test_rows_by_hand_are_taken_where_they_make_sense(store):
    table = store.session.table("widths")
    for shape, log, since, width in (
        ("user", [1], "2026-03-10 07:00:00+0000", "'day'"),  # begins amid a day: from the next one on
        ("channel", [2], "2026-03-10", "'month'"),  # wider than a channel's widest
        ("channel", [3], "2026-03-10", "'decade'"),
        ("guild", [4], "2026-03-10", "'hour'"),
        ("channel", [5], "2026-03-10", "null"),
    ):
        await store.session.execute(
            f"INSERT INTO {table} (registry, shape, log, since, width) "
            f"VALUES ('twitch', '{shape}', {log}, '{since}', {width})"
        )
    widths = await Widths.open(store.session)
    assert list(widths.narrowed()) == [(USER, (1,))]
    assert widths.width_of(USER, (1,), at(10, 23)) is Width.MONTH
    assert widths.width_of(USER, (1,), at(11)) is Width.DAY
    assert widths.width_of(CHANNEL, (2,), at(20)) is Width.DAY


async def test_a_writer_goes_by_the_table_and_notices_when_it_changes(store, monkeypatch):
    monkeypatch.setattr(widths_module, "_READ_SECONDS", 0.0)
    writer = await Writer.open(store.session, Retention.of(0))
    channel = (lines.CHANNEL_ID,)

    async def say(number: int, sent_ms: int) -> None:
        await writer.write([Message.parse(lines.privmsg("x", number=number, sent_ms=sent_ms))])

    await say(1, at(9, 10))
    await (await Widths.open(store.session)).switch(CHANNEL, channel, Switch(at(9, 12), Width.HOUR))
    await say(2, at(9, 12, 30))
    await say(3, at(9, 11, 59))  # late
    found = await store.reader.buckets(Log(CHANNEL, channel, newest_first=False))
    assert [(b.start_ms, b.width) for b in found] == [(at(9), Width.DAY), (at(9, 12), Width.HOUR)]
    [(count,)] = await store.session.execute(
        f"SELECT count(*) FROM {store.session.table('channel_messages')} "
        f"WHERE channel_id = {lines.CHANNEL_ID} AND bucket = {at(9)}"
    )
    assert count == 2


async def test_what_the_workers_measured_is_added_up(store):
    volumes = await Volumes.open(store.session)
    day = at(9) // MS_IN_DAY
    await volumes.record(day, USER, KEY, "one 1", 10)
    await volumes.record(day, USER, KEY, "one 1", 40)
    await volumes.record(day, USER, KEY, "two 1", 5)
    await volumes.record(day, CHANNEL, KEY, "two 1", 7)
    await volumes.record(day + 1, USER, KEY, "two 1", 1)
    assert await volumes.of_day(day) == {("user", KEY): 45, ("channel", KEY): 7}
    assert await volumes.of_day(day - 1) == {}


def test_the_next_start_of_a_bucket():
    assert next_start(Width.HOUR, at(9, 5)) == at(9, 5)
    assert next_start(Width.HOUR, at(9, 5) + 1) == at(9, 6)
    assert next_start(Width.MONTH, at(2)) == at(32)
