from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support import lines
from support.patience import patience
from support.small_disk import small_disk
from support.tiers import CHANNELS, DAYS, HORIZON_MS, NOW_MS, USERS, chat, expire, on_every_store, start_of, tiers

from store.archive import upkeep
from store.archive.archive import Archive, Lag
from store.archive.objects import Objects, Place
from store.archive.restoring import Restorer
from store.errors import ArchiveUnavailable
from store.keys import MS_IN_DAY
from store.message import Message
from store.optouts import Kind, Way
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, USER
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
        lag = await archive.look()
    assert (lag.open, lag.due, lag.missing, lag.behind) == (0, 2 * len(DAYS), 2 * len(DAYS), 2)
    assert lag.seconds == (NOW_MS - start_of(DAYS[0]) - MS_IN_DAY) / 1000
    assert {(each["event"], each["oldest"][:10], each["days"]) for each in said} == {
        ("archive.behind", str(DAYS[0]), len(DAYS))
    }
    await archive.run()
    assert await archive.look() == Lag()
    done = archive.exporter.counts
    assert (done.days, done.lines, done.failures) == (2 * len(DAYS), 10 * len(DAYS), 0)
    assert (done.bytes, done.seconds > 0) == (sum(each.bytes for each in await archive.standing()), True)
    after = await archive.standing()
    assert [(each.days, each.lines, each.due) for each in after] == [(len(DAYS), 5 * len(DAYS), ())] * 2
    assert (str(after[0].first.date), str(after[0].last.date)) == (str(DAYS[0]), str(DAYS[-1]))


class Refusing(Objects):
    """Objects that cannot be put at some days."""

    def __init__(self, refused: set[int]) -> None:
        super().__init__(Objects.in_memory()._store, "memory:///")
        self.refused = refused

    async def replace(self, place, pieces, size, known):
        if place.day_ms in self.refused:
            raise ArchiveUnavailable("no space left on device")
        return await super().replace(place, pieces, size, known)


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


def fill(disk: Path) -> Path:
    """Have a disk take no more; give the file that takes all of it."""
    filling = disk / "filling"
    filling.write_bytes(bytes(shutil.disk_usage(disk).free))
    return filling


