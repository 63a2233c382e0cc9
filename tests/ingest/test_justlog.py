from __future__ import annotations

import asyncio
import gzip
import os
import signal
from dataclasses import replace

import orjson
import pytest
from support import lines
from support.imports import DAY_MS, RECENT_MS, imported, log_of, put_day, put_user, said

from ingest.errors import ImportBrokenOff
from ingest.import_pool import Plan, carry_out, look
from ingest.importing import Importer, Part, Reading, Report
from ingest.justlog import JustlogTree
from store.archive.archive import Archive
from store.archive.lease import name_of
from store.archive.objects import Objects, Place
from store.errors import StoreUnavailable
from store.keys import MS_IN_DAY
from store.message import Message
from store.optouts import Kind, Way
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.wanted import Rules


async def test_a_tree_is_taken_in_once_and_goes_on_where_it_ended(store, archive, tree, tmp_path):
    done = tmp_path / "data" / "done"
    old, more, recent = said(DAY_MS, 40, 0), said(DAY_MS + 30_000_000, 20, 100), said(RECENT_MS, 10, 200)
    put_day(tree, DAY_MS, [*old[::-1], "PING :no chat"], packed=True)
    put_day(tree, DAY_MS, more + old[:5])
    put_day(tree, RECENT_MS, recent, packed=True)
    # A line of the next day, as where clocks were not in UTC.
    stray = said(DAY_MS + MS_IN_DAY, 1, 300)
    put_day(tree, DAY_MS - MS_IN_DAY, stray)
    outcome = await imported(store, archive, JustlogTree(tree), done)
    assert (outcome.parts, outcome.written, outcome.failed) == (3, 10, [])
    assert outcome.archived == 60 + 1
    assert sum(outcome.refused.values()) == 1
    everything = [*old, *more, *stray, *recent]
    assert await log_of(store, archive, CHANNEL, (9001,)) == everything
    assert await log_of(store, archive, CHANNEL_USER, (9001, 501)) == [x for x in everything if "user-id=501" in x]
    assert await log_of(store, archive, USER, (502,)) == [x for x in everything if "user-id=502" in x]
    assert [name.login for name in await store.directory.logins_of(501)] == ["ada_lift"]
    assert [channel.login for channel in await store.directory.channels()] == ["moonbase"]
    again = await imported(store, archive, JustlogTree(tree), done)
    assert (again.parts, again.before, again.archived) == (0, 3, 0)
    put_day(tree, DAY_MS, [*more, *said(DAY_MS + 60_000_000, 1, 400)])
    again = await imported(store, archive, JustlogTree(tree), done)
    assert (again.parts, again.before, again.archived) == (1, 2, 61)
    assert len(await log_of(store, archive, CHANNEL, (9001,))) == len(everything) + 1
    assert (await imported(store, archive, JustlogTree(tree), done, again=True)).before == 0


