from __future__ import annotations

import asyncio

import pytest
from support import lines

from store.errors import WantedError
from store.message import Message, MessageType
from store.store import Store
from store.wanted import AS_IS, LONGEST_DAYS, Rules, WantedChannels, archive_days, channel_name, retentions, rules_of
from store.writer import Writer

BANS = frozenset({MessageType.CLEARCHAT})


@pytest.fixture
async def wanted(store: Store) -> WantedChannels:
    return await WantedChannels.open(store.session)


async def speak(writer: Writer, user_id: int, login: str, minute: int) -> None:
    """Have someone be seen under a login."""
    line = lines.privmsg("hi", number=minute, user_id=user_id, login=login, sent_ms=lines.EVENING_MS + minute * 60_000)
    await writer.write([Message.parse(line)])
    await writer.flush()


async def names(wanted: WantedChannels) -> list[str]:
    return [channel.name for channel in await wanted.all()]


async def test_adding_is_harmless_twice_and_changes_only_what_is_said(wanted):
    [first] = await wanted.add(["#MoonBase"])
    assert (first.name, first.channel_id, first.retention_days, first.without) == ("moonbase", None, None, frozenset())
    [ruled] = await wanted.add(["moonbase"], Rules(30, BANS))
    assert (ruled.retention_days, ruled.without, ruled.added_ms) == (30, BANS, first.added_ms)
    assert await wanted.add(["moonbase", "MOONBASE"]) == [ruled]
    [for_ever] = await wanted.add(["moonbase"], Rules(0))
    assert (for_ever.retention_days, for_ever.without) == (0, BANS)
    assert await wanted.add(["moonbase"], Rules(None, frozenset())) == [first]
    assert await wanted.all() == [first]


async def test_many_who_add_the_same_at_once_make_one_channel(wanted):
    await asyncio.gather(*(wanted.add(["moonbase", "demo"]) for _ in range(10)))
    assert await names(wanted) == ["demo", "moonbase"]


async def test_an_id_finds_its_login_in_what_was_seen(wanted, writer):
    await speak(writer, 501, "ada_lift", 1)
    await wanted.add(["id:501"])
    [standing] = await wanted.standing()
    assert (standing.channel.channel_id, standing.login, standing.readers) == (501, "ada_lift", ())
    with pytest.raises(WantedError, match=r"nobody was seen here under id:77.*add the channel by its login"):
        await wanted.add(["demo", "id:77"])
    assert await names(wanted) == ["id:501"]


async def test_a_channel_is_the_same_by_its_id_and_by_every_login_it_has(wanted, writer):
    await wanted.add(["ada_lift"])
    [channel] = await wanted.all()
    await wanted.learn(channel, 501)
    await speak(writer, 501, "ada_lift", 1)
    await speak(writer, 501, "ada_lovelace", 2)
    for name in ("id:501", "ada_lift", "ada_lovelace"):
        assert [found.name for found in await wanted.add([name])] == ["ada_lift"]
    assert [each.login for each in await wanted.standing()] == ["ada_lovelace"]
    assert [gone.name for gone in await wanted.remove(["ada_lovelace"])] == ["ada_lift"]
    assert await names(wanted) == []


async def test_who_has_an_old_login_of_a_channel_now_is_another_channel(wanted, writer):
    await wanted.add(["ada_lovelace"])
    [channel] = await wanted.all()
    await wanted.learn(channel, 501)
    await speak(writer, 501, "ada_lift", 1)
    await speak(writer, 501, "ada_lovelace", 2)
    await speak(writer, 602, "ada_lift", 3)
    await wanted.add(["ada_lift"])
    assert await names(wanted) == ["ada_lift", "ada_lovelace"]


async def test_what_a_worker_learns_brings_nothing_back_that_was_removed(wanted):
    [channel] = await wanted.add(["moonbase"])
    assert await wanted.remove(["moonbase"]) == [channel]
    assert await wanted.remove(["moonbase"]) == []
    await wanted.learn(channel, 9001)
    assert await wanted.all() == []
    [again] = await wanted.add(["moonbase"])
    assert again.channel_id is None
    await wanted.learn(again, 9001)
    assert [found.channel_id for found in await wanted.all()] == [9001]


