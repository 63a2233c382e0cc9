from __future__ import annotations

import asyncio
import gzip
import math
import tracemalloc
from collections import Counter

import pytest
from support import lines
from support.recording import recorded
from support.tiers import CHANNELS, DAYS, HORIZON_MS, USERS, chat, expire, start_of, tiers

from store.archive import upkeep
from store.archive.eraser import ArchiveEraser
from store.archive.lease import A_DAY, name_of
from store.archive.objects import Place
from store.archive.sorting import Sorter
from store.errors import StoreUnavailable
from store.keys import MS_IN_DAY, Width
from store.lease import Lease
from store.message import Message
from store.optouts import Kind, Optouts, Way
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.writer import Writer


async def lines_of(both, shape, key) -> list[str]:
    log = Log(shape, key, newest_first=False)
    return [message.line async for piece in both.reader.stream(log) for message in piece]


def wanted(said, keep) -> list[str]:
    return [message.line for message in sorted(said, key=lambda m: m.position.order) if keep(message)]


async def test_verify_finds_what_is_damaged_missing_and_not_recorded(exported):
    both, said = exported
    exporter = await both.exporter()
    found = [each async for each in upkeep.verify(both.files, both.index, exporter)]
    assert [each.problem for each in found] == [None] * len(CHANNELS) * len(DAYS)
    assert sum(each.lines for each in found) == len(said)
    damaged, missing, strange, older = (Place(CHANNELS[0], start_of(day)) for day in DAYS[:4])
    packed = bytearray(b"".join([piece async for piece in both.objects.pieces(damaged)]))
    packed[len(packed) // 2] ^= 1
    await both.objects.put(damaged, iter([bytes(packed)]))
    await both.objects.delete(missing)
    await both.index.forget_day(strange)
    again = [piece async for piece in both.objects.pieces(Place(CHANNELS[0], start_of(DAYS[5])))]
    await both.objects.put(older, iter(again))
    problems = {
        each.place: each.problem async for each in upkeep.verify(both.files, both.index, exporter) if each.problem
    }
    assert problems.keys() == {damaged, missing, strange, older}
    assert "cannot be read" in problems[damaged] or "no gzip" in problems[damaged]
    assert "has no 9001/2023/12/31" in problems[missing]
    assert "not recorded" in problems[strange]
    assert "not the file that was recorded" in problems[older]
    of_one = [each async for each in upkeep.verify(both.files, both.index, exporter, CHANNELS[1])]
    assert {each.place.channel_id for each in of_one} == {CHANNELS[1]}


async def test_verify_calls_nothing_damaged_that_is_exported_anew_or_removed_meanwhile(exported, monkeypatch):
    both, _ = exported
    exporter, other, days = await both.exporter(), await both.exporter(), both.index.days
    anew, gone = (Place(CHANNELS[0], start_of(day)) for day in DAYS[:2])
    late = lines.privmsg("late", number=1, sent_ms=anew.day_ms + 77, user_id=USERS[0], channel_id=CHANNELS[0])

    async def pieces():
        yield [Message.parse(late)]

    async def told(*asked):
        """Replace one file, and remove another, when it is known what is recorded."""
        monkeypatch.undo()
        found = await days(*asked)
        await other.merge(anew, pieces())
        await other.rewrite(gone, lambda _: None)
        return found

    monkeypatch.setattr(both.index, "days", told)
    found = [each async for each in upkeep.verify(both.files, both.index, exporter, CHANNELS[0])]
    assert [each.problem for each in found] == [None] * (len(DAYS) - 1)
    # Nor what is stored, and not recorded yet, by one who is at it.
    day = await both.index.day(anew)
    await both.index.forget_day(anew)
    held, asked = exporter.held, asyncio.Event()

    def waiting(place):
        asked.set()
        return held(place)

    monkeypatch.setattr(exporter, "held", waiting)
    async with other._leases.held(name_of(anew)):
        verified = asyncio.create_task(anext(upkeep.verify(both.files, both.index, exporter, CHANNELS[0])))
        await asked.wait()
        await both.index.record_day(day)
    assert (await verified).problem is None


async def test_the_archive_alone_gives_its_index_again(exported, store):
    both, said = exported
    tables = ("archived_days", "archived_user_blocks", "archived_user_months")
    before = {}
    for table in tables:
        rows = await store.session.execute(f"SELECT * FROM {store.session.table(table)}")
        before[table] = sorted(tuple(v for v in row if table != "archived_days" or v != row[4]) for row in rows)
        await store.session.execute(f"TRUNCATE {store.session.table(table)}")
    assert await lines_of(both, USER, (USERS[0],)) == []
    found = [each async for each in upkeep.reindex(both.files, both.index, await both.exporter())]
    assert sum(each.lines for each in found) == len(said)
    for shape, key, keep in (
        (CHANNEL, (CHANNELS[0],), lambda m: m.channel_id == CHANNELS[0]),
        (CHANNEL_USER, (CHANNELS[1], USERS[1]), lambda m: (m.channel_id, m.author_id) == (CHANNELS[1], USERS[1])),
        (USER, (USERS[0],), lambda m: m.author_id == USERS[0]),
    ):
        assert await lines_of(both, shape, key) == wanted(said, keep)
    for table in tables[1:]:
        assert sorted(await store.session.execute(f"SELECT * FROM {store.session.table(table)}")) == before[table]


async def test_a_file_that_justlog_wrote_is_taken_in(exported):
    both, said = exported
    exporter = await both.exporter()
    mine = Place(CHANNELS[0], start_of(DAYS[0]))
    of_day = [m for m in said if m.channel_id == CHANNELS[0] and m.sent_ms // MS_IN_DAY * MS_IN_DAY == mine.day_ms]
    text = "".join(message.line + "\n" for message in of_day).encode()
    await both.objects.put(mine, iter([gzip.compress(text)]))
    assert [each.problem async for each in upkeep.reindex(both.files, both.index, exporter, CHANNELS[0])] == [
        None
    ] * len(DAYS)
    assert await lines_of(both, CHANNEL, (CHANNELS[0],)) == wanted(said, lambda m: m.channel_id == CHANNELS[0])
    await both.objects.put(mine, iter([gzip.compress(text + b"PING :of another day\n")]))
    problems = [
        each.problem async for each in upkeep.reindex(both.files, both.index, exporter, CHANNELS[0]) if each.problem
    ]
    assert problems == [f"{mine.path} holds 1 lines that have no place on that day; it was left as it is"]


async def test_a_busy_file_that_justlog_wrote_does_not_fill_the_memory(exported, monkeypatch):
    both, _ = exported
    exporter, place = await both.exporter(), Place(CHANNELS[0], start_of(DAYS[0]) - MS_IN_DAY)
    said = [
        lines.privmsg(f"line {number} " + "x" * 300, number=number, sent_ms=place.day_ms + number * 9, user_id=501)
        for number in range(5000)
    ]
    packed = gzip.compress("".join(line + "\n" for line in said[::-1]).encode())
    await both.objects.put(place, iter([packed]))
    monkeypatch.setattr(Sorter.__init__, "__defaults__", (500,))
    monkeypatch.setattr("store.archive.sorting._AT_ONCE", 20)
    tracemalloc.start()
    try:
        await upkeep._adopt(both.files, place)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_500_000 < sum(map(len, said))
    assert await upkeep._recorded(both.files, both.index, exporter, place, Lease("", A_DAY, math.inf), None) == 5000
    log = Log(CHANNEL, (CHANNELS[0],), place.day_ms, place.day_ms + MS_IN_DAY, newest_first=False)
    assert [message.line async for piece in both.reader.stream(log) for message in piece] == said
    # A line that does not end is a stray, and read no further than that shows.
    await both.objects.put(place, iter([gzip.compress(said[0].encode() + b"\n" + b"x" * 3_000_000)]))
    (problem,) = [each.problem async for each in upkeep.reindex(both.files, both.index, exporter) if each.problem]
    assert "holds 1 lines that have no place" in problem


async def text_of(both, place: Place) -> str:
    return gzip.decompress(b"".join([piece async for piece in both.objects.pieces(place)])).decode()


async def test_nobody_else_works_on_a_day_that_is_recorded(exported, monkeypatch):
    both, said = exported
    exporter, eraser = await both.exporter(), await eraser_of(both)
    first, second = (Place(CHANNELS[0], start_of(day)) for day in DAYS[:2])
    monkeypatch.setattr("store.archive.exporter._WAIT_SECONDS", 1)
    read, tried = both.files.messages, []

    async def messages(place, wanted):
        if place == first:
            with pytest.raises(StoreUnavailable, match="is being exported"):
                await eraser._rewrite(first, lambda _: None, ())
            tried.append(place)
        async for piece in read(place, wanted):
            yield piece

    monkeypatch.setattr(both.files, "messages", messages)
    async with eraser._leases.held(name_of(second)):
        await both.index.forget_day(second)
        found = {each.place: each.problem async for each in upkeep.reindex(both.files, both.index, exporter)}
    assert tried == [first]
    assert {place: problem for place, problem in found.items() if problem} == {
        second: "another works on it; do this once more in a moment"
    }
    assert await both.index.day(second) is None
    # One that was removed since it was seen is not recorded.
    objects = both.objects

    async def places(channel_id=None):
        async for place in type(objects).places(objects, channel_id):
            yield place
        yield Place(CHANNELS[0], start_of(DAYS[0]) - MS_IN_DAY)

    monkeypatch.setattr(objects, "places", places)
    again = [each async for each in upkeep.reindex(both.files, both.index, exporter)]
    assert ([each.problem for each in again], sum(each.lines for each in again)) == ([None] * len(found), len(said))


async def test_what_a_copy_has_of_those_who_are_out_is_not_taken_in(exported):
    both, said = exported
    optouts, others = [await Optouts.open(both.store.session) for _ in range(2)]
    exporter = await both.exporter(optouts=optouts)
    theirs, mixed, alone = (Place(CHANNELS[0], start_of(day)) for day in DAYS[:3])
    packed = {place: [piece async for piece in both.objects.pieces(place)] async for place in both.objects.places()}
    await others.add(Kind.USER, [USERS[0]], Way.ADMIN)
    async for _ in (await eraser_of(both)).erase_user(USERS[0], others.now().shown):
        pass
    # Copies of before are put back, and a tree of justlog, of one in which nobody else speaks.
    for place, pieces in packed.items():
        await both.objects.put(place, iter(pieces))
    of_user = [m for m in said if m.author_id == USERS[0] and Place(m.channel_id, start_of(DAYS[2])) == alone]
    of_user = [m for m in of_user if m.sent_ms // MS_IN_DAY * MS_IN_DAY == alone.day_ms]
    assert of_user
    await both.objects.put(alone, iter([gzip.compress("".join(m.line + "\n" for m in of_user).encode())]))
    left = [m for m in said if m.author_id != USERS[0] and (m.channel_id, m.sent_ms // MS_IN_DAY * MS_IN_DAY) != (
        alone.channel_id, alone.day_ms)]  # fmt: skip
    found = [each async for each in upkeep.reindex(both.files, both.index, exporter)]
    assert [each.problem for each in found] == [None] * len(packed)
    assert sum(each.lines for each in found) == len(left)
    assert await both.index.user_months(USERS[0]) == []
    assert await both.objects.stored(alone) is None
    assert await both.index.day(alone) is None
    assert {f"user-id={USERS[0]};" in await text_of(both, place) for place in (theirs, mixed)} == {False}
    for channel_id in CHANNELS:
        mine = sorted((m for m in left if m.channel_id == channel_id), key=lambda m: m.position.order)
        assert await lines_of(both, CHANNEL, (channel_id,)) == [m.line for m in mine]


async def test_who_opts_out_while_a_day_is_recorded_is_not_left_in_it(exported, monkeypatch):
    both, _ = exported
    optouts, others = [await Optouts.open(both.store.session) for _ in range(2)]
    exporter, record = await both.exporter(optouts=optouts), both.index.record

    async def recorded(*day) -> None:
        """Have one opt out, and be erased from what is recorded, just before this day is."""
        monkeypatch.undo()
        await others.add(Kind.USER, [USERS[1]], Way.ADMIN)
        await record(*day)

    monkeypatch.setattr(both.index, "record", recorded)
    found = [each async for each in upkeep.reindex(both.files, both.index, exporter)]
    assert [each.problem for each in found] == [None] * len(found)
    assert await both.index.user_months(USERS[1]) == []
    assert not [each.place for each in found if f"user-id={USERS[1]};" in await text_of(both, each.place)]


async def eraser_of(both) -> ArchiveEraser:
    exporter = await both.exporter()
    return ArchiveEraser(exporter, both.index, both.objects, exporter._leases)


async def test_a_user_is_erased_from_every_day(exported):
    both, said = exported
    gone = [count async for count in (await eraser_of(both)).erase_user(
        USERS[0], lambda message: None if USERS[0] in message.users else message
    )]  # fmt: skip
    assert sum(gone) == len([message for message in said if message.author_id == USERS[0]])
    assert await both.index.user_months(USERS[0]) == []
    assert await lines_of(both, USER, (USERS[0],)) == []
    for channel_id in CHANNELS:
        left = wanted(said, lambda m, c=channel_id: m.channel_id == c and m.author_id != USERS[0])
        assert await lines_of(both, CHANNEL, (channel_id,)) == left
        for place in [place async for place in both.objects.places(channel_id)]:
            text = gzip.decompress(b"".join([piece async for piece in both.objects.pieces(place)]))
            assert f"user-id={USERS[0]}".encode() not in text
    assert await lines_of(both, USER, (USERS[1],)) == wanted(said, lambda m: m.author_id == USERS[1])
    assert [count async for count in (await eraser_of(both)).erase_user(USERS[0], lambda message: message)] == []


async def test_a_channel_is_erased_also_when_that_was_broken_off(exported):
    both, said = exported
    begun = (await eraser_of(both)).erase_channel(CHANNELS[0], lambda _: None)
    await anext(begun)
    await begun.aclose()
    # Stopped between the removal of a file and of what is recorded of it.
    await both.objects.delete(Place(CHANNELS[0], start_of(DAYS[4])))
    gone = [count async for count in (await eraser_of(both)).erase_channel(CHANNELS[0], lambda _: None)]
    assert len(gone) == len(DAYS) - 1
    assert [place async for place in both.objects.places(CHANNELS[0])] == []
    assert await both.index.days(CHANNELS[0]) == []
    assert await lines_of(both, CHANNEL, (CHANNELS[0],)) == []
    assert await lines_of(both, USER, (USERS[0],)) == wanted(
        said, lambda m: m.author_id == USERS[0] and m.channel_id == CHANNELS[1]
    )


async def test_a_day_that_is_being_exported_is_erased_after_that(exported):
    both, _ = exported
    exporter, eraser = await both.exporter(), await eraser_of(both)
    async with exporter._leases.held(name_of(Place(CHANNELS[0], start_of(DAYS[0])))):
        with pytest.raises(StoreUnavailable, match="is being exported"):
            await anext(eraser.erase_channel(CHANNELS[0], lambda _: None))


async def test_counts_go_over_both_tiers(store):
    said = chat(6, seed=22)
    await (await Writer.open(store.session, Retention.of(0))).write(said)
    both = await tiers(store)
    await (await both.exporter()).run(CHANNELS)
    await expire(store, said, HORIZON_MS - MS_IN_DAY)
    counts = await type(store.counts).open(store.session, both.reader)
    statistics = await type(store.statistics).open(store.session, both.reader)
    activity = await type(store.activity).open(store.session, both.reader)
    for (shape, key), newest_first in zip(
        ((CHANNEL, (CHANNELS[0],)), (CHANNEL_USER, (CHANNELS[0], USERS[0])), (USER, (USERS[1],))),
        (True, False, True),
        strict=True,
    ):
        log = Log(shape, key, newest_first=newest_first)
        mine = [m async for piece in both.reader.stream(log) for m in piece]
        assert await counts.of(log) == len(mine) > 20
        part = Log(shape, key, mine[3].sent_ms if not newest_first else mine[-4].sent_ms + 1, None, newest_first)
        in_part = [m async for piece in both.reader.stream(part) for m in piece]
        assert await counts.of(part) == len(in_part)
        for skipped in (1, 5, len(mine) // 2, len(mine) - 1):
            page = await both.reader.page(log, limit=3, cursor=await counts.skip(log, skipped))
            assert page.messages == mine[skipped : skipped + 3]
        assert await counts.skip(log, len(mine) + 1) is None
        drawn = {(await counts.any_line(log)).position for _ in range(40)}
        assert drawn <= {m.position for m in mine}
        assert {True, False} == {position.sent_ms < HORIZON_MS for position in drawn}
    log = Log(CHANNEL, (CHANNELS[0],), start_of(DAYS[2]), start_of(DAYS[-1]), newest_first=False)
    mine = [m async for piece in both.reader.stream(log) for m in piece]
    assert (await statistics.chatters(log)).lines == len(mine)
    found = await activity.count(CHANNEL, log.key, log.from_ms, log.to_ms, by=Width.DAY, budget_seconds=600)
    assert found.types.total() == len(mine)
    assert sorted(found.periods) == [start_of(day) for day in DAYS[2:-1]]
    assert {user: chatter.messages for user, chatter in found.chatters.items()} == Counter(m.author_id for m in mine)
    of_user = await activity.count(
        CHANNEL_USER, (CHANNELS[0], USERS[0]), log.from_ms, log.to_ms, by=Width.DAY, budget_seconds=600
    )
    assert of_user.chatters[USERS[0]].messages == len([m for m in mine if m.author_id == USERS[0]])


@pytest.mark.parametrize("shape", [CHANNEL, CHANNEL_USER])
async def test_days_that_are_in_both_tiers_are_counted_by_the_index(store, shape):
    said, writer = chat(6, seed=23), await Writer.open(store.session, Retention.of(0))
    await writer.write(said)
    both = await tiers(store)
    await (await both.exporter(clock_ms=lambda: writer._clock_ms() + 120_000)).run(CHANNELS)
    counts = await type(store.counts).open(store.session, both.reader)
    key = (CHANNELS[0],) if shape is CHANNEL else (CHANNELS[0], USERS[0])
    log = Log(shape, key, None, HORIZON_MS)
    mine = [m async for piece in both.reader.stream(log) for m in piece]
    with recorded(store.session) as calls:
        assert await counts.of(log) == len(mine) > 10
        assert (await counts.skip(log, len(mine) - 1)).position == mine[-2].position
        assert await counts.any_line(log) in mine
    # Read are the two days in which a line has to be found, and of a user's month what lies between archived days.
    read = len([call for call in calls if shape.table in call.tables])
    assert read <= (2 if shape is CHANNEL else 30), read
    # A line that came after the export is in Cassandra alone, until its day is exported again.
    late = lines.privmsg("late", number=1, sent_ms=start_of(DAYS[7]) + 77, user_id=USERS[0], channel_id=CHANNELS[0])
    await writer.write([Message.parse(late)])
    assert await counts.of(log) == len(mine) + 1
