"""What whoever rewrites, removes or exports a day leaves behind, wherever it is killed."""

from __future__ import annotations

import contextlib
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
from store.reader import Log
from store.shapes import CHANNEL
from store.store import Store

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
