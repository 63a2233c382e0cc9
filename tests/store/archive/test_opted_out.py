"""Who has opted out is not shown from the archive, and is erased from it by the same job as from the tables."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

import pytest
from support.tiers import CHANNELS, DAYS, NOW_MS, USERS, chat, expire, start_of, tiers

from store.archive.eraser import ArchiveEraser
from store.archive.objects import Place
from store.erasers import Archived, erasers_of
from store.erasing import Erased, Erasure
from store.errors import ArchiveDamaged, ArchiveUnavailable
from store.keys import MS_IN_DAY
from store.opted_out import STILL_OUT, OptedOut
from store.optouts import Kind, Optouts, Way
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL
from store.tiers import TieredReader
from store.writer import Writer

OUT = OptedOut({USERS[0]: STILL_OUT})


def shown(said, channel_id: int) -> list[str]:
    found = [message for message in said if message.channel_id == channel_id and USERS[0] not in message.users]
    return [message.line for message in sorted(found, key=lambda message: message.position.order)]


async def test_lines_of_who_is_out_are_left_out_of_pages_and_streams(exported):
    both, said = exported
    reader = TieredReader(both.reader.hot, both.reader.cold, both.horizon, lambda: OUT)
    log = Log(CHANNEL, (CHANNELS[0],), newest_first=False)
    assert [message.line async for piece in reader.stream(log) for message in piece] == shown(said, CHANNELS[0])
    page = await reader.page(log, limit=5)
    assert [message.line for message in page.messages] == shown(said, CHANNELS[0])[:5]


async def test_the_job_erases_the_archive_too(exported):
    both, _ = exported
    exporter, found = await both.exporter(), []

    async def take_note(lines: int) -> None:
        found.append(lines)

    eraser = ArchiveEraser(exporter, both.index, both.objects, exporter._leases)
    archive = SimpleNamespace(eraser=eraser, files=both.files, index=both.index)
    erasure = Erasure(Kind.USER, USERS[0], frozenset(), NOW_MS, is_out=True, found=take_note)
    assert await Archived(archive).erase(erasure) is Erased.WHOLLY
    assert sum(found) > 0
    for channel_id in CHANNELS:
        for place in [place async for place in both.objects.places(channel_id)]:
            text = gzip.decompress(b"".join([piece async for piece in both.objects.pieces(place)]))
            assert f"user-id={USERS[0]}".encode() not in text


async def test_who_is_out_or_opts_out_meanwhile_is_not_exported(store):
    said = chat(6, seed=24)
    await (await Writer.open(store.session, Retention.of(0))).write(said)
    both = await tiers(store, horizon_ms=NOW_MS)
    optouts = await Optouts.open(store.session)
    await optouts.add(Kind.USER, [USERS[0]], Way.ADMIN)
    exporter = await both.exporter(optouts=optouts)
    record, others = exporter._index.record_users, await Optouts.open(store.session)

    async def recorded(*day) -> None:
        """Have another opt out, and be erased from what is recorded, just before this day is."""
        exporter._index.record_users = record
        await others.add(Kind.USER, [USERS[1]], Way.ADMIN)
        await record(*day)

    exporter._index.record_users = recorded
    assert (await exporter.run(CHANNELS)).failed == {}
    places = [place async for place in both.objects.places()]
    assert len(places) > 10
    for place in places:
        text = gzip.decompress(b"".join([piece async for piece in both.objects.pieces(place)]))
        assert f"user-id={USERS[0]}".encode() not in text
        assert f"user-id={USERS[1]}".encode() not in text
    assert await both.index.user_months(USERS[1]) == []
    # All that is left of a day may be theirs.
    await others.add(Kind.CHANNEL, [CHANNELS[0]], Way.ADMIN)
    for place in places:
        await exporter.export(place)
    assert {place.channel_id async for place in both.objects.places()} == {CHANNELS[1]}
    assert await both.index.days(CHANNELS[0]) == []


async def test_a_damaged_day_is_mended_without_those_who_are_out_while_cassandra_has_all_others(store):
    said = chat(6, seed=25)
    await (await Writer.open(store.session, Retention.of(0))).write(said)
    both = await tiers(store)
    optouts = await Optouts.open(store.session)
    exporter = await both.exporter(optouts=optouts, horizon=both.horizon)
    await exporter.run(CHANNELS)
    old, recent, other = (Place(CHANNELS[0], start_of(DAYS[at])) for at in (0, -3, -2))
    assert old.day_ms < both.horizon.ms <= recent.day_ms
    for place in (old, recent, other):
        await both.objects.put(place, iter([b"no gzip at all"]))
    # Someone who has no line there explains no line that is missing.
    await optouts.add(Kind.USER, [999], Way.ADMIN)
    of_day = [m for m in said if Place(m.channel_id, m.sent_ms // MS_IN_DAY * MS_IN_DAY) == other]
    await expire(store, of_day[:1], NOW_MS)
    with pytest.raises(ArchiveDamaged, match="no longer has all"):
        await exporter.export(other)
    await optouts.add(Kind.USER, [USERS[0]], Way.ADMIN)
    eraser = ArchiveEraser(exporter, both.index, both.objects, exporter._leases)
    with pytest.raises(ArchiveDamaged):
        assert [_ async for _ in eraser.erase_user(USERS[0], optouts.now().shown)]
    with pytest.raises(ArchiveDamaged, match="no longer has all"):
        await exporter.export(old)
    left = [m for m in said if Place(m.channel_id, m.sent_ms // MS_IN_DAY * MS_IN_DAY) == recent]
    assert any(USERS[0] in m.users for m in left)
    assert await exporter.export(recent) == len([m for m in left if USERS[0] not in m.users])
    for place in (old, other):
        await both.objects.delete(place)
    assert [_ async for _ in eraser.erase_user(USERS[0], optouts.now().shown)]
    assert await both.index.user_months(USERS[0]) == []


async def test_a_damaged_day_does_not_keep_others_from_being_erased(exported):
    both, _ = exported
    first = min([place async for place in both.objects.places(CHANNELS[0])])
    await both.objects.put(first, iter([b"no gzip at all"]))
    exporter = await both.exporter()
    eraser = ArchiveEraser(exporter, both.index, both.objects, exporter._leases)
    with pytest.raises(ArchiveDamaged, match=str(first)):
        assert [gone async for gone in eraser.erase_channel(CHANNELS[0], lambda _: None)] == []
    assert [place async for place in both.objects.places(CHANNELS[0])] == [first]


async def test_an_erasure_is_not_complete_while_nobody_says_where_the_archive_is(exported, store):
    *_, archived = await erasers_of(store.session)

    async def take_note(_: int) -> None: ...

    erasure = Erasure(Kind.USER, USERS[0], frozenset(), NOW_MS, is_out=True, found=take_note)
    with pytest.raises(ArchiveUnavailable, match="LOGSTV_ARCHIVE_URL has to name it"):
        await archived.erase(erasure)
    await store.session.execute(f"TRUNCATE {store.session.table('archived_days')}")
    assert await archived.erase(erasure) is Erased.WHOLLY
