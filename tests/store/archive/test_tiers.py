from __future__ import annotations

import itertools
import random

import pytest
from support import lines
from support.kills import Faulty, Killed
from support.tiers import CHANNELS, DAYS, HORIZON_MS, NOW_MS, USERS, chat, expire, start_of, tiers, width_of

from store.archive.lease import name_of
from store.cursor import Cursor
from store.errors import ArchiveDamaged, ArchiveUnavailable, StoreUnavailable
from store.filters import Filter
from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.writer import Writer

LOGS = [(CHANNEL, (CHANNELS[0],)), (CHANNEL_USER, (CHANNELS[1], USERS[1])), (USER, (USERS[2],))]


def of_log(said: list[Message], log: Log) -> list[str]:
    wanted = [
        message
        for message in said
        if (log.shape is USER or message.channel_id == log.key[0])
        and (log.shape is CHANNEL or message.author_id == log.key[-1])
        and (log.from_ms or 0) <= message.sent_ms < (log.to_ms or 1 << 52)
    ]
    wanted.sort(key=lambda message: message.position.order, reverse=log.newest_first)
    return [message.line for message in wanted]


async def turn(reader, log: Log, cursor: str | None, limit: int, **more):
    read = Cursor.decode(cursor, log.shape, log.key) if cursor else None
    return await reader.page(log, limit=limit, cursor=read, **more)


async def walked(reader, log: Log, limit: int, **more) -> list[str]:
    """Walk to the end, back to the beginning and to the end again; the lines must be the same each time."""
    pages = [await turn(reader, log, None, limit, **more)]
    while pages[-1].next is not None:
        pages.append(await turn(reader, log, pages[-1].next, limit, **more))
    there = [m.line for page in pages for m in page.messages]
    page = pages[-1]
    back = [m.line for m in page.messages]
    while page.previous is not None:
        page = await turn(reader, log, page.previous, limit, **more)
        back = [m.line for m in page.messages] + back
    assert back == there
    again = [m.line for m in page.messages]
    while page.next is not None:
        page = await turn(reader, log, page.next, limit, **more)
        again += [m.line for m in page.messages]
    assert again == there
    return there


async def holds(reader, said: list[Message], limits=(7, 40)) -> None:
    """Each seeded line is given once, by every kind of walk."""
    for (shape, key), newest_first in itertools.product(LOGS, (False, True)):
        log = Log(shape, key, newest_first=newest_first)
        wanted = of_log(said, log)
        for limit in limits if newest_first else limits[-1:]:
            assert await walked(reader, log, limit) == wanted
        assert [m.line async for piece in reader.stream(log) for m in piece] == wanted
        width = width_of(shape)
        starts = [width.start(b.start_ms) for b in await reader.buckets(log)]
        times = sorted((m.sent_ms for m in said if m.line in set(wanted)), reverse=newest_first)
        assert starts == list(dict.fromkeys(width.start(ms) for ms in times))


@pytest.fixture(scope="module")
async def exported(module_store, module_writer):
    """Both tiers as they are some weeks later: all closed days exported, and what is old gone from Cassandra."""
    said = chat()
    await module_writer.write(said)
    both = await tiers(module_store)
    outcome = await (await both.exporter()).run(CHANNELS)
    assert (outcome.days, outcome.lines, outcome.failed) == (len(CHANNELS) * len(DAYS), len(said), {})
    await expire(module_store, said, HORIZON_MS - MS_IN_DAY)
    return both, said


async def test_every_walk_over_both_tiers_gives_each_line_once(exported):
    both, said = exported
    await holds(both.reader, said)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_ranges_that_begin_and_end_around_the_horizon(exported, newest_first):
    both, said = exported
    edges = [start_of(DAYS[3]) - 1, HORIZON_MS - 1, HORIZON_MS, HORIZON_MS + 1, NOW_MS]
    for from_ms, to_ms in itertools.combinations(edges, 2):
        for shape, key in LOGS:
            log = Log(shape, key, from_ms, to_ms, newest_first)
            assert await walked(both.reader, log, 9) == of_log(said, log)
            assert [m.line async for piece in both.reader.stream(log) for m in piece] == of_log(said, log)


async def test_a_search_goes_through_both_tiers(exported):
    both, said = exported
    wanted = Filter(needle="7 ").accept()
    for newest_first in (False, True):
        log = Log(CHANNEL, (CHANNELS[0],), newest_first=newest_first)
        found = await walked(both.reader, log, 3, accept=wanted)
        assert found == of_log([m for m in said if wanted(m)], log)
        # One whose time is always up still comes to the end, a piece at a time.
        cursor, slow = None, []
        while True:
            page = await turn(both.reader, log, cursor, 3, accept=wanted, budget_seconds=0)
            slow += [m.line for m in page.messages]
            if (cursor := page.next) is None:
                break
        assert slow == found


