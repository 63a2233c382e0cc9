from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from support.tiers import CHANNELS, DAYS, HORIZON_MS, NOW_MS, chat, expire, start_of, tiers

from store.archive.archive import Archive
from store.archive.objects import Objects, Place
from store.errors import ArchiveUnavailable
from store.keys import MS_IN_DAY
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL
from store.wanted import Rules
from store.writer import Writer


@pytest.fixture
async def archive(store) -> Archive:
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(chat(5, seed=31))
    await writer.flush()
    return await Archive.open(
        store.session, store.session.settings, objects=Objects.in_memory(), clock_ms=lambda: NOW_MS
    )


async def test_a_channel_with_a_retention_of_its_own_stays_in_cassandra(archive, store):
    (channel,) = await archive.wanted.add([f"id:{CHANNELS[1]}"], Rules(retention_days=0))
    assert channel.channel_id == CHANNELS[1]
    assert await archive.channel_ids() == [CHANNELS[0]]
    assert (await archive.run()).days == len(DAYS)
    assert {place.channel_id async for place in archive.files.objects.places()} == {CHANNELS[0]}
    both = await tiers(store, archive.files.objects)
    log = Log(CHANNEL, (CHANNELS[1],), to_ms=HORIZON_MS)
    assert len((await both.reader.page(log, limit=100)).messages) == 5 * len(
        [d for d in DAYS if start_of(d) < HORIZON_MS]
    )


async def test_how_channels_stand_and_what_waits_too_long(archive):
    before = await archive.standing()
    assert [(each.days, len(each.due)) for each in before] == [(0, len(DAYS))] * 2
    with capture_logs() as said:
        assert await archive.warn() == 2
    assert {(each["event"], each["oldest"][:10], each["days"]) for each in said} == {
        ("archive.behind", str(DAYS[0]), len(DAYS))
    }
    await archive.run()
    assert await archive.warn() == 0
    after = await archive.standing()
    assert [(each.days, each.lines, each.due) for each in after] == [(len(DAYS), 5 * len(DAYS), ())] * 2
    assert (str(after[0].first.date), str(after[0].last.date)) == (str(DAYS[0]), str(DAYS[-1]))


class Refusing(Objects):
    """Objects that cannot be put at some days."""

    def __init__(self, refused: set[int]) -> None:
        super().__init__(Objects.in_memory()._store, "memory:///")
        self.refused = refused

    async def put(self, place, pieces):
        if place.day_ms in self.refused:
            raise ArchiveUnavailable("no space left on device")
        await super().put(place, pieces)


async def test_a_day_that_cannot_be_stored_holds_up_no_other_but_a_full_disk_ends_the_run(archive, store):
    refusing = Refusing({start_of(DAYS[3])})
    both = await tiers(store, refusing)
    outcome = await (await both.exporter()).run(CHANNELS)
    assert (outcome.days, set(outcome.failed.values())) == (2 * len(DAYS) - 2, {"no space left on device"})
    kept = await both.index.failures()
    assert {failure.place: failure.reason for failure in kept} == outcome.failed
    refusing.refused = {start_of(day) for day in DAYS}
    for place in [place async for place in refusing.places()]:
        await both.index.note(place)
    later = await both.exporter(clock_ms=lambda: NOW_MS + 5000 * MS_IN_DAY)
    with pytest.raises(ArchiveUnavailable, match="no space left"):
        await later.run(CHANNELS)


async def test_a_damaged_day_is_mended_from_cassandra_only_while_that_has_all_of_it(archive, store):
    await archive.run()
    place = Place(CHANNELS[0], start_of(DAYS[0]))
    packed = b"".join([piece async for piece in archive.files.objects.pieces(place)])
    for damaged in (packed[:-9], None):
        if damaged is None:
            await archive.files.objects.delete(place)
        else:
            await archive.files.objects.put(place, iter([damaged]))
        assert await archive.exporter.export(place) == 5
        assert b"".join([piece async for piece in archive.files.objects.pieces(place)]) == packed
    await archive.files.objects.delete(place)
    await expire(store, chat(5, seed=31)[:40], NOW_MS)
    outcome = await archive.exporter.run([])
    await archive.exporter._try(place, None, outcome)
    assert "no longer has all of its 5 lines" in outcome.failed[place]
    assert await archive.files.objects.size(place) is None
