from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from cassandra.query import BatchStatement
from msgspec.structs import force_setattr
from support import lines
from support.recording import recorded

from store.batches import MOST_BYTES, MOST_ROWS
from store.errors import StoreUnavailable
from store.keys import MS_IN_DAY, Width
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER
from store.writer import Writer


def parsed(*given: str) -> list[Message]:
    return [Message.parse(line, channel_id=lines.CHANNEL_ID) for line in given]


async def everything(store, shape, key) -> list[str]:
    return [
        message.line async for piece in store.reader.stream(Log(shape, key, newest_first=False)) for message in piece
    ]


async def test_a_line_stands_in_each_log_it_belongs_to(store, writer):
    said, given, hit, cleared = (
        lines.privmsg("hello"),
        lines.gift(number=2, tmi_sent_ts=str(lines.EVENING_MS + 1)),
        lines.clearchat(sent_ms=lines.EVENING_MS + 2),
        lines.clearchat(None, sent_ms=lines.EVENING_MS + 3),
    )
    written = await writer.write(parsed(said, given, hit, cleared))
    assert (written.messages, written.rows, written.refused) == (4, 4 + 2 * 4 + 2 * 2, [])
    assert await everything(store, CHANNEL, (lines.CHANNEL_ID,)) == [said, given, hit, cleared]
    assert await everything(store, CHANNEL_USER, (lines.CHANNEL_ID, 501)) == [said, given, hit]
    assert await everything(store, USER, (501,)) == [said, given, hit]
    assert await everything(store, CHANNEL_USER, (lines.CHANNEL_ID, 502)) == [given]
    assert await everything(store, USER, (502,)) == [given]


async def test_a_recipient_reads_who_the_giver_was(store, writer):
    anonymous = lines.without(lines.gift(number=3), "user-id")
    await writer.write(parsed(lines.gift(number=2), anonymous))
    page = await store.reader.page(Log(USER, (502,)), limit=10)
    assert sorted(str(message.author_id) for message in page.messages) == ["501", "None"]
    assert sorted(message.line for message in page.messages) == sorted([lines.gift(number=2), anonymous])


async def test_odd_lines_come_out_as_they_went_in(store, writer):
    odd = [
        lines.privmsg("\x00 \u2028 \x1b[31m \U000e0000 \u202eabc\u202c", number=1),
        lines.privmsg("caf\udce9", number=2),
        lines.privmsg("odd order", number=3).replace("@", "@zz=1;", 1),
        lines.privmsg("\x01ACTION waves", number=4),
        lines.privmsg("🔥" * 500, number=5),
        lines.privmsg("", number=6),
        lines.privmsg("x", number=7, emotes="/".join(f"emotesv2_{n:032x}:{n}-{n}" for n in range(180))),
        lines.usernotice(None, number=8),
        lines.usernotice("", number=9),
        lines.clearmsg(lines.message_id(1)),
    ]
    await writer.write(parsed(*odd))
    assert sorted(await everything(store, CHANNEL, (lines.CHANNEL_ID,))) == sorted(odd)


async def test_writing_again_changes_nothing(store, writer):
    said = [lines.privmsg(f"line {n}", number=n, sent_ms=lines.EVENING_MS + n) for n in range(100)]
    other = await Writer.open(store.session, Retention.of(0))
    await asyncio.gather(writer.write(parsed(*said)), other.write(parsed(*said)))
    await writer.write(parsed(*said))
    for shape, key in ((CHANNEL, (lines.CHANNEL_ID,)), (CHANNEL_USER, (lines.CHANNEL_ID, 501)), (USER, (501,))):
        assert await everything(store, shape, key) == said


async def test_what_has_no_place_is_refused_with_its_reason(store):
    writer = await Writer.open(store.session, Retention.of(3600))
    old = lines.privmsg("long ago", number=1)
    ahead = lines.privmsg("not yet", number=2, sent_ms=lines.EVENING_MS + 100 * 366 * MS_IN_DAY)
    written = await writer.write(parsed(old, ahead, "PING :x"))
    assert written.messages == 0
    assert [refused.reason.split(" ")[0:4] for refused in written.refused] == [
        ["it", "is", "older", "than"],
        ["its", "time", "is", "more"],
        ["it", "is", "no", "PRIVMSG,"],
    ]
    assert await everything(store, CHANNEL, (lines.CHANNEL_ID,)) == []


async def test_a_row_lives_for_what_remains_of_the_retention(store, now_ms):
    writer = await Writer.open(store.session, Retention.of(10 * 86_400))
    await writer.write(parsed(lines.privmsg("yesterday", sent_ms=now_ms - MS_IN_DAY)))
    for shape in SHAPES:
        rows = await store.session.execute(f"SELECT TTL(type), WRITETIME(type) FROM {store.session.table(shape.table)}")
        [(ttl, written_at)] = rows
        assert 9 * 86_400 - 60 <= ttl <= 9 * 86_400
        assert written_at == (now_ms - MS_IN_DAY) * 1000


