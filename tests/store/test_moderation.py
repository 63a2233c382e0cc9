from __future__ import annotations

import itertools
import random
import time

import pytest
from support import lines
from support.recording import recorded

from store import moderation, removals
from store.cursor import Cursor
from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.message import Message, MessageType
from store.moderation import REACH_MS, By, Removal
from store.reader import Log
from store.removals import Moderation
from store.shapes import CHANNEL, CHANNEL_USER, USER

START = lines.EVENING_MS + 30 * MS_IN_DAY  # the evening of the 31st: what removes its lines is in the next month
USERS = {501: "ada_lift", 502: "bo_nord", 503: "cy_west"}
KEY = (lines.CHANNEL_ID,)


def said(number: int, after_ms: int, user_id: int = 501) -> str:
    return lines.privmsg(
        f"line {number}", number=number, sent_ms=START + after_ms, user_id=user_id, login=USERS[user_id]
    )


def parsed(*found: str) -> list[Message]:
    return [Message.parse(line, channel_id=lines.CHANNEL_ID) for line in found]


def by_rule(message: Message, events: list[Message]) -> Removal | None:
    """What the documentation says, line by line."""
    if message.type not in (MessageType.PRIVMSG, MessageType.USERNOTICE):
        return None
    for event in sorted(events, key=lambda each: each.position.order):
        after_ms = event.sent_ms - message.sent_ms
        if not 0 <= after_ms <= REACH_MS:
            continue
        if event.type is MessageType.CLEARMSG:
            if event.extra is not None and f"target-msg-id={message.id}" in event.extra:
                return Removal(By.CLEARMSG, event.sent_ms)
        elif event.login is None:
            return Removal(By.CLEAR, event.sent_ms)
        elif event.author_id == message.author_id:
            return Removal(By.BAN if event.ban_seconds is None else By.TIMEOUT, event.sent_ms)
    return None


@pytest.fixture(scope="module")
async def chat(module_writer) -> list[Message]:
    """Two weeks of three users around the end of a month, with events of every kind between the lines."""
    dice = random.Random(11)
    found, number = [], 0
    for day in range(-7, 7):
        for _ in range(12):
            number += 1
            found.append(said(number, day * MS_IN_DAY + dice.randrange(20 * MS_IN_HOUR), dice.choice(list(USERS))))
    for day in range(-6, 7, 2):
        user_id = dice.choice(list(USERS))
        at = START + day * MS_IN_DAY + dice.randrange(20 * MS_IN_HOUR)
        found.append(lines.clearchat(USERS[user_id], user_id=user_id, sent_ms=at, seconds=dice.choice([None, 600])))
    found.append(lines.clearchat(None, sent_ms=START + 2 * MS_IN_DAY + 9 * MS_IN_HOUR))
    messages = parsed(*found)
    for target in dice.sample(messages[:number], 20):
        line = lines.clearmsg(target.id, sent_ms=target.sent_ms + dice.randrange(REACH_MS), login=target.login)
        messages += parsed(line)
    await module_writer.write(messages)
    await module_writer.flush()
    return messages


@pytest.mark.parametrize("limit", [5, 40, 1000])
@pytest.mark.parametrize("of", [(CHANNEL, KEY), (CHANNEL_USER, (*KEY, 502)), (USER, (501,))])
async def test_every_line_of_a_page_says_what_removed_it(module_store, chat, of, limit, monkeypatch):
    monkeypatch.setattr(removals, "_ROWS_AT_ONCE", 3)
    shape, key = of
    events = [m for m in chat if m.type in (MessageType.CLEARCHAT, MessageType.CLEARMSG)]
    marked, cursor = 0, None
    for _ in range(4):
        page = await module_store.reader.page(Log(shape, key), limit=limit, cursor=cursor)
        found = await module_store.moderation.removals(shape, page.messages)
        for message in page.messages:
            assert found.get(message.position) == by_rule(message, events), message.line
        marked += len(found)
        if page.next is None:
            break
        cursor = Cursor.decode(page.next, shape, key)
    assert marked


async def test_a_page_of_a_channel_takes_one_more_read_and_two_at_the_end_of_a_month(module_store, chat):
    page = await module_store.reader.page(Log(CHANNEL, KEY, to_ms=START - 2 * MS_IN_DAY), limit=5)
    with recorded(module_store.session) as calls:
        await module_store.moderation.removals(CHANNEL, page.messages)
    assert [call.tables for call in calls] == [{"channel_moderation"}]
    page = await module_store.reader.page(Log(CHANNEL, KEY, to_ms=START + 2 * MS_IN_HOUR), limit=5)
    with recorded(module_store.session) as calls:
        await module_store.moderation.removals(CHANNEL, page.messages)
    assert len(calls) == 2
    with recorded(module_store.session) as calls:
        assert await module_store.moderation.removals(CHANNEL, []) == {}
    assert not calls


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("of", [(CHANNEL, KEY), (CHANNEL_USER, (*KEY, 502))])
async def test_pieces_of_a_stream_say_what_removed_their_lines_and_no_time_is_read_twice(
    module_store, chat, of, newest_first, monkeypatch
):
    shape, key = of
    read: list[tuple[int, int]] = []
    of_channel = Moderation.of_channel

    async def noted(self, channel_id, from_ms, to_ms):
        read.append((from_ms, to_ms))
        return await of_channel(self, channel_id, from_ms, to_ms)

    whole = await module_store.reader.page(Log(shape, key, newest_first=newest_first), limit=1000)
    along, marked = module_store.moderation.along(shape), 0
    for at in range(0, len(whole.messages), 3):
        piece = whole.messages[at : at + 3]
        with monkeypatch.context() as watched:
            watched.setattr(Moderation, "of_channel", noted)
            found = await along.removals(piece)
        assert found == await module_store.moderation.removals(shape, piece)
        marked += len(found)
    assert marked
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(sorted(read)))


