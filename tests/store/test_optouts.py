from __future__ import annotations

import uuid

import pytest
from support import lines, named
from support.recording import recorded

from store.cursor import Cursor
from store.errors import OptoutError
from store.message import Message
from store.optout_codes import SECONDS, OptoutCodes
from store.optouts import Kind, Optouts, Way
from store.reader import Log
from store.shapes import CHANNEL


@pytest.fixture
async def optouts(store) -> Optouts:
    return await Optouts.open(store.session)


async def test_who_opts_out_is_out_here_at_once_and_elsewhere_after_a_look(store, writer, optouts):
    await writer.write([Message.parse(line) for line in named.hers()])
    elsewhere = await Optouts.open(store.session)
    assert not await elsewhere.refresh()
    (row,) = await optouts.add(Kind.USER, await optouts.ids(Kind.USER, ["Ada_Lift"]), Way.ADMIN)
    assert (row.id, row.until_ms, row.way) == (named.ADA, None, Way.ADMIN)
    assert row.logins == {"ada_lift", "ada_before"}
    assert optouts.current.has_user(named.ADA)
    assert not elsewhere.current
    assert await elsewhere.refresh()
    assert elsewhere.current.has_user(named.ADA)
    assert not elsewhere.current.has_channel(named.ADA)
    assert not await elsewhere.refresh()


async def test_a_look_where_nothing_changed_reads_one_value(store, optouts):
    await optouts.add(Kind.CHANNEL, [lines.CHANNEL_ID], Way.ADMIN)
    with recorded(store.session) as calls:
        await optouts.refresh()
        assert len(calls) == 1


async def test_opting_out_twice_is_once_and_in_again_is_told_from_it(optouts):
    (first,) = await optouts.add(Kind.USER, [5], Way.ADMIN)
    (again,) = await optouts.add(Kind.USER, [5], Way.CODE)
    assert again == first
    (over,) = await optouts.remove(Kind.USER, [5, 6])
    assert over.until_ms > first.since_ms
    assert await optouts.remove(Kind.USER, [5]) == []
    assert optouts.current.users == {5: over.until_ms}
    (second,) = await optouts.add(Kind.USER, [5], Way.CODE)
    assert second.since_ms > over.until_ms
    assert (second.until_ms, second.way, second.is_erased) == (None, Way.CODE, False)


async def test_an_erasure_of_before_does_not_count_for_the_next_opt_out(optouts):
    (first,) = await optouts.add(Kind.USER, [5], Way.ADMIN)
    await optouts.remove(Kind.USER, [5])
    (second,) = await optouts.add(Kind.USER, [5], Way.ADMIN)
    await optouts.erased(first)
    assert not optouts.rows[0].is_erased
    await optouts.erased(second)
    assert optouts.rows[0].is_erased
    assert not optouts.current.unerased


async def test_more_of_them_than_one_read_gives(optouts):
    await optouts.add(Kind.CHANNEL, range(1, 4), Way.ADMIN)
    await optouts.add(Kind.USER, range(1, 1020), Way.ADMIN)
    assert len(optouts.current.users) == 1019
    assert set(optouts.current.channels) == {1, 2, 3}


async def test_a_new_login_is_learnt_by_all(store, optouts):
    await optouts.add(Kind.USER, [5], Way.ADMIN)
    await optouts.learn(5, "renamed")
    elsewhere = await Optouts.open(store.session)
    await elsewhere.refresh()
    assert "renamed" in elsewhere.current.logins


@pytest.mark.parametrize(
    ("name", "says"), [("nobody_here", "nobody was seen"), ("a b", "is no user"), ("id:0", "no user")]
)
async def test_a_name_that_is_nobodys_is_refused_with_a_sentence(optouts, name, says):
    with pytest.raises(OptoutError, match=says):
        await optouts.ids(Kind.USER, [name])
    assert await optouts.ids(Kind.USER, ["id:77", "id:77"]) == [77]


async def test_a_page_is_full_and_its_cursors_are_right_among_lines_that_are_left_out(store, writer):
    said = [
        lines.privmsg(
            f"line {n}",
            number=n,
            sent_ms=lines.EVENING_MS + n,
            user_id=7 if n % 5 else 8,
            login="seven" if n % 5 else "eight",
        )
        for n in range(1, 201)
    ]
    await writer.write([Message.parse(line) for line in said])
    await store.optouts.add(Kind.USER, [7], Way.ADMIN)
    log = Log(CHANNEL, (lines.CHANNEL_ID,))
    found, cursor, pages = [], None, 0
    while True:
        page = await store.reader.page(log, limit=7, cursor=cursor)
        found += [message.line for message in page.messages]
        pages += 1
        if page.next is None:
            break
        assert len(page.messages) == 7 or len(found) == 40
        cursor = Cursor.decode(page.next, CHANNEL, log.key)
    assert found == [line for line in said[::-1] if "user-id=8;" in line]
    assert pages <= 7
    assert page.previous is not None
    back = await store.reader.page(log, limit=7, cursor=Cursor.decode(page.previous, CHANNEL, log.key))
    assert [message.line for message in back.messages] == found[-12:-5]
    assert len(page.messages) == 5


async def test_a_code_is_good_until_it_is_used(store):
    codes = await OptoutCodes.open(store.session)
    code = await codes.give()
    assert await codes.is_good(code.text.upper())
    assert not await codes.is_good(uuid.uuid4().hex)
    (ttl,) = (await store.session.execute(f"SELECT ttl(issued) FROM {store.session.table('optout_codes')}"))[0]
    assert SECONDS - 30 < ttl <= SECONDS
    await codes.used(code.text)
    assert not await codes.is_good(code.text)
