from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import lines
from support.recording import recorded

from store import counts
from store.keys import MS_IN_DAY
from store.message import Message
from store.reader import Log
from store.shapes import CHANNEL, CHANNEL_USER

KEY = (lines.CHANNEL_ID,)
USER_KEY = (lines.CHANNEL_ID, 501)


@pytest.fixture(scope="module")
def chat() -> list[Message]:
    """Days of 3, 1,200, 0 and 70 lines by two users, oldest first; many in one millisecond, most within a minute."""
    times = [
        lines.EVENING_MS + day * MS_IN_DAY + step * step // 100
        for day, count in ((0, 3), (1, 1200), (3, 70))
        for step in range(count)
    ]
    said = [
        lines.privmsg(f"line {number}", number=number, sent_ms=sent_ms, user_id=501 + number % 2)
        for number, sent_ms in enumerate(times)
    ]
    return sorted(map(Message.parse, said), key=lambda message: message.position.order)


@pytest.fixture(scope="module")
async def filled(module_store, module_writer, chat):
    await module_writer.write(chat)
    await module_writer.flush()
    return module_store


def wanted(chat, log: Log) -> list[Message]:
    found = [
        message
        for message in chat
        if (log.shape is CHANNEL or message.author_id == log.key[-1])
        and (log.from_ms is None or message.sent_ms >= log.from_ms)
        and (log.to_ms is None or message.sent_ms < log.to_ms)
    ]
    return found[::-1] if log.newest_first else found


MIDDLE = lines.EVENING_MS + MS_IN_DAY + 5000
LOGS = st.builds(
    lambda which, from_ms, to_ms, newest_first: Log(*which, from_ms, to_ms, newest_first),
    st.sampled_from([(CHANNEL, KEY), (CHANNEL_USER, USER_KEY)]),
    st.sampled_from([None, MIDDLE]),
    st.sampled_from([None, MIDDLE + 3000, lines.EVENING_MS + 3 * MS_IN_DAY + 1]),
    st.booleans(),
)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(log=LOGS)
async def test_a_count_is_that_of_the_lines(filled, chat, log):
    assert await filled.counts.of(log) == len(wanted(chat, log))


@many
@given(log=LOGS, lines_skipped=st.integers(1, 1300), few=st.sampled_from([20, 300, 5000]))
async def test_reading_goes_on_after_what_was_skipped(filled, chat, log, lines_skipped, few):
    keys, counts._KEYS = counts._KEYS, few  # so that small logs, too, are counted and cut into pieces
    try:
        cursor = await filled.counts.skip(log, lines_skipped)
    finally:
        counts._KEYS = keys
    left = wanted(chat, log)[lines_skipped:]
    if cursor is None:
        assert lines_skipped > len(wanted(chat, log))
    else:
        found = (await filled.reader.page(log, limit=5, cursor=cursor)).messages
        assert [message.id for message in found] == [message.id for message in left[:5]]


async def test_what_is_skipped_is_not_fetched(filled, monkeypatch):
    log = Log(CHANNEL, KEY, newest_first=False)
    with recorded(filled.session) as calls:
        await filled.counts.skip(log, 1100)
    assert len(calls) == 4  # a look into the archive, the index, and the keys of two days
    monkeypatch.setattr(counts, "_KEYS", 100)
    with recorded(filled.session) as calls:
        await filled.counts.skip(log, 1100)
    fetched = [call for call in calls if "COUNT" not in call.statement.prepared_statement.query_string]
    assert len(calls) < 100
    seen = [call.tables for call in fetched if call.tables != {"archived_days"}]
    assert seen == [{"channel_buckets"}, *[{"channel_messages"}] * (len(seen) - 1)]
    assert len(seen) <= 3


async def test_a_line_by_chance_is_any_line(filled, chat):
    short = Log(CHANNEL, KEY, to_ms=lines.EVENING_MS + 1000)
    drawn = Counter([(await filled.counts.any_line(short)).id for _ in range(300)])
    assert drawn.keys() == {message.id for message in chat[:3]}
    assert min(drawn.values()) > 50  # of 100 each; less is a matter of one in many millions
    for log in (Log(CHANNEL, KEY), Log(CHANNEL_USER, USER_KEY), Log(CHANNEL, KEY, from_ms=MIDDLE)):
        found = [await filled.counts.any_line(log) for _ in range(20)]
        assert len({message.id for message in found}) > 10
        assert {message.id for message in found} <= {message.id for message in wanted(chat, log)}


async def test_finished_days_are_counted_once(filled):
    log = Log(CHANNEL, KEY)
    await filled.counts.any_line(log)
    with recorded(filled.session) as calls:
        await filled.counts.any_line(log)
    counting = [call for call in calls if "COUNT" in call.statement.prepared_statement.query_string]
    assert not counting


async def test_lines_that_went_since_they_were_counted_are_not_chosen(store, writer):
    said = [
        Message.parse(lines.privmsg(str(number), number=number, sent_ms=lines.EVENING_MS - number // 5 * MS_IN_DAY))
        for number in range(25)
    ]
    await writer.write(said)
    await writer.flush()
    fresh = await counts.Counts.open(store.session, store.reader)
    log = Log(CHANNEL, KEY)
    assert await fresh.any_line(log)
    table = store.session.table("channel_messages")
    for message in said[1:]:
        bucket = message.sent_ms - message.sent_ms % MS_IN_DAY
        await store.session.execute(
            f"DELETE FROM {table} USING TIMESTAMP {message.sent_ms * 1000 + 1} "
            f"WHERE channel_id = {KEY[0]} AND bucket = {bucket} AND sent = {message.sent}"
        )
    for _ in range(20):
        assert (await fresh.any_line(log)).id == said[0].id
    await store.session.execute(f"TRUNCATE {table}")
    assert await fresh.any_line(log) is None
    assert await fresh.any_line(Log(CHANNEL, (5,))) is None


async def test_of_many_days_only_some_are_counted_at_a_time(store, writer):
    said = [
        Message.parse(lines.privmsg(str(number), number=number, sent_ms=lines.EVENING_MS - number * MS_IN_DAY))
        for number in range(50)
    ]
    await writer.write(said)
    await writer.flush()
    fresh = await counts.Counts.open(store.session, store.reader)
    counted = []
    for _ in range(6):
        with recorded(store.session) as calls:
            assert await fresh.any_line(Log(CHANNEL, KEY))
        counted.append(sum("COUNT" in call.statement.prepared_statement.query_string for call in calls))
    assert counted == [16, 16, 16, 2, 0, 0]
    with recorded(store.session) as calls:
        assert {(await fresh.any_line(Log(CHANNEL, KEY))).id for _ in range(200)} > {said[0].id}
    assert not any("COUNT" in call.statement.prepared_statement.query_string for call in calls)
