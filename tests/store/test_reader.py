from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from support import lines
from support.recording import recorded

from store.cursor import Cursor
from store.filters import Filter
from store.keys import MS_IN_DAY
from store.message import Message, MessageType
from store.reader import Log, Page
from store.shapes import CHANNEL, CHANNEL_USER, USER

KEY = (lines.CHANNEL_ID,)


@pytest.fixture(scope="module")
def chat() -> list[Message]:
    """Five days of chat, out of order, many lines in one millisecond, two users, a quiet day between."""
    dice = random.Random(7)
    times = [
        lines.EVENING_MS + day * MS_IN_DAY + step // 3
        for day, count in ((0, 40), (1, 3), (3, 70), (4, 1), (40, 21))
        for step in range(count)
    ]
    said = [
        lines.privmsg(
            f"line {number}", number=number, sent_ms=sent_ms, user_id=501 + number % 2, login=f"user{number % 2}"
        )
        for number, sent_ms in enumerate(times)
    ]
    dice.shuffle(said)
    return [Message.parse(line) for line in said]


@pytest.fixture(scope="module")
async def filled(module_store, module_writer, chat):
    await module_writer.write(chat)
    await module_writer.flush()
    return replace(module_store, reader=module_store.reader.hot)


def in_order(messages: list[Message], *, newest_first: bool = False) -> list[str]:
    ordered = sorted(messages, key=lambda message: message.position.order, reverse=newest_first)
    return [message.line for message in ordered]


async def turn(store, log: Log, cursor: str | None, limit: int, **more) -> Page:
    read = Cursor.decode(cursor, log.shape, log.key) if cursor else None
    return await store.reader.page(log, limit=limit, cursor=read, **more)


async def walk(store, log: Log, limit: int, **more) -> list[Page]:
    pages = [await turn(store, log, None, limit, **more)]
    while pages[-1].next is not None:
        pages.append(await turn(store, log, pages[-1].next, limit, **more))
    return pages


def said(pages: list[Page]) -> list[str]:
    return [message.line for page in pages for message in page.messages]


LOGS = [(CHANNEL, KEY, None), (CHANNEL_USER, (lines.CHANNEL_ID, 501), 501), (USER, (502,), 502)]


@pytest.mark.parametrize("limit", [1, 7, 40, 1000])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("of", LOGS)
async def test_a_walk_gives_each_line_once_in_order_both_ways(filled, chat, newest_first, limit, of):
    shape, key, user = of
    wanted = in_order([m for m in chat if user in (None, m.author_id)], newest_first=newest_first)
    log = Log(shape, key, newest_first=newest_first)
    pages = await walk(filled, log, limit)
    assert said(pages) == wanted
    back, page = list(pages[-1].messages), pages[-1]
    while page.previous is not None:
        page = await turn(filled, log, page.previous, limit)
        back = page.messages + back
    assert [message.line for message in back] == wanted
    again = [page]
    while again[-1].next is not None:
        again.append(await turn(filled, log, again[-1].next, limit))
    assert said(again) == wanted


async def test_turning_round_in_the_middle_repeats_and_skips_nothing(filled):
    log = Log(CHANNEL, KEY, newest_first=True)
    first = await turn(filled, log, None, 9)
    second = await turn(filled, log, first.next, 9)
    back = await turn(filled, log, second.previous, 9)
    assert said([back]) == said([first])
    assert back.previous is None
    onward = await turn(filled, log, back.next, 9)
    assert said([onward]) == said([second])


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_range_is_half_open(filled, chat, newest_first):
    times = sorted({message.sent_ms for message in chat})
    for from_ms, to_ms in [
        (times[3], times[20]),
        (times[0], times[0]),
        (times[-1], None),
        (None, times[0] + 1),
        (0, 1),
    ]:
        wanted = [m for m in chat if (from_ms or 0) <= m.sent_ms < (to_ms if to_ms is not None else 1 << 60)]
        pages = await walk(filled, Log(CHANNEL, KEY, from_ms, to_ms, newest_first), 7)
        assert said(pages) == in_order(wanted, newest_first=newest_first)


async def test_a_cursor_keeps_the_range_and_order_of_its_walk(filled, chat):
    times = sorted(message.sent_ms for message in chat)
    first = await turn(filled, Log(CHANNEL, KEY, times[0], times[30], newest_first=False), None, 5)
    second = await turn(filled, Log(CHANNEL, KEY), first.next, 5)
    assert said([first, second]) == in_order(chat)[:10]