async def ttls(store, table: str, column: str) -> set[int | None]:
    """Give the days that remain to each row of a table, rounded up; None is for ever."""
    rows = await store.session.execute(f"SELECT TTL({column}) FROM {store.session.table(table)}")
    return {None if seconds is None else -(-seconds // 86_400) for (seconds,) in rows}


@pytest.mark.parametrize("named_by", [lines.CHANNEL_ID, lines.CHANNEL])
async def test_a_channel_has_a_retention_of_its_own_in_every_log(store, now_ms, named_by):
    said = parsed(lines.privmsg("mine", number=1, sent_ms=now_ms))
    said += parsed(lines.privmsg("theirs", number=2, sent_ms=now_ms, channel_id=77, channel="demo"))
    writer = await Writer.open(store.session, Retention(Retention.of(90 * 86_400).seconds, {named_by: 3 * 86_400}))
    await writer.write(said)
    for shape in SHAPES:
        assert await ttls(store, shape.table, "type") == {3, 90}
    assert await ttls(store, "channel_buckets", "ends") == {4, 91}
    # The user's month has lines of both, so it is found for as long as the longer kept ones are there.
    [days] = await ttls(store, "user_buckets", "ends")
    assert days >= 90


async def test_a_bucket_is_found_for_as_long_as_any_of_its_lines_even_if_the_first_is_kept_shorter(store, now_ms):
    retention = Retention(Retention.of(86_400).seconds, {lines.CHANNEL_ID: 0})
    writer = await Writer.open(store.session, retention)
    await writer.write(parsed(lines.privmsg("short", number=1, sent_ms=now_ms, channel_id=77, channel="demo")))
    await writer.write(parsed(lines.privmsg("long", number=2, sent_ms=now_ms)))
    assert await ttls(store, "user_messages", "type") == {1, None}
    assert await ttls(store, "user_buckets", "ends") == {None}


async def test_lines_with_a_retention_of_their_own_take_no_bucket_from_the_others(store, now_ms):
    said = Retention(Retention.of(90 * 86_400).seconds, {77: 0, lines.CHANNEL_ID: 10 * 86_400})
    writer = await Writer.open(store.session, replace(said, own=86_400))
    await writer.write(parsed(lines.privmsg("replayed", sent_ms=now_ms)))
    for shape in SHAPES:
        assert await ttls(store, shape.table, "type") == {1}
    assert await ttls(store, "channel_buckets", "ends") == {11}
    assert await ttls(store, "user_buckets", "ends") == {None}
    longer = await Writer.open(store.session, replace(said, own=200 * 86_400))
    await longer.write(parsed(lines.privmsg("replayed", sent_ms=now_ms)))
    assert await ttls(store, "channel_buckets", "ends") == {201}


def test_nothing_is_kept_for_less_than_what_is_asked_for():
    longer = Retention({"one": 0, "two": 5, "three": 50}, {1: 0, 2: 7, 3: 70}).at_least(10)
    assert (longer.seconds, longer.channels) == ({"one": 0, "two": 10, "three": 50}, {1: 0, 2: 10, 3: 70})


async def test_a_longer_retention_is_also_that_of_buckets_that_are_there_already(store, now_ms):
    writer = await Writer.open(store.session, Retention.of(86_400))
    await writer.write(parsed(lines.privmsg("before", number=1, sent_ms=now_ms)))
    writer.retention = Retention.of(0)
    await writer.write(parsed(lines.privmsg("after", number=2, sent_ms=now_ms)))
    for shape in SHAPES:
        assert await ttls(store, shape.table, "type") == {1, None}
        assert await ttls(store, shape.index, "ends") == {None}


async def test_a_retention_of_nothing_is_for_ever(store, writer):
    await writer.write(parsed(lines.privmsg("for ever")))
    rows = await store.session.execute(f"SELECT TTL(type) FROM {store.session.table(CHANNEL.table)}")
    assert rows == [(None,)]


async def test_the_tables_say_how_long_lines_are_kept(store):
    retention = await Retention.of_tables(store.session)
    assert set(retention.seconds.values()) == {7_776_000}


async def test_a_bucket_is_known_before_its_first_line_is_there(store, writer):
    with recorded(store.session) as calls:
        await writer.write(parsed(lines.privmsg("first")))
    tables = [call.tables for call in calls if call.tables != {"late_days"}]  # it is an old line
    assert any("channel_buckets" in found for found in tables[:-1])
    assert tables[-1] == {shape.table for shape in SHAPES}


async def test_batches_stay_within_what_the_server_takes(store, writer):
    long = [lines.privmsg("🔥" * 500, number=n, sent_ms=lines.EVENING_MS + n) for n in range(60)]
    with recorded(store.session) as calls:
        await writer.write(parsed(*long))
    batches = [call.statement for call in calls if isinstance(call.statement, BatchStatement)]
    assert 1 < max(len(batch) for batch in batches) <= MOST_ROWS
    assert all(call.size <= MOST_BYTES for call in calls)


async def test_a_bucket_can_be_an_hour(store):
    writer = await Writer.open(
        store.session, Retention.of(0), width_of=lambda shape, *_: Width.HOUR if shape is CHANNEL else shape.width
    )
    hours = [lines.privmsg(f"hour {n}", number=n, sent_ms=lines.EVENING_MS + n * 3_600_000) for n in range(5)]
    await writer.write(parsed(*hours))
    buckets = await store.reader.buckets(Log(CHANNEL, (lines.CHANNEL_ID,), newest_first=False))
    assert [bucket.width for bucket in buckets] == [Width.HOUR] * 5
    assert await everything(store, CHANNEL, (lines.CHANNEL_ID,)) == hours


async def test_names_are_learnt_from_the_lines(store, writer):
    await writer.write(
        parsed(
            lines.privmsg("old name", number=1, login="ada_old", sent_ms=lines.EVENING_MS - 5000),
            lines.privmsg("new name", number=2, login="ada_new", sent_ms=lines.EVENING_MS),
            lines.gift(number=3),
        )
    )
    await writer.flush()
    names = await store.directory.logins_of(501)
    assert {(name.login, name.first_seen_ms, name.last_seen_ms) for name in names} == {
        ("ada_old", lines.EVENING_MS - 5000, lines.EVENING_MS - 5000),
        ("ada_new", lines.EVENING_MS, lines.EVENING_MS),
        ("ada_lift", lines.EVENING_MS, lines.EVENING_MS),
    }
    assert await store.directory.user_id("ADA_OLD") == 501
    assert await store.directory.user_id("bo_nord") == 502
    assert await store.directory.user_id(lines.CHANNEL) == lines.CHANNEL_ID
    assert await store.directory.user_id("nobody_yet") is None


async def test_a_login_that_passed_on_is_found_by_time(store, writer):
    earlier = lines.privmsg("mine", number=1, user_id=601, login="shared", sent_ms=lines.EVENING_MS - 100_000)
    later = lines.privmsg("mine now", number=2, user_id=602, login="shared", sent_ms=lines.EVENING_MS)
    await writer.write(parsed(later))
    await writer.write(parsed(earlier))
    await writer.flush()
    assert await store.directory.user_id("shared") == 602
    assert await store.directory.user_id("shared", lines.EVENING_MS - 50_000) == 601
    assert await store.directory.user_id("shared", 0) == 601


async def test_first_and_last_sights_do_not_depend_on_the_order_of_writing(store):
    times = [lines.EVENING_MS + offset for offset in (5, 1, 9, 3)]
    for number, sent_ms in enumerate(times):
        again = await Writer.open(store.session, Retention.of(0))
        await again.write(parsed(lines.privmsg("hi", number=number, sent_ms=sent_ms)))
        await again.flush()
    [name] = await store.directory.logins_of(501)
    assert (name.first_seen_ms, name.last_seen_ms) == (min(times), max(times))
    [channel] = await store.directory.channels()
    assert (channel.login, channel.first_sent_ms, channel.last_sent_ms) == (lines.CHANNEL, min(times), max(times))


async def test_a_poison_row_does_not_hold_up_the_others(store, writer):
    class Oversized(str):
        __slots__ = ()

        def encode(self, *_: str) -> bytes:
            return b"\xff not UTF-8"

    good, bad = parsed(lines.privmsg("good", number=1), lines.privmsg("bad", number=2))
    force_setattr(bad, "text", Oversized("bad"))
    written = await writer.write([good, bad])
    assert written.messages == 1
    assert {refused.message.id for refused in written.refused} == {bad.id}
    assert await everything(store, USER, (501,)) == [good.line]


async def test_a_bucket_without_a_line_is_opened_again_when_its_line_is_tried_again(store, writer, monkeypatch):
    said, sent = parsed(lines.privmsg("hello")), []
    send = writer._send

    async def index_alone(partitions, outcome):
        if sent:
            raise StoreUnavailable("no answer in time")
        sent.append(await send(partitions, outcome))

    monkeypatch.setattr(writer, "_send", index_alone)
    with pytest.raises(StoreUnavailable):
        await writer.write(said)
    monkeypatch.undo()
    await store.session.execute(f"TRUNCATE {store.session.table(CHANNEL.index)}")
    await writer.write(said)
    assert await everything(store, CHANNEL, (lines.CHANNEL_ID,)) == [said[0].line]


async def test_an_unreachable_cluster_is_a_sentence(store_settings, unused_port):
    from store.session import Session  # noqa: PLC0415

    with pytest.raises(StoreUnavailable, match=rf"no Cassandra answers at 127\.0\.0\.1 port {unused_port}"):
        await Session.open(
            store_settings.model_copy(update={"contact_points": ("127.0.0.1",), "cql_port": unused_port})
        )


async def test_a_datacenter_that_is_not_there_is_named(store_settings):
    from store.session import Session  # noqa: PLC0415

    with pytest.raises(StoreUnavailable, match="datacenter 'elsewhere' that LOGSTV_LOCAL_DC names"):
        await Session.open(store_settings.model_copy(update={"local_dc": "elsewhere"}))