async def test_what_was_said_of_a_channel_counts_when_it_is_read_no_more_and_when_it_is_again(wanted):
    [channel] = await wanted.add(["moonbase"], Rules(0, BANS, 400))
    await wanted.learn(channel, 9001)
    await wanted.remove(["moonbase"])
    assert (await wanted.all(), await wanted.standing()) == ([], [])
    [removed] = said = await wanted.said()
    assert (removed.is_removed, retentions(said), archive_days(said)) == (True, {9001: 0}, {9001: 400})
    assert (await wanted.retention()).channels == {9001: 0}
    # By its login it may be another's now: until its id is learnt, both are said.
    [again] = await wanted.add(["moonbase"], Rules(retention_days=None, archive_days=7))
    assert (again.channel_id, again.retention_days, again.without) == (None, None, frozenset())
    assert archive_days(await wanted.said()) == {9001: 400, "moonbase": 7}
    await wanted.learn(again, 9001)
    [learnt] = await wanted.said()
    assert (learnt.name, learnt.is_removed, learnt.channel_id) == ("moonbase", False, 9001)
    # What was said when it was added again counts, also that the tables are to say it.
    assert (learnt.retention_days, learnt.without, learnt.archive_days) == (None, BANS, 7)
    await wanted.remove(["moonbase"])
    await wanted.learn(learnt, 9001)  # a worker that was slow to see it
    [removed] = await wanted.said()
    assert (removed.is_removed, removed.without, removed.archive_days) == (True, BANS, 7)


async def test_another_channel_under_the_login_of_a_removed_one_has_nothing_of_its_rules(wanted):
    [channel] = await wanted.add(["moonbase"], Rules(0))
    await wanted.learn(channel, 9001)
    await wanted.remove(["moonbase"])
    [other] = await wanted.add(["moonbase"])
    await wanted.learn(other, 9002)
    assert [(each.channel_id, each.retention_days) for each in await wanted.said()] == [(9001, 0), (9002, None)]


async def test_a_channel_that_was_added_by_its_id_too_is_still_read_when_one_of_them_is_removed(wanted, writer):
    await speak(writer, 501, "ada_lift", 1)
    [channel] = await wanted.add(["ada_lift"], Rules(0))
    await wanted.add(["id:501"], Rules(7))
    await wanted.learn(channel, 501)
    await wanted.remove(["ada_lift"])
    assert [(each.name, each.retention_days) for each in await wanted.said()] == [("id:501", 7)]
    await wanted.remove(["id:501"])
    assert [(each.is_removed, each.retention_days) for each in await wanted.said()] == [(True, 7)]
    [again] = await wanted.add(["id:501"])
    assert (again.is_removed, again.retention_days) == (False, 7)


async def test_what_was_said_by_a_login_alone_counts_for_whom_it_was_logged_of(wanted, writer):
    await speak(writer, 501, "ada_lift", 1)
    for rules in (Rules(retention_days=0), Rules(archive_days=7)):
        await wanted.add(["ada_lift"], rules)
        await wanted.remove(["ada_lift"])
    [removed] = await wanted.said()
    assert (removed.channel_id, removed.retention_days, removed.archive_days) == (501, 0, 7)
    await wanted.add(["nobody_yet"], Rules(7))
    await wanted.remove(["nobody_yet"])
    assert await wanted.said() == [removed]


async def test_a_channel_of_which_nothing_was_said_leaves_nothing(wanted):
    [channel] = await wanted.add(["moonbase"])
    await wanted.learn(channel, 9001)
    await wanted.remove(["moonbase"])
    assert await wanted.said() == []


def test_what_is_kept_can_be_said_either_way():
    assert rules_of(AS_IS, None, None) == Rules()
    assert rules_of(7, None, ["clearchat"]) == Rules(7, BANS)
    assert rules_of(AS_IS, None, None, 400) == Rules(archive_days=400)
    assert rules_of(0, ["PRIVMSG", "usernotice", "clearmsg"], None) == Rules(0, BANS)
    assert rules_of(None, None, []) == Rules(None, frozenset())


@pytest.mark.parametrize(
    ("days", "types", "without", "sentence"),
    [
        (-1, None, None, "or 0 for ever"),
        (LONGEST_DAYS + 1, None, None, "1 to 7300 days"),
        (AS_IS, ["privmsg"], ["clearchat"], "not both"),
        (AS_IS, ["pirvmsg"], None, "there are privmsg, clearchat, usernotice, clearmsg"),
        (AS_IS, [], None, "remove it instead"),
    ],
)
def test_rules_that_make_no_sense_are_a_sentence(days, types, without, sentence):
    with pytest.raises(WantedError, match=sentence):
        rules_of(days, types, without)


@pytest.mark.parametrize("text", ["", "no spaces", "a" * 26, "id:", "id:0", "id:1x", "id:1234567890123456789", "é"])
def test_what_is_no_name_is_a_sentence(text):
    with pytest.raises(WantedError, match="write a login"):
        channel_name(text)
