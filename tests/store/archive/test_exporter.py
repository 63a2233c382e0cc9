"""What whoever rewrites, removes or exports a day leaves behind, wherever it is killed."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from support import lines
from support.kills import Killed, every_kill
from support.tiers import Tiers, tiers

from store.archive.eraser import ArchiveEraser
from store.archive.objects import Place
from store.errors import ArchiveDamaged
from store.keys import MS_IN_DAY
from store.message import Message
from store.opted_out import STILL_OUT, OptedOut
from store.optouts import Kind, Optouts, Way
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL
from store.store import Store
from store.writer import Writer

GIVER, TAKER, OTHER = 501, 502, 503
PLACE = Place(lines.CHANNEL_ID, lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY)
NEXT = Place(lines.CHANNEL_ID, PLACE.day_ms + MS_IN_DAY)
SAID = [
    Message.parse(lines.gift()),
    *(
        Message.parse(lines.privmsg("hi", number=9 + more, sent_ms=lines.EVENING_MS + more, user_id=OTHER))
        for more in (1, 2)
    ),
]
"""What TAKER has of the day goes with GIVER: it is a gift of his."""
NOBODY_LEFT = dict.fromkeys(("archived_days", "archived_user_blocks", "archived_user_months"), ())


async def pieces(said: Sequence[Message]) -> AsyncIterator[Sequence[Message]]:
    yield said


@pytest.fixture
async def both(store: Store) -> Tiers:
    return await tiers(store, horizon_ms=lines.EVENING_MS + 3 * MS_IN_DAY)


async def rows(both: Tiers) -> dict[str, tuple[object, ...]]:
    """Give all that is known of the archive: days, and users with their numbers of lines."""
    session, found = both.store.session, {}
    for table, columns in zip(NOBODY_LEFT, ("channel_id", "user_id, lines", "user_id"), strict=True):
        found[table] = tuple(sorted(await session.execute(f"SELECT {columns} FROM {session.table(table)}")))
    return found


async def text_of(both: Tiers) -> list[str]:
    log = Log(CHANNEL, (lines.CHANNEL_ID,), newest_first=False)
    return [message.line async for piece in both.reader.stream(log) for message in piece]


async def test_a_day_that_is_removed_leaves_nothing_wherever_that_is_broken_off(both):
    whole, damaged = await both.exporter(), 0
    async for exporter in every_kill(both):
        await whole.merge(PLACE, pieces(SAID))
        with contextlib.suppress(Killed):
            await exporter.rewrite(PLACE, lambda _: None)
        try:
            assert await text_of(both) in ([], [message.line for message in SAID])
        except ArchiveDamaged:
            damaged += 1
        await whole.rewrite(PLACE, lambda _: None)
        assert await both.objects.stored(PLACE) is None
        assert await rows(both) == NOBODY_LEFT
    # Between the removal of the file and of what says that it is there.
    assert damaged <= 2


async def test_a_user_is_erased_wherever_that_is_broken_off(both):
    whole = await both.exporter()
    shown = OptedOut({GIVER: STILL_OUT}).shown
    async for exporter in every_kill(both):
        await whole.merge(PLACE, pieces(SAID))
        with contextlib.suppress(Killed):
            eraser = ArchiveEraser(exporter, exporter._index, both.objects, exporter._leases)
            assert [gone async for gone in eraser.erase_user(GIVER, shown)] == [1]
        again = ArchiveEraser(whole, both.index, both.objects, whole._leases)
        assert [gone async for gone in again.erase_user(GIVER, shown)] in ([], [0], [1])
        assert await rows(both) == {
            "archived_days": ((lines.CHANNEL_ID,),),
            "archived_user_blocks": ((OTHER, 2),),
            "archived_user_months": ((OTHER,),),
        }
        assert await text_of(both) == [message.line for message in SAID[1:]]


async def test_a_user_who_has_other_days_in_a_month_keeps_it(both):
    exporter = await both.exporter()
    await exporter.merge(PLACE, pieces(SAID))
    later = [Message.parse(lines.privmsg("later", number=77, sent_ms=lines.EVENING_MS + MS_IN_DAY, user_id=OTHER))]
    await exporter.merge(NEXT, pieces(later))
    await exporter.rewrite(PLACE, lambda _: None)
    assert (await rows(both))["archived_user_months"] == ((OTHER,),)
    assert await text_of(both) == [later[0].line]


def day(number: int) -> tuple[Place, list[Message], int, int]:
    """Give a day of its own, with users of its own: what is said, who gives, and who takes and says nothing else."""
    place, giver = Place(lines.CHANNEL_ID, PLACE.day_ms + number * MS_IN_DAY), 10_000 + 10 * number
    sent_ms = place.day_ms + 5_000
    gift = lines.gift(
        sent_ms=sent_ms, number=2 * number, user_id=str(giver), msg_param_recipient_id=str(giver + 1), login="giver"
    )
    other = lines.privmsg("hi", number=1000 + number, sent_ms=sent_ms + 1, user_id=OTHER)
    return place, [Message.parse(gift), Message.parse(other)], giver, giver + 1


async def known_of(both: Tiers, users: Sequence[int]) -> list[int]:
    return [month for user in users for month in await both.index.user_months(user)]


async def is_gone(both: Tiers, place: Place, giver: int) -> bool:
    text = gzip.decompress(b"".join([piece async for piece in both.objects.pieces(place)]))
    assert text.count(b"\n") in (1, 2)
    return f"user-id={giver};".encode() not in text


async def test_who_opts_out_while_a_day_is_exported_is_not_in_it_wherever_that_is_broken_off(both):
    session, killed = both.store.session, 0
    others, numbers = await Optouts.open(session), itertools.count()
    soon = {"clock_ms": lambda: time.time_ns() // 1_000_000 + 120_000}
    async for exporter in every_kill(both, optouts=await Optouts.open(session), **soon):
        place, said, giver, taker = day(next(numbers))
        await (await Writer.open(session, Retention.of(0))).write(said)
        store_it = exporter._store

        async def stored(*asked, _store=store_it, _giver=giver):
            await _store(*asked)
            # Whoever erases is done at once: nothing says yet that the day is there.
            await others.add(Kind.USER, [_giver], Way.ADMIN)

        exporter._store = stored
        try:
            await exporter.export(place)
        except Killed:
            killed += 1
        whole = await both.exporter(optouts=await Optouts.open(session), **soon)
        assert (await whole.run([place.channel_id])).failed == {}
        is_out = others.current.has_user(giver)
        assert await is_gone(both, place, giver) is is_out
        assert bool(await known_of(both, (giver, taker))) is not is_out
    assert killed > 5


async def test_a_day_that_is_exported_anew_says_nothing_more_of_who_is_out_wherever_that_is_broken_off(both):
    session, numbers = both.store.session, itertools.count()
    others = await Optouts.open(session)
    soon = {"clock_ms": lambda: time.time_ns() // 1_000_000 + 120_000}
    async for exporter in every_kill(both, optouts=await Optouts.open(session), **soon):
        place, said, giver, taker = day(next(numbers))
        whole = await both.exporter(optouts=await Optouts.open(session), **soon)
        await whole.merge(place, pieces(said))
        await others.add(Kind.USER, [giver], Way.ADMIN)
        late = lines.privmsg("late", number=2000 + giver, sent_ms=place.day_ms + 9_000, user_id=OTHER)
        with contextlib.suppress(Killed):
            await exporter.merge(place, pieces([Message.parse(late)]))
        eraser = ArchiveEraser(whole, both.index, both.objects, whole._leases)
        assert [_ async for _ in eraser.erase_user(giver, OptedOut({giver: STILL_OUT}).shown)] in ([], [0], [1])
        assert (await whole.run([place.channel_id])).failed == {}
        assert await is_gone(both, place, giver)
        assert await known_of(both, (giver, taker)) == []