async def test_a_walk_is_not_disturbed_by_new_lines(module_store, module_writer):
    key = (4242,)

    def line(number: int) -> Message:
        return Message.parse(lines.privmsg("x", number=number, sent_ms=lines.EVENING_MS + number, channel_id=4242))

    await module_writer.write([line(number) for number in range(0, 60, 2)])
    log = Log(CHANNEL, key, newest_first=True)
    seen, cursor = [], None
    for step in itertools.count():
        page = await turn(module_store, log, cursor, 4)
        seen += [message.sent_ms - lines.EVENING_MS for message in page.messages]
        await module_writer.write([line(100 + step)])
        cursor = page.next
        if cursor is None:
            break
    assert seen == list(range(58, -1, -2))


async def test_a_page_is_one_partition_read_and_at_most_one_index_read(filled):
    log = Log(CHANNEL, KEY, newest_first=False)
    with recorded(filled.session) as calls:
        first = await turn(filled, log, None, 7)
    assert [call.tables for call in calls] == [{"channel_buckets"}, {"channel_messages"}]
    with recorded(filled.session) as calls:
        second = await turn(filled, log, first.next, 7)
        await turn(filled, log, second.previous, 7)
    assert [call.tables for call in calls if call.tables != {"channel_buckets"}] == [{"channel_messages"}] * 2
    assert len(calls) <= 3


async def test_an_unknown_log_is_an_empty_page(filled):
    page = await turn(filled, Log(USER, (999_999,)), None, 10)
    assert page == Page([], None, None)
    assert await filled.reader.buckets(Log(USER, (999_999,))) == []


async def test_buckets_are_the_days_and_months_that_exist(filled):
    days = await filled.reader.buckets(Log(CHANNEL, KEY, newest_first=False))
    assert [(bucket.start_ms - days[0].start_ms) // MS_IN_DAY for bucket in days] == [0, 1, 3, 4, 40]
    assert len(await filled.reader.buckets(Log(USER, (501,)))) == 2
    later = Log(CHANNEL, KEY, from_ms=days[2].start_ms, to_ms=days[4].start_ms, newest_first=True)
    assert await filled.reader.buckets(later) == [days[3], days[2]]


async def test_a_range_from_midnight_does_not_touch_the_day_before(filled):
    days = await filled.reader.buckets(Log(CHANNEL, KEY, newest_first=False))
    second = Log(CHANNEL, KEY, days[1].start_ms, days[1].end_ms, newest_first=False)
    assert await filled.reader.buckets(second) == [days[1]]
    with recorded(filled.session) as calls:
        assert len((await filled.reader.page(second, limit=100)).messages) == 3
    assert [call.tables for call in calls] == [{"channel_buckets"}, {"channel_messages"}]


async def test_filters_choose_lines_and_their_walks_are_whole(filled, chat):
    accept = Filter(needle="LINE 1").accept()
    wanted = in_order([m for m in chat if "line 1" in m.text])
    for limit in (1, 5, 1000):
        pages = await walk(filled, Log(CHANNEL, KEY, newest_first=False), limit, accept=accept)
        assert said(pages) == wanted


async def test_a_search_that_runs_out_of_time_says_where_to_go_on(filled, chat):
    accept = Filter(needle="line 1").accept()
    pages = await walk(filled, Log(CHANNEL, KEY, newest_first=False), 1000, accept=accept, budget_seconds=-1)
    assert len(pages) > 1
    assert said(pages) == in_order([m for m in chat if "line 1" in m.text])


@pytest.mark.parametrize(
    ("wanted", "line", "is_wanted"),
    [
        (Filter(), lines.privmsg("x"), True),
        (Filter(types=frozenset({MessageType.CLEARCHAT})), lines.privmsg("x"), False),
        (Filter(types=frozenset({MessageType.CLEARCHAT, MessageType.PRIVMSG})), lines.privmsg("x"), True),
        (Filter(needle="straße"), lines.privmsg("STRASSE"), True),
        (Filter(needle="7 months"), lines.usernotice(), True),
        (Filter(badge="Premium"), lines.privmsg("x"), True),
        (Filter(badge="prem"), lines.privmsg("x"), False),
        (Filter(badge="premium"), lines.privmsg("x", badges=""), False),
        (Filter(badge="subscriber", needle="y"), lines.privmsg("x"), False),
    ],
)
async def test_a_filter_accepts(wanted, line, is_wanted):
    assert wanted.accept()(Message.parse(line)) is is_wanted