async def test_a_full_disk_on_the_way_is_an_archive_that_is_not_there_now(archive, store, tmp_path, monkeypatch):
    with small_disk(tmp_path / "small", 1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        filling = fill(disk)
        for _ in range(2):
            with pytest.raises(ArchiveUnavailable, match=f"cannot be written to {disk} on its way.*No space left"):
                await archive.run()
        filling.unlink()
        monkeypatch.setattr(tempfile, "tempdir", str(disk / "missing"))
        with pytest.raises(ArchiveUnavailable, match="on its way to the archive: No such file"):
            await archive.run()
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        assert (await archive.run()).days == 2 * len(DAYS)
        fill(disk)
        with pytest.raises(ArchiveUnavailable, match="No space left"):
            await archive.exporter.rewrite(Place(CHANNELS[0], start_of(DAYS[0])), lambda message: message)
        monkeypatch.undo()


async def test_a_fault_of_ours_does_not_end_the_exporting(archive, monkeypatch):
    async def faulty() -> Lag:
        monkeypatch.undo()
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(type(archive), "look", lambda _self: faulty())
    with capture_logs() as told:
        exporting = asyncio.create_task(archive.follow(0))
        while archive.exporter.counts.days < 2 * len(DAYS):
            assert not exporting.done()
            await asyncio.sleep(0.01)
    exporting.cancel()
    assert ("archive.failed", True) in {(each["event"], each.get("exc_info", False)) for each in told}


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
    assert await archive.files.objects.stored(place) is None


@on_every_store
async def test_days_are_exported_merged_erased_and_looked_after_in_every_store(store, objects):
    days, gone = DAYS[:2], USERS[0]
    said, late = chat(8, seed=41, days=days), chat(5, seed=42, days=days[:1])
    writer = await Writer.open(store.session, Retention.of(0))
    await writer.write(said)
    await writer.flush()
    settings = store.session.settings
    archive = await Archive.open(
        store.session, settings, objects=objects, clock_ms=lambda: writer._clock_ms() + 120_000
    )
    both = await tiers(store, objects, horizon_ms=NOW_MS)

    async def stands(wanted: list[Message], written: list[Message]) -> None:
        await expire(store, written, NOW_MS)
        for channel_id in CHANNELS:
            log = Log(CHANNEL, (channel_id,), newest_first=False)
            mine = sorted((m for m in wanted if m.channel_id == channel_id), key=lambda m: m.position.order)
            assert [m.line async for piece in both.reader.stream(log) for m in piece] == [m.line for m in mine]

    assert (await archive.run()).days == 4
    await stands(said, said)
    await (await Writer.open(store.session, Retention.of(0))).write(late)
    assert (await archive.run()).failed == {}
    await stands(said + late, late)
    assert [each.problem async for each in upkeep.verify(archive.files, archive.index, archive.exporter)] == [None] * 4
    erased = archive.eraser.erase_user(gone, lambda message: None if gone in message.users else message)
    left = [message for message in said + late if gone not in message.users]
    assert sum([lines async for lines in erased]) == len(said + late) - len(left)
    await stands(left, [])
    damaged, missing = (Place(CHANNELS[0], start_of(day)) for day in days)
    packed = b"".join([piece async for piece in objects.pieces(damaged)])
    await objects.put(damaged, iter([packed[:40] + bytes([packed[40] ^ 1]) + packed[41:]]))
    await objects.delete(missing)
    problems = {
        each.place: each.problem
        async for each in upkeep.verify(archive.files, archive.index, archive.exporter)
        if each.problem
    }
    assert problems.keys() == {damaged, missing}
    await objects.put(damaged, iter([packed]))
    await store.session.execute(f"TRUNCATE {store.session.table('archived_days')}")
    assert [each.problem async for each in upkeep.reindex(archive.files, archive.index, archive.exporter)] == [None] * 3
    await stands([m for m in left if m.channel_id != CHANNELS[0] or m.sent_ms < start_of(days[1])], [])


async def test_what_another_replaced_meanwhile_is_not_replaced_unseen(store, objects):
    days = DAYS[:1]
    said, late = chat(8, seed=43, days=days), chat(5, seed=44, days=days)
    await (await Writer.open(store.session, Retention.of(0))).write(said)
    both, place = await tiers(store, objects, horizon_ms=NOW_MS), Place(CHANNELS[0], start_of(days[0]))
    slow, other = await both.exporter(), await both.exporter()
    store_it = slow._store

    async def overtaken(*asked):
        """Stand still for longer than a lease lasts, when everything was read."""
        await (await Writer.open(store.session, Retention.of(0))).write(late)
        await other.export(place)
        await store_it(*asked)

    slow._store = overtaken
    with pytest.raises(
        ArchiveUnavailable, match="another has replaced the file of 2023-12-29 of channel 9001 meanwhile"
    ):
        await slow.export(place)
    await expire(store, said + late, NOW_MS)
    log = Log(CHANNEL, (CHANNELS[0],), newest_first=False)
    mine = sorted((m for m in said + late if m.channel_id == CHANNELS[0]), key=lambda m: m.position.order)
    assert [m.line async for piece in both.reader.stream(log) for m in piece] == [m.line for m in mine]


async def test_the_archive_forgets_what_it_keeps_no_longer_by_channel(archive, store):
    assert (await archive.run()).days == 2 * len(DAYS)
    assert await archive.forget_old() == 0
    await archive.wanted.add([f"id:{CHANNELS[0]}"], Rules(archive_days=(NOW_MS - start_of(DAYS[7])) // MS_IN_DAY))
    archive.kept_days = (NOW_MS - start_of(DAYS[3])) // MS_IN_DAY
    assert await archive.forget_old() == 5 * 7 + 5 * 3
    left = {CHANNELS[0]: DAYS[7:], CHANNELS[1]: DAYS[3:]}
    for channel_id, days in left.items():
        assert {place.date async for place in archive.files.objects.places(channel_id)} == set(days)
        assert [day.place.date for day in await archive.index.days(channel_id)] == list(days)
    assert not [user for user in USERS if start_of(dt.date(2023, 12, 1)) in await archive.index.user_months(user)]
    # It is still in Cassandra, and no reason to export it again, nor to be alarmed; nor are lines that come late.
    assert (await archive.look(), (await archive.run()).days, await archive.forget_old()) == (Lag(), 0, 0)
    assert [each.due for each in await archive.standing()] == [()] * 2
    await archive.wanted.add([f"id:{CHANNELS[0]}"], Rules(archive_days=0))
    assert (await archive.run()).days == 7
    assert [each.problem async for each in upkeep.verify(archive.files, archive.index, archive.exporter)] == [None] * (
        2 * len(DAYS) - 3
    )


async def test_what_was_said_of_a_channel_counts_for_its_days_when_it_is_read_no_more(archive):
    assert (await archive.run()).days == 2 * len(DAYS)
    for_ever, a_week = ([f"id:{channel_id}"] for channel_id in CHANNELS)
    await archive.wanted.add(for_ever, Rules(archive_days=0))
    await archive.wanted.add(a_week, Rules(retention_days=7))
    archive.kept_days = 1
    await archive.wanted.remove(for_ever + a_week)
    assert await archive.channel_ids() == [CHANNELS[0]]
    assert await archive.since([CHANNELS[0]]) == {CHANNELS[0]: 0}
    [again] = await archive.wanted.add(["channel9001"])
    assert (again.channel_id, await archive.since([CHANNELS[0]])) == (None, {CHANNELS[0]: 0})
    await archive.wanted.learn(again, CHANNELS[0])
    assert await archive.since([CHANNELS[0]]) == {CHANNELS[0]: 0}
    await archive.forget_old()
    assert {place.date async for place in archive.files.objects.places(CHANNELS[0])} == set(DAYS)


async def test_no_day_is_forgotten_while_it_is_not_known_whether_a_rule_is_its_channels(archive):
    await archive.run()
    archive.kept_days = 1
    [channel] = await archive.wanted.add(["channel9001"], Rules(archive_days=400))
    assert (await archive.since(CHANNELS))[CHANNELS[0]] == 0
    await archive.wanted.add(["channel9002"], Rules(retention_days=7))
    assert await archive.channel_ids() == [CHANNELS[0]]
    await archive.wanted.learn(channel, CHANNELS[0])
    assert await archive.since([CHANNELS[0]]) == {CHANNELS[0]: NOW_MS // MS_IN_DAY * MS_IN_DAY - 400 * MS_IN_DAY}


async def test_a_closed_day_on_which_nothing_is_left_waits_no_longer(archive, store):
    session, index = store.session, store.session.table("channel_buckets")
    days = [Place(channel_id, start_of(day)) for channel_id in CHANNELS for day in DAYS]

    async def listed(places: list[Place], when: str) -> None:
        """Have days in the index, as an erasure leaves those that are not over."""
        for place in places:
            await session.execute(
                f"INSERT INTO {index} (channel_id, bucket, width, ends) VALUES ({place.channel_id}, {place.day_ms}, "
                f"'day', {place.day_ms + MS_IN_DAY}) {when}"
            )

    await session.execute(f"TRUNCATE {index}")
    await listed(days, f"USING TIMESTAMP {NOW_MS * 1000}")
    await archive.optouts.add(Kind.CHANNEL, [CHANNELS[1]], Way.ADMIN)
    delete = await session.prepare(f"DELETE FROM {session.table(CHANNEL.table)} WHERE channel_id = ? AND bucket = ?")
    for place in days[: len(DAYS)]:
        await session.execute(delete.bind((place.channel_id, place.day_ms)))
    assert (await archive.look()).missing == len(days)
    assert (await archive.run()).failed == {}
    # Lines that are still to be erased must be found by whoever does that.
    waiting = [await archive.exporter.waiting(channel_id) for channel_id in CHANNELS]
    assert [list(each.missing) for each in waiting] == [[], days[len(DAYS) :]]
    # A line may be on its way into a bucket that was opened a moment ago.
    await listed(days[:1], "")
    await archive.run()
    assert list((await archive.exporter.waiting(CHANNELS[0])).missing) == days[:1]


KEPT = 30 * 86_400


@pytest.fixture
async def late_for(store) -> tuple[Archive, list[Message]]:
    """An archive whose exporter was away for all but two of the thirty days that lines are kept."""
    today = dt.datetime.now(dt.UTC).date()
    said = chat(6, seed=51, days=[today - dt.timedelta(days=ago) for ago in (28, 27, 15, 0)])
    said = [message for message in said if message.sent_ms <= time.time_ns() // 1_000_000]
    outcome = await (await Writer.open(store.session, Retention.of(KEPT))).write(said)
    assert not outcome.refused
    archive = await Archive.open(store.session, store.session.settings, objects=Objects.in_memory())
    return archive, said


async def test_an_exporter_that_was_away_for_all_but_two_days_raises_the_alarm_and_nothing_is_lost(late_for, store):
    archive, said = late_for
    renewal, oldest = archive.renewal, (await archive.exporter.waiting(CHANNELS[0])).missing[0]
    assert 0 < await renewal.seconds_left(oldest) <= 2 * 86_400
    exporting = asyncio.create_task(archive.follow(3600))
    with capture_logs() as told:
        async with patience():
            while archive.lag.missing or archive.exporter.counts.days < 6:
                assert not exporting.done()
                await asyncio.sleep(0.01)
    exporting.cancel()
    assert [(each["log_level"], each["event"], each["days"]) for each in told if each["event"] == "archive.behind"] == [
        ("error", "archive.behind", 3)
    ] * 2
    assert archive.lag.behind == 0
    await expire(store, said, time.time_ns() // 1_000_000 // MS_IN_DAY * MS_IN_DAY)
    both = await tiers(store, archive.files.objects, horizon_ms=time.time_ns() // 1_000_000)
    for channel_id in CHANNELS:
        log = Log(CHANNEL, (channel_id,), newest_first=False)
        mine = sorted((m for m in said if m.channel_id == channel_id), key=lambda m: m.position.order)
        assert [m.line async for piece in both.reader.stream(log) for m in piece] == [m.line for m in mine]


async def test_what_would_expire_before_it_can_be_exported_is_kept_for_longer(late_for, store):
    archive, said = late_for
    missing = (await archive.exporter.waiting(CHANNELS[0])).missing
    with capture_logs() as told:
        lag = await archive.look()
    renewed = [each for each in told if each["event"] == "archive.renewed"]
    soon = [Place(channel_id, missing[0].day_ms) for channel_id in CHANNELS]
    assert [(each["day"], each["lines"]) for each in renewed] == [(str(place), 6) for place in soon]
    assert lag.renewed == 12
    assert await archive.renewal.seconds_left(missing[0]) > 6.9 * 86_400
    assert await archive.renewal.seconds_left(missing[2]) < 16 * 86_400
    for shape, key in ((CHANNEL, CHANNELS[0]), (USER, USERS[0])):
        session, start = store.session, shape.width.start(missing[0].day_ms)
        rows = await session.execute(
            f"SELECT toUnixTimestamp(sent), TTL(type) FROM {session.table(shape.table)} "
            f"WHERE {shape.key[0]} = {key} AND bucket = {start}"
        )
        left = [left for sent_ms, left in rows if sent_ms < missing[0].day_ms + MS_IN_DAY]
        of_day = [m for m in said if m.sent_ms < missing[0].day_ms + MS_IN_DAY and key in (m.channel_id, m.author_id)]
        assert len(left) == len(of_day) > 0
        assert min(left) > 6.9 * 86_400
    # It is not told twice, nor exported otherwise than it would have been.
    with capture_logs() as told:
        await archive.look()
    assert {each["event"] for each in told} == {"archive.behind"}
    assert (await archive.run()).lines == len([m for m in said if m.sent_ms < missing[-1].day_ms + MS_IN_DAY])


async def test_what_is_kept_for_longer_or_brought_back_hides_no_line_of_another_channel(store):
    archive = await Archive.open(store.session, store.session.settings, objects=Objects.in_memory())
    [demo] = await archive.wanted.add(["demo"], Rules(retention_days=0))
    await archive.wanted.learn(demo, 77)
    writer, at_ms = await archive.writer(), time.time_ns() // 1_000_000 - 3 * MS_IN_DAY
    place = Place(lines.CHANNEL_ID, at_ms // MS_IN_DAY * MS_IN_DAY)
    here, there = (
        Message.parse(lines.privmsg(name, number=number, sent_ms=at_ms, channel_id=channel_id, channel=name))
        for number, (name, channel_id) in enumerate((("demo", 77), ("moonbase", lines.CHANNEL_ID)))
    )

    async def listed() -> set[int | None]:
        return {ttl for (ttl,) in await store.session.execute(f"SELECT TTL(ends) FROM {index}")}

    index = store.session.table("user_buckets")
    await writer.write([here, there])
    assert await archive.renewal.renew(place) == 1
    assert await listed() == {None}
    await archive.exporter.export(place)
    await store.session.execute(f"TRUNCATE {store.session.table('channel_messages')}")
    restorer = await Restorer.open(archive)
    assert [
        each.problem async for each in upkeep.reindex(archive.files, archive.index, archive.exporter, None, restorer)
    ] == [None]
    assert len((await store.reader.page(Log(CHANNEL, (lines.CHANNEL_ID,)), limit=2)).messages) == 1
    assert await listed() == {None}