async def test_what_is_removed_while_a_stream_is_read_is_marked(store, writer):
    now_ms = time.time_ns() // 1_000_000
    said_now = [lines.privmsg(f"line {n}", number=n, sent_ms=now_ms + n, user_id=501, login="ada_lift") for n in (0, 1)]
    first, second = parsed(*said_now)
    along = store.moderation.along(CHANNEL)
    assert await along.removals([first]) == {}
    ban = parsed(lines.clearchat("ada_lift", user_id=501, sent_ms=now_ms + 2, seconds=None))
    await writer.write(ban)
    assert await along.removals([second]) == {second.position: Removal(By.BAN, now_ms + 2)}


async def test_pages_of_a_user_ask_once_in_five_seconds_what_was_done_to_him(module_store, chat, monkeypatch):
    store = await Moderation.open(module_store.session)
    page = await module_store.reader.page(Log(CHANNEL_USER, (*KEY, 502)), limit=50)
    with recorded(module_store.session) as calls:
        marked = await store.removals(CHANNEL_USER, page.messages)
        assert await store.removals(CHANNEL_USER, page.messages) == marked
    assert [call.tables for call in calls] == [{"user_moderation"}] * 2
    monkeypatch.setattr(removals, "_REMEMBERED_SECONDS", -1.0)
    store = await Moderation.open(module_store.session)
    with recorded(module_store.session) as calls:
        for _ in range(2):
            assert await store.removals(CHANNEL_USER, page.messages) == marked
    assert len(calls) == 4


async def test_what_is_too_much_to_be_remembered_is_read_where_it_is_needed(module_store, chat, monkeypatch):
    page = await module_store.reader.page(Log(CHANNEL_USER, (*KEY, 502)), limit=50)
    marked = await (await Moderation.open(module_store.session)).removals(CHANNEL_USER, page.messages)
    monkeypatch.setattr(removals, "_MOST_EVENTS", 0)
    monkeypatch.setattr(removals, "_MOST_REMEMBERED", 1)
    assert await (await Moderation.open(module_store.session)).removals(CHANNEL_USER, page.messages) == marked


async def test_what_was_done_to_a_user_is_found_under_every_login_and_is_nobody_elses(store, writer):
    await writer.write(
        parsed(
            lines.privmsg("one", number=1, user_id=601, login="old_name", sent_ms=START),
            lines.clearmsg(lines.message_id(1), login="old_name", sent_ms=START + 5),
            lines.clearchat("old_name", user_id=601, seconds=60, sent_ms=START + 10),
            # The name is another's by now.
            lines.privmsg("two", number=2, user_id=602, login="old_name", sent_ms=START + 20 * MS_IN_DAY),
            lines.clearchat("old_name", user_id=602, seconds=None, sent_ms=START + 20 * MS_IN_DAY + 1),
            lines.clearmsg(lines.message_id(2), login="old_name", sent_ms=START + 20 * MS_IN_DAY + 2),
            lines.privmsg("three", number=3, user_id=601, login="new_name", sent_ms=START + 21 * MS_IN_DAY),
            lines.clearchat("new_name", user_id=601, seconds=None, sent_ms=START + 21 * MS_IN_DAY + 1),
        )
    )
    await writer.flush()

    async def done_to(user_id, limit=10, **span):
        names = await store.directory.logins_of(user_id)
        span = {"from_ms": None, "to_ms": None} | span
        events = await store.moderation.of_user(lines.CHANNEL_ID, user_id, names, limit=limit, **span)
        return [(event.by, event.seconds, event.target) for event in events]

    timed_out, banned, deleted = (By.TIMEOUT, 60, None), (By.BAN, None, None), By.CLEARMSG
    assert await done_to(601) == [banned, timed_out, (deleted, None, lines.message_id(1))]
    assert await done_to(602) == [(deleted, None, lines.message_id(2)), banned]
    assert await done_to(601, limit=1) == [banned]
    assert await done_to(601, to_ms=START + 10) == [(deleted, None, lines.message_id(1))]
    assert await done_to(601, from_ms=START + 10, to_ms=START + 11) == [timed_out]
    assert await done_to(603) == []


def test_only_events_have_rows_and_what_is_absent_is_not_written():
    message = parsed(said(1, 0))[0]
    assert list(moderation.rows_of(message)) == []
    (of_channel, of_login) = moderation.rows_of(parsed(lines.clearchat("Ada_Lift", sent_ms=START))[0])
    assert of_channel[0] == "channel_moderation"
    assert of_login[:2] == ("user_moderation", (lines.CHANNEL_ID, "ada_lift"))
    assert None not in of_channel[2] + of_login[2]