async def test_a_cursor_outlives_the_move_of_its_line_to_the_archive(exported):
    both, said = exported
    log = Log(CHANNEL, (CHANNELS[0],))
    wanted = of_log(said, log)
    for before, after in ((start_of(DAYS[8]), start_of(DAYS[10])), (start_of(DAYS[10]), start_of(DAYS[8]))):
        for limit in (10, 25, 60):
            both.horizon.ms = before
            first = await turn(both.reader, log, None, limit)
            both.horizon.ms = after
            second = await turn(both.reader, log, first.next, limit)
            assert [m.line for m in first.messages + second.messages] == wanted[: 2 * limit]
            back = await turn(both.reader, log, second.previous, limit)
            assert back.messages == first.messages
    both.horizon.ms = HORIZON_MS


async def test_a_line_of_the_archive_with_its_neighbours(exported):
    both, said = exported
    log = Log(CHANNEL, (CHANNELS[0],), newest_first=False)
    wanted = of_log(said, log)
    by_line = {message.line: message for message in said}
    last_old = max(at for at, line in enumerate(wanted) if by_line[line].sent_ms < HORIZON_MS)
    for at in (0, 20, last_old, last_old + 1):
        page = await both.reader.around(log, by_line[wanted[at]].position, before=4, after=6)
        assert [m.line for m in page.messages] == wanted[max(at - 4, 0) : at + 7]
    assert await both.reader.around(log, by_line[wanted[3]].position.after(), before=1, after=1) is None


