"""Readers that remember tables of files, while others export the days anew."""

from __future__ import annotations

import pytest
from support import lines
from support.tiers import tiers

from store.archive.objects import Place
from store.archive.reader import Slice
from store.errors import ArchiveDamaged
from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.message import Message
from store.reader import Log
from store.shapes import CHANNEL, CHANNEL_USER, USER

PLACE = Place(lines.CHANNEL_ID, lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY)


def said_at(hour: int) -> Message:
    sent_ms = PLACE.day_ms + hour * MS_IN_HOUR
    return Message.parse(lines.privmsg(f"at {hour}", number=hour + 1, sent_ms=sent_ms, user_id=501))


async def pieces(*said: Message):
    yield said


@pytest.mark.parametrize(
    ("shape", "key"), [(CHANNEL, (PLACE.channel_id,)), (CHANNEL_USER, (PLACE.channel_id, 501)), (USER, (501,))]
)
@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_line_that_came_when_the_day_was_remembered_already_is_given(store, shape, key, newest_first):
    both = await tiers(store, horizon_ms=PLACE.day_ms + 2 * MS_IN_DAY)
    # Of a process of its own: what it stores, the reader is not told of.
    other = await both.exporter()
    await other.merge(PLACE, pieces(said_at(1), said_at(2)))
    at_night = Log(shape, key, PLACE.day_ms, PLACE.day_ms + 3 * MS_IN_HOUR, newest_first)
    later = Log(shape, key, PLACE.day_ms + 4 * MS_IN_HOUR, PLACE.day_ms + 6 * MS_IN_HOUR, newest_first)
    assert len((await both.reader.page(at_night, limit=10)).messages) == 2
    assert (await both.reader.page(later, limit=10)).messages == []
    await other.merge(PLACE, pieces(said_at(5)))
    assert (await both.reader.page(later, limit=10)).messages == [said_at(5)]
    assert [message async for piece in both.reader.stream(later) for message in piece] == [said_at(5)]


@pytest.mark.parametrize(
    ("shape", "key"), [(CHANNEL, (PLACE.channel_id,)), (CHANNEL_USER, (PLACE.channel_id, 501)), (USER, (501,))]
)
async def test_a_day_that_is_removed_while_it_is_read_is_not_called_damaged(store, shape, key):
    both = await tiers(store, horizon_ms=PLACE.day_ms + 2 * MS_IN_DAY)
    other = await both.exporter(block_bytes=100)
    await other.merge(PLACE, pieces(*map(said_at, range(24))))
    asked = Log(shape, key, newest_first=False)
    cold = Slice(shape, key, *asked.bounds, descending=False)
    reading = both.reader.cold.messages(cold)
    assert len(await anext(reading)) == 1
    await other.rewrite(PLACE, lambda _: None)
    assert [piece async for piece in reading if len(piece) > 1] == []
    assert both.reader.cold.damaged == 0
    # One that is missing, and should be there, is.
    await other.merge(PLACE, pieces(said_at(1)))
    await both.objects.delete(PLACE)
    with pytest.raises(ArchiveDamaged):
        await both.reader.page(asked, limit=10)
    assert both.reader.cold.damaged == 1
