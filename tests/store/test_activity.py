from __future__ import annotations

from collections import Counter

import pytest
from support import lines

from store import activity
from store.keys import MS_IN_DAY, Width
from store.message import Message, MessageType
from store.shapes import CHANNEL, CHANNEL_USER

START = lines.EVENING_MS


@pytest.fixture(scope="module")
async def chat(module_writer) -> list[Message]:
    """Three days, several lines in each millisecond, of five users who change their logins, with events."""
    said = [
        lines.privmsg(
            f"line {number}",
            number=number,
            sent_ms=START + number // 4 + number % 3 * MS_IN_DAY,
            user_id=500 + number % 5,
            login=f"user{number % 5}_{number // 200}",
        )
        for number in range(300)
    ]
    said += [lines.usernotice(number=901, sent_ms=START + 5), lines.clearchat("ada_lift", sent_ms=START + 7)]
    parsed = [Message.parse(line) for line in said]
    await module_writer.write(parsed)
    return parsed


@pytest.fixture(params=[2, 7, 2000])
def rows_at_once(request, monkeypatch):
    monkeypatch.setattr(activity, "_ROWS_AT_ONCE", request.param)


@pytest.mark.parametrize("span", [(0, 4 * MS_IN_DAY), (3, MS_IN_DAY + 10), (0, 1), (9 * MS_IN_DAY, 10 * MS_IN_DAY)])
@pytest.mark.parametrize("user", [None, 501])
async def test_it_counts_what_lies_in_the_range(module_store, chat, rows_at_once, span, user):
    from_ms, to_ms = START + span[0], START + span[1]
    wanted = [m for m in chat if from_ms <= m.sent_ms < to_ms and (user is None or user in m.users)]
    shape, key = (CHANNEL, (lines.CHANNEL_ID,)) if user is None else (CHANNEL_USER, (lines.CHANNEL_ID, user))
    for by in (Width.DAY, Width.HOUR):
        counts = await module_store.activity.count(shape, key, from_ms, to_ms, by=by, budget_seconds=60)
        assert (counts.complete, counts.through_ms) == (True, to_ms)
        assert counts.types == Counter(m.type for m in wanted)
        assert {start: found.total() for start, found in counts.periods.items()} == Counter(
            by.start(m.sent_ms) for m in wanted
        )
        spoke = Counter(m.author_id for m in wanted if m.type is MessageType.PRIVMSG)
        assert {chatter.user_id: chatter.messages for chatter in counts.chatters.values()} == spoke


async def test_those_who_said_most_come_first_under_their_last_login(module_store, chat):
    counts = await module_store.activity.count(
        CHANNEL, (lines.CHANNEL_ID,), START, START + 4 * MS_IN_DAY, by=Width.DAY, budget_seconds=60
    )
    top = counts.top(2)
    assert [chatter.messages for chatter in top] == [60, 60]
    assert top[0].user_id == 500
    assert top[0].login == "user0_1"
    assert len(counts.top(100)) == 5


async def test_what_is_broken_off_says_how_far_it_came_and_goes_on_from_there(module_store, chat, monkeypatch):
    monkeypatch.setattr(activity, "_ROWS_AT_ONCE", 7)
    from_ms, to_ms = START, START + 4 * MS_IN_DAY
    total, rounds = Counter(), 0
    while from_ms < to_ms:
        counts = await module_store.activity.count(
            CHANNEL, (lines.CHANNEL_ID,), from_ms, to_ms, by=Width.DAY, budget_seconds=0
        )
        total += counts.types
        assert counts.complete == (counts.through_ms == to_ms)
        from_ms, rounds = counts.through_ms, rounds + 1
    assert total == Counter(m.type for m in chat)
    assert rounds > 10
