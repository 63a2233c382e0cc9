from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest
from support import lines

from ingest.justlog import JustlogImport, files_of
from store.archive.archive import Archive
from store.archive.files import Files
from store.archive.objects import Objects
from store.archive.reader import ArchiveReader
from store.keys import MS_IN_DAY
from store.optouts import Kind, Way
from store.reader import Log
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.tiers import TieredReader
from store.writer import Writer

DAY_MS = lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY
RECENT_MS = time.time_ns() // 1_000_000 // MS_IN_DAY * MS_IN_DAY - 5 * MS_IN_DAY


def said(start_ms: int, count: int, first: int) -> list[str]:
    return [
        lines.privmsg(f"line {first + at}", number=first + at, sent_ms=start_ms + at * 1000, user_id=501 + at % 2)
        for at in range(count)
    ]


def put(folder: Path, start_ms: int, text: list[str], *, packed: bool = False) -> Path:
    date = time.gmtime(start_ms // 1000)
    path = folder / f"9001/{date.tm_year}/{date.tm_mon}/{date.tm_mday}" / f"channel.txt{'.gz' if packed else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(line + "\n" for line in text).encode()
    path.write_bytes(gzip.compress(body) if packed else body)
    return path


@pytest.fixture
async def archive(store) -> Archive:
    return await Archive.open(store.session, store.session.settings, objects=Objects.in_memory())


async def imported(store, archive, tree: Path, done: Path):
    writer = await Writer.open(store.session)
    horizon = await store.reader._horizon.of(CHANNEL)
    return await JustlogImport(tree, done, archive, writer, horizon).run()


async def read(store, archive, shape, key) -> list[str]:
    cold = ArchiveReader(Files(archive.files.objects), archive.index)
    reader = TieredReader(store.reader.hot, cold, store.reader._horizon)
    log = Log(shape, key, newest_first=False)
    return [message.line async for piece in reader.stream(log) for message in piece]


async def test_a_tree_is_taken_in_once_and_goes_on_where_it_ended(store, archive, tmp_path):
    tree, done = tmp_path / "logs", tmp_path / "data" / "done"
    old, more, recent = said(DAY_MS, 40, 0), said(DAY_MS + 30_000_000, 20, 100), said(RECENT_MS, 10, 200)
    put(tree, DAY_MS, [*old[::-1], "PING :no chat"], packed=True)
    put(tree, DAY_MS, more + old[:5])
    put(tree, RECENT_MS, recent, packed=True)
    # A line of the next day, as where clocks were not in UTC.
    stray = said(DAY_MS + MS_IN_DAY, 1, 300)
    put(tree, DAY_MS - MS_IN_DAY, stray)
    (tree / "9001/2026/3/501.txt").write_text(old[0])
    assert len(list(files_of(tree))) == 4
    outcome = await imported(store, archive, tree, done)
    assert (outcome.files, outcome.written, outcome.failed) == (4, 10, [])
    assert outcome.archived == 40 + 25 + 1
    everything = [*old, *more, *stray, *recent]
    assert await read(store, archive, CHANNEL, (9001,)) == everything
    assert await read(store, archive, CHANNEL_USER, (9001, 501)) == [x for x in everything if "user-id=501" in x]
    assert await read(store, archive, USER, (502,)) == [x for x in everything if "user-id=502" in x]
    assert [name.login for name in await store.directory.logins_of(501)] == ["ada_lift"]
    assert [channel.login for channel in await store.directory.channels()] == ["moonbase"]
    again = await imported(store, archive, tree, done)
    assert (again.files, again.before, again.archived) == (0, 4, 0)
    put(tree, DAY_MS, [*more, *said(DAY_MS + 60_000_000, 1, 400)])
    again = await imported(store, archive, tree, done)
    assert (again.files, again.before, again.archived) == (1, 3, 21)
    assert len(await read(store, archive, CHANNEL, (9001,))) == len(everything) + 1


async def test_a_damaged_file_is_named_and_the_others_are_taken_in(store, archive, tmp_path):
    tree, done = tmp_path / "logs", tmp_path / "done"
    path = put(tree, DAY_MS, said(DAY_MS, 40, 0), packed=True)
    path.write_bytes(path.read_bytes()[:-30])
    put(tree, DAY_MS + MS_IN_DAY, said(DAY_MS + MS_IN_DAY, 5, 50))
    outcome = await imported(store, archive, tree, done)
    assert outcome.files == 1
    assert [str(path) in failure for failure in outcome.failed] == [True]
    put(tree, DAY_MS, said(DAY_MS, 40, 0), packed=True)
    assert (await imported(store, archive, tree, done)).failed == []
    assert len(await read(store, archive, CHANNEL, (9001,))) == 45


async def test_who_has_opted_out_is_not_taken_in(store, archive, tmp_path):
    tree = tmp_path / "logs"
    put(tree, DAY_MS, said(DAY_MS, 10, 0))
    put(tree, RECENT_MS, said(RECENT_MS, 10, 50))
    await archive.optouts.add(Kind.USER, [501], Way.ADMIN)
    outcome = await imported(store, archive, tree, tmp_path / "done")
    assert (outcome.archived, outcome.written) == (5, 5)
    assert outcome.refused == {"its author, or its channel, has opted out": 10}
    assert not any("user-id=501" in line for line in await read(store, archive, CHANNEL, (9001,)))


async def test_lines_without_a_place_are_counted(store, archive, tmp_path):
    tree = tmp_path / "logs"
    timeless = lines.without(lines.privmsg("when?"), "tmi-sent-ts")
    put(tree, DAY_MS, [timeless, *said(DAY_MS, 2, 0)])
    outcome = await imported(store, archive, tree, tmp_path / "done")
    assert outcome.archived == 2
    assert [(count, "tmi-sent-ts" in reason) for reason, count in outcome.refused.items()] == [(1, True)]