async def test_a_user_s_month_reads_that_user_s_blocks_alone(exported):
    both, said = exported
    seen: list[tuple[int, int]] = []
    days = await both.index.user_days(USERS[0], start_of(DAYS[2]))
    assert len(days) == 6
    for day in days:
        table = await both.files.table(day.place)
        assert day.generation == table.generation
        assert 0 < len(day.blocks) <= len(table.blocks)
        mine = [m for m in said if m.author_id == USERS[0] and m.channel_id == day.place.channel_id]
        assert day.lines == len([m for m in mine if m.sent_ms // MS_IN_DAY * MS_IN_DAY == day.place.day_ms])
        seen.append((len(day.blocks), len(table.blocks)))
    assert sum(held for held, _ in seen) <= sum(whole for _, whole in seen)


async def test_nothing_is_lost_or_doubled_whenever_the_exporter_is_killed(store):
    """The horizon is beyond all of it, so each line comes from whichever tier has it."""
    said = chat(9, seed=5)
    dice = random.Random(11)
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(said)
    both = await tiers(store, horizon_ms=start_of(DAYS[-1]) + 2 * MS_IN_DAY)
    gone_ms = 0
    for step in range(1000):
        exporter = await both.exporter(Faulty(both.objects, dice.randrange(1, 60), Killed))
        if step % 2:
            # Killed between two writes to Cassandra.
            kills = itertools.count()
            ask, at = exporter._index._ask, dice.randrange(1, 120)

            async def asked(name, *values, _ask=ask, _at=at, _kills=kills):
                if next(_kills) == _at:
                    raise Killed
                return await _ask(name, *values)

            exporter._index._ask = asked
        try:
            outcome = await exporter.run(CHANNELS)
        except Killed:
            if step % 5 == 0:
                await holds(both.reader, said, limits=(20,))
            done = [{d.place.day_ms for d in await both.index.days(c)} for c in CHANNELS]
            whole = [start_of(day) for day in DAYS if all(start_of(day) in days for days in done)]
            pending = [start_of(day) for day in DAYS if start_of(day) not in whole]
            if dice.random() < 0.3 and pending and pending[0] > gone_ms:
                gone_ms = pending[0]
                await expire(store, said, gone_ms)
        else:
            assert not outcome.failed
            break
    else:
        pytest.fail("the exporter never came to an end")
    await expire(store, said, NOW_MS)
    await holds(both.reader, said, limits=(11,))


async def test_late_lines_are_merged_into_the_day_that_was_exported(store):
    said, more = chat(8, seed=6), chat(6, seed=7)
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(said)
    both = await tiers(store, horizon_ms=NOW_MS)
    exporter = await both.exporter()
    await exporter.run(CHANNELS)
    # These were noted while the days were exported, so they are exported again, to the same bytes.
    places = [place async for place in both.objects.places()]
    before = {place: [piece async for piece in both.objects.pieces(place)] for place in places}
    again = await both.exporter(clock_ms=lambda: writer._clock_ms() + 120_000)
    assert (await again.run(CHANNELS)).days == len(places)
    assert {place: [piece async for piece in both.objects.pieces(place)] for place in places} == before
    assert (await again.run(CHANNELS)).days == 0
    await expire(store, said, NOW_MS)
    await (await Writer.open(store.session, Retention.of(0))).write(more)
    await holds(both.reader, said + more, limits=(11,))
    assert (await again.run(CHANNELS)).days == len(places)
    await expire(store, said + more, NOW_MS)
    await holds(both.reader, said + more, limits=(11,))


async def test_what_is_noted_while_a_day_is_exported_stays_noted(store):
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(chat(4, seed=8))
    both = await tiers(store)
    exporter = await both.exporter(clock_ms=lambda: writer._clock_ms() + 120_000)
    due = (await exporter.waiting(CHANNELS[0])).due
    place, noted = next(iter(due.items()))
    await writer.write(chat(4, seed=8))
    await both.index.settle(place, noted)
    assert (await exporter.waiting(CHANNELS[0])).due.keys() == due.keys()
    await both.index.settle(place, (await exporter.waiting(CHANNELS[0])).due[place])
    assert place.day_ms not in await both.index.late(CHANNELS[0])


async def test_days_are_exported_when_they_are_closed_and_not_before(store):
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(chat(4, seed=9))
    both = await tiers(store)
    last = start_of(DAYS[-1])
    early = await both.exporter(clock_ms=lambda: last + MS_IN_DAY + MS_IN_HOUR - 1)
    assert max(place.day_ms for place in (await early.waiting(CHANNELS[0])).due) == start_of(DAYS[-2])
    ripe = await both.exporter(clock_ms=lambda: last + MS_IN_DAY + MS_IN_HOUR)
    assert max(place.day_ms for place in (await ripe.waiting(CHANNELS[0])).due) == last


async def test_one_exporter_works_on_a_day_at_a_time(store):
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(chat(4, seed=10))
    both = await tiers(store)
    exporter, other = await both.exporter(), await both.exporter()
    place = next(iter((await exporter.waiting(CHANNELS[0])).due))
    async with exporter._leases.held(name_of(place)) as lease:
        assert lease is not None
        lease.check()
        outcome = await other.run(CHANNELS[:1])
        assert (outcome.waiting, outcome.days) == (1, len(DAYS) - 1)
        lease.safe_until = 0
        with pytest.raises(StoreUnavailable, match="lease"):
            lease.check()
    assert (await other.run(CHANNELS[:1])).days == 1


async def test_a_damaged_or_missing_day_is_an_error_and_other_days_are_given(exported, store):
    said = chat(8, seed=12)
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(said)
    both = await tiers(store)
    await (await both.exporter()).run(CHANNELS)
    await expire(store, said, HORIZON_MS)
    places = sorted([place async for place in both.objects.places(CHANNELS[0])])
    await both.objects.delete(places[1])
    log = Log(CHANNEL, (CHANNELS[0],), newest_first=False)
    with pytest.raises(ArchiveDamaged, match=r"2023-12-31 of channel 9001.*has no 9001/2023/12/31"):
        await walked(both.reader, log, 5)
    beyond = Log(CHANNEL, (CHANNELS[0],), places[2].day_ms, newest_first=False)
    assert await walked(both.reader, beyond, 5) == of_log(said, beyond)


async def test_an_archive_that_cannot_be_reached_is_no_silence(exported, tmp_path):
    both, _ = exported
    broken = Faulty(both.objects, 0, ArchiveUnavailable)

    async def refused(*_args):
        raise ArchiveUnavailable("the archive does not do what it should")

    broken.ranges = broken.start = refused
    lost = await tiers(both.store, broken)
    with pytest.raises(StoreUnavailable, match="archive"):
        await lost.reader.page(Log(CHANNEL, (CHANNELS[0],), newest_first=False), limit=3)
    recent = await lost.reader.page(Log(CHANNEL, (CHANNELS[0],)), limit=3)
    assert len(recent.messages) == 3


async def test_without_a_ttl_or_an_archive_all_is_read_from_cassandra(exported):
    both, said = exported
    recent = [m for m in said if m.sent_ms >= HORIZON_MS - MS_IN_DAY]
    log = Log(CHANNEL, (CHANNELS[0],), newest_first=False)
    assert await walked(both.reader.hot, log, 7) == of_log(recent, log)
    both.horizon.ms = None
    assert await walked(both.reader, log, 7) == of_log(recent, log)
    both.horizon.ms = HORIZON_MS


async def test_gifts_and_events_are_archived_in_the_logs_of_both_users(store):
    said = [
        Message.parse(line)
        for line in (
            lines.gift(),
            lines.clearchat(),
            lines.clearchat(None, sent_ms=lines.EVENING_MS + 1),
            lines.privmsg("hello", number=78, sent_ms=lines.EVENING_MS + 2),
        )
    ]
    said.append(Message.parse(lines.clearmsg(lines.message_id(78), sent_ms=lines.EVENING_MS + 3), channel_id=9001))
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(said)
    both = await tiers(store, horizon_ms=lines.EVENING_MS + 3 * MS_IN_DAY)
    exporter = await both.exporter(clock_ms=lambda: lines.EVENING_MS + 2 * MS_IN_DAY)
    before = {}
    for shape, key in ((CHANNEL, (9001,)), (CHANNEL_USER, (9001, 501)), (CHANNEL_USER, (9001, 502)), (USER, (502,))):
        page = await both.reader.page(Log(shape, key), limit=10)
        before[shape, key] = page.messages
        assert page.messages
    await exporter.run([9001])
    await expire(store, said, NOW_MS * 2)
    for (shape, key), messages in before.items():
        assert (await both.reader.page(Log(shape, key), limit=10)).messages == messages