async def left(store, table: str, column: str) -> list[int | None]:
    """Give the days that remain to each row of a table, rounded up; None is for ever."""
    rows = await store.session.execute(f"SELECT TTL({column}) FROM {store.session.table(table)}")
    return [seconds and -(-seconds // 86_400) for (seconds,) in rows]


@pytest.mark.parametrize("known_by", ["id", "login"])
async def test_lines_of_a_channel_with_a_retention_of_its_own_are_kept_as_that_says(
    store, archive, tree, tmp_path, known_by
):
    [channel] = await archive.wanted.add([lines.CHANNEL], Rules(retention_days=0))
    if known_by == "id":
        await archive.wanted.learn(channel, lines.CHANNEL_ID)
    put_day(tree, DAY_MS, [*said(DAY_MS, 5, 0), lines.gift(number=9, sent_ms=DAY_MS + 9000)])
    put_day(tree, RECENT_MS, said(RECENT_MS, 4, 50))
    outcome = await imported(store, archive, JustlogTree(tree), tmp_path / "done")
    assert (outcome.written, outcome.archived, outcome.refused) == (10, 0, {})
    assert await left(store, "channel_messages", "type") == [None] * 10
    await archive.wanted.add([lines.CHANNEL], Rules(retention_days=7))
    again = await imported(store, archive, JustlogTree(tree), tmp_path / "done", again=True)
    assert (again.written, again.archived, again.refused) == (4, 0, {"it is older than the retention": 6})


async def test_what_is_taken_in_hides_no_line_of_another_channel_that_is_kept_longer(store, archive, tree, tmp_path):
    [demo] = await archive.wanted.add(["demo"], Rules(retention_days=0))
    await archive.wanted.learn(demo, 77)
    there = lines.privmsg("for ever", number=1, sent_ms=RECENT_MS, channel_id=77, channel="demo")
    await (await archive.writer()).write([Message.parse(there)])
    await archive.wanted.remove(["demo"])
    put_day(tree, RECENT_MS, said(RECENT_MS, 4, 50))
    assert (await imported(store, archive, JustlogTree(tree), tmp_path / "done")).written == 4
    # One user spoke in both channels, the other in this one alone; what is listed for all is as long as the longest.
    assert set(await left(store, "user_buckets", "ends")) == {None}


async def test_users_files_are_read_for_days_without_a_channels_file(store, archive, tree, tmp_path):
    both = said(DAY_MS, 6, 0), said(DAY_MS + 3 * MS_IN_DAY, 7, 50)
    gift = lines.gift(number=90, sent_ms=DAY_MS + 3 * MS_IN_DAY + 90_000)
    put_day(tree, DAY_MS, both[0][:5])
    for user in (501, 502):
        mine = [line for day in both for line in day if f"user-id={user}" in line]
        put_user(tree, DAY_MS, user, [*mine, gift], packed=user == 502)
    put_user(tree, DAY_MS, "", [lines.clearchat(None, sent_ms=DAY_MS + 3 * MS_IN_DAY + 91_000)])
    outcome = await imported(store, archive, JustlogTree(tree), tmp_path / "done")
    assert (outcome.parts, outcome.failed) == (2, [])
    found = await log_of(store, archive, CHANNEL, (9001,))
    assert found[:-2] == [*both[0][:5], *both[1]]
    assert found[-2] == gift
    assert "CLEARCHAT" in found[-1]
    assert gift in await log_of(store, archive, USER, (502,))
    assert len((await JustlogTree(tree).parts())[1].files) == 3


async def test_a_month_whose_days_are_all_there_has_no_need_of_users_files(tree):
    for day in range(31):
        put_day(tree, DAY_MS + day * MS_IN_DAY, [])
    put_user(tree, DAY_MS, 501, said(DAY_MS, 1, 0))
    assert len(await JustlogTree(tree).parts()) == 31


async def test_what_is_taken_in_comes_out_byte_for_byte_and_can_be_taken_in_again(store, archive, tree, tmp_path):
    odd = [
        lines.privmsg("caf\udce9 \x01", number=1, sent_ms=DAY_MS + 1),
        lines.privmsg("odd order", number=2, sent_ms=DAY_MS + 2).replace("@", "@zz=1;", 1),
        *[lines.without(lines.privmsg("twice", sent_ms=DAY_MS + 3000), "id")] * 2,
        lines.gift(number=4, sent_ms=DAY_MS + 4000),
        lines.clearchat(sent_ms=DAY_MS + 5000),
        lines.clearmsg("x", sent_ms=DAY_MS + 6000),
        lines.privmsg("\x01ACTION waves\x01", number=7, sent_ms=DAY_MS + MS_IN_DAY - 1),
    ]
    recent = said(RECENT_MS, 10, 200)
    put_day(tree, DAY_MS, odd, packed=True)
    put_day(tree, RECENT_MS, recent)
    assert (await imported(store, archive, JustlogTree(tree), tmp_path / "done")).refused == {}
    await archive.run()
    again = tmp_path / "again"
    async for place in archive.files.objects.places():
        path = again / place.path
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join([piece async for piece in archive.files.objects.pieces(place)]))
    text = {day: gzip.decompress((again / Place(9001, day).path).read_bytes()) for day in (DAY_MS, RECENT_MS)}
    assert text[DAY_MS] == "".join(f"{line}\n" for line in odd).encode("utf-8", "surrogateescape")
    assert text[RECENT_MS] == "".join(f"{line}\n" for line in recent).encode()
    # What the archive is made of is a directory of justlog.
    other = await Archive.open(store.session, store.session.settings, objects=Objects.in_memory())
    outcome = await imported(store, other, JustlogTree(again), tmp_path / "other")
    assert (outcome.archived, outcome.written, outcome.refused) == (len(odd), len(recent), {})
    place = Place(9001, DAY_MS)
    assert [x async for x in other.files.objects.pieces(place)] == [
        x async for x in archive.files.objects.pieces(place)
    ]


async def test_a_damaged_file_is_named_and_the_others_are_taken_in(store, archive, tree, tmp_path):
    done = tmp_path / "done"
    path = put_day(tree, DAY_MS, said(DAY_MS, 40, 0), packed=True)
    path.write_bytes(path.read_bytes()[:-30])
    put_day(tree, DAY_MS + MS_IN_DAY, said(DAY_MS + MS_IN_DAY, 5, 50))
    outcome = await imported(store, archive, JustlogTree(tree), done)
    assert outcome.parts == 1
    assert [str(path) in failure for failure in outcome.failed] == [True]
    put_day(tree, DAY_MS, said(DAY_MS, 40, 0), packed=True)
    assert (await imported(store, archive, JustlogTree(tree), done)).failed == []
    assert len(await log_of(store, archive, CHANNEL, (9001,))) == 45


async def test_what_is_written_while_a_tree_is_taken_in_is_taken_in_the_next_time(store, archive, tree, tmp_path):
    paths = [put_day(tree, DAY_MS + day * MS_IN_DAY, said(DAY_MS + day * MS_IN_DAY, 5, 50 * day)) for day in range(3)]
    more = said(DAY_MS + 30_000_000, 1, 200)
    plan = Plan(JustlogTree(tree), store.session.settings, tmp_path / "done")
    read = 0

    def written(count: int) -> None:
        """Write the last lines of the first day, and compress the second, once both were read."""
        nonlocal read
        read += count
        if read == sum(path.stat().st_size for path in paths if path.exists()):
            put_day(tree, DAY_MS, [*said(DAY_MS, 5, 0), *more])
            paths[1].unlink()
            put_day(tree, DAY_MS + MS_IN_DAY, said(DAY_MS + MS_IN_DAY, 5, 50), packed=True)

    outcome = await carry_out(plan, await look(plan, archive), written, archive)
    assert (outcome.parts, outcome.archived, outcome.failed) == (3, 15, [])
    assert not paths[1].exists()
    again = await imported(store, archive, JustlogTree(tree), tmp_path / "done")
    assert (again.parts, again.before) == (2, 1)
    assert more[0] in await log_of(store, archive, CHANNEL, (9001,))


async def test_a_file_that_goes_while_it_is_looked_for_is_named_and_the_others_are_taken_in(
    store, archive, tree, tmp_path
):
    class Listed(JustlogTree):
        async def parts(self) -> list[Part]:
            return [Part(9001, (tree / "gone.txt",)), *await JustlogTree.parts(self)]

    put_day(tree, DAY_MS, said(DAY_MS, 5, 0))
    outcome = await imported(store, archive, Listed(tree), tmp_path / "done")
    assert outcome.archived == 5
    assert outcome.failed == [f"{tree / 'gone.txt'} cannot be read: No such file or directory; begin again"]


async def test_who_has_opted_out_is_neither_taken_in_nor_reported(store, archive, tree, tmp_path):
    put_day(tree, DAY_MS, said(DAY_MS, 10, 0))
    put_day(tree, RECENT_MS, said(RECENT_MS, 10, 50))
    await archive.optouts.add(Kind.USER, [501], Way.ADMIN)
    outcome = await imported(store, archive, JustlogTree(tree), tmp_path / "done", report=tmp_path / "report")
    assert (outcome.archived, outcome.written) == (5, 5)
    assert outcome.refused == {"its author, or its channel, has opted out": 10}
    assert not any("user-id=501" in line for line in await log_of(store, archive, CHANNEL, (9001,)))
    assert not (tmp_path / "report").exists()


async def test_a_log_that_was_erased_meanwhile_is_found_again_by_what_comes_later(store, archive, tree):
    given = said(RECENT_MS, 4, 50)
    put_day(tree, RECENT_MS, given)
    importer = await Importer.open(JustlogTree(tree), archive, report=Report(None))
    [part] = await JustlogTree(tree).parts()
    await importer.take(part)
    # An erasing takes the index rows of what it has emptied, and tells all by who is out.
    await store.session.execute(f"TRUNCATE {store.session.table('user_buckets')}")
    await archive.optouts.add(Kind.USER, [599], Way.ADMIN)
    await importer.take(part)
    assert await log_of(store, archive, USER, (502,)) == [line for line in given if "user-id=502" in line] != []


async def test_lines_without_a_place_are_counted_and_reported(store, archive, tree, tmp_path):
    timeless, report = lines.without(lines.privmsg("when?"), "tmi-sent-ts"), tmp_path / "report"
    path = put_day(tree, DAY_MS, [timeless, "caf\udce9", *said(DAY_MS, 2, 0), "x" * 20_000])
    outcome = await imported(store, archive, JustlogTree(tree), tmp_path / "done", report=report)
    assert outcome.archived == 2
    assert sum(outcome.refused.values()) == 3
    told = [orjson.loads(line) for line in report.read_text().splitlines()]
    assert [(each["file"], each["line"]) for each in told] == [(str(path), timeless), (str(path), "caf\\xe9")]
    assert "tmi-sent-ts" in told[0]["reason"]


async def test_a_dry_run_stores_nothing(store, archive, tree, tmp_path):
    put_day(tree, DAY_MS, [*said(DAY_MS, 7, 0), "no line"])
    put_day(tree, RECENT_MS, said(RECENT_MS, 3, 50))
    done, report = tmp_path / "done", tmp_path / "report"
    outcome = await imported(store, archive, JustlogTree(tree), done, dry=True, report=report)
    assert (outcome.parts, outcome.archived, outcome.written) == (2, 7, 3)
    assert report.exists()
    assert not done.exists()
    assert await log_of(store, archive, CHANNEL, (9001,)) == []
    assert await store.directory.channels() == []
    assert [place async for place in archive.files.objects.places()] == []


async def test_several_processes_share_the_days(store, tree, tmp_path):
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    everything: list[str] = []
    for day in range(5):
        # Each file ends with lines of the next day, which another process takes in at the same time.
        text = said(DAY_MS + day * MS_IN_DAY + MS_IN_DAY - 20_000, 40, 100 * day)
        everything += text
        put_day(tree, DAY_MS + day * MS_IN_DAY, text, packed=day % 2 == 0)
    read: list[int] = []
    plan = Plan(JustlogTree(tree), settings, tmp_path / "done", jobs=2)
    archive = await Archive.open(store.session, settings)
    outcome = await carry_out(plan, work := await look(plan, archive), read.append)
    assert (outcome.parts, outcome.archived, outcome.failed) == (5, 200, [])
    assert sum(read) == work.size
    assert await log_of(store, archive, CHANNEL, (9001,)) == everything
    assert [name.login for name in await store.directory.logins_of(502)] == ["ada_lift"]
    assert (await carry_out(plan, await look(plan, archive), read.append)).before == 5


class Killing(JustlogTree):
    """A tree whose second day ends the process that reads it, as a machine that is short of memory does."""

    def reading(self, part: Part) -> Reading:
        if "second" in part.files[0].parts:
            os.kill(os.getpid(), signal.SIGKILL)
        return JustlogTree.reading(self, part)


async def test_a_process_that_is_killed_is_a_sentence_and_the_import_goes_on_where_it_ended(store, tree, tmp_path):
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    put_day(tree, DAY_MS, said(DAY_MS, 5, 0))
    put_day(tree / "second", DAY_MS + MS_IN_DAY, said(DAY_MS + MS_IN_DAY, 5, 50))
    archive = await Archive.open(store.session, settings)
    plan = Plan(Killing(tree), settings, tmp_path / "done", jobs=2)
    with pytest.raises(ImportBrokenOff, match="begin again"):
        await carry_out(plan, await look(plan, archive), lambda _count: None)
    plan = Plan(JustlogTree(tree), settings, tmp_path / "done", jobs=1)
    assert (await carry_out(plan, await look(plan, archive), lambda _count: None)).failed == []
    assert len(await log_of(store, archive, CHANNEL, (9001,))) == 10


async def test_a_cassandra_that_the_processes_cannot_reach_is_said_as_it_is(store, tree, tmp_path, unused_port):
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    put_day(tree, DAY_MS, said(DAY_MS, 5, 0))
    plan = Plan(JustlogTree(tree), settings, tmp_path / "done", jobs=2)
    work = await look(plan, await Archive.open(store.session, settings))
    away = replace(plan, settings=settings.model_copy(update={"cql_port": unused_port}))
    with pytest.raises(StoreUnavailable, match=f"port {unused_port}"):
        await carry_out(away, work, lambda _count: None)


async def test_a_lease_that_another_holds_is_waited_for(store, archive, tree, tmp_path):
    put_day(tree, DAY_MS, said(DAY_MS, 3, 0))
    async with archive.exporter._leases.held(name_of(Place(9001, DAY_MS))):
        other = await Archive.open(store.session, store.session.settings, objects=archive.files.objects)
        work = asyncio.create_task(imported(store, other, JustlogTree(tree), tmp_path / "done"))
        done, _ = await asyncio.wait({work}, timeout=0.5)
        assert not done
    assert (await work).archived == 3
