from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chat import until
from support.patience import PATIENCE_SECONDS
from support.small_disk import no_file_larger_than, small_disk

from ingest import spool as spool_module
from ingest.errors import SpoolError
from ingest.source import ReceivedLine
from ingest.spool import Spool
from ingest.spool_file import SpoolFile, pack, unpack
from ingest.waiting import MOST_WAITING

PLENTY = 1 << 30


def numbered(*numbers: int, size: int = 10) -> list[ReceivedLine]:
    return [ReceivedLine(f"{number} {'x' * size}", number, None, 0) for number in numbers]


def numbers_of(lines: list[ReceivedLine]) -> list[int]:
    return [int(line.line.partition(" ")[0]) for line in lines]


async def taken(spool: Spool, count: int, *, done: bool = True) -> list[int]:
    """Take so many lines, and give their numbers."""
    numbers: list[int] = []
    async with asyncio.timeout(2 * PATIENCE_SECONDS):
        while len(numbers) < count:
            some = await spool.take(512)
            numbers += numbers_of(some.lines)
            if done:
                spool.done(some)
    return numbers


any_line = st.builds(
    ReceivedLine,
    st.text(st.characters(exclude_characters="\n", exclude_categories=()), max_size=40),
    st.none() | st.integers(0, 1 << 50),
    st.none() | st.integers(0, 1 << 40),
    st.integers(0, 9),
)


@given(st.lists(any_line.filter(lambda line: not any(0xD800 <= ord(c) < 0xDC80 for c in line.line)
                                and not any(0xDD00 <= ord(c) < 0xE000 for c in line.line)), min_size=1))  # fmt: skip
def test_lines_come_out_of_a_group_as_they_went_in(lines):
    # Of the surrogates only those stand in a line that a byte outside UTF-8 leaves; two of them may join to a letter.
    encoded = [line.line.encode("utf-8", "surrogateescape") for line in lines]
    out = unpack(pack(lines))
    assert [line.line.encode("utf-8", "surrogateescape") for line in out] == encoded
    assert [(line.received_ms, line.channel_id, line.occurrence) for line in out] == [
        (line.received_ms, line.channel_id, line.occurrence) for line in lines
    ]


async def test_lines_come_out_in_order_from_memory_and_from_disk(tmp_path):
    async with Spool(tmp_path, PLENTY) as spool:
        for start in range(0, 4 * MOST_WAITING, 100):
            await spool.put(numbered(*range(start, start + 100)))
        count = spool.unsettled
        first = await taken(spool, MOST_WAITING)
        await spool.put(numbered(*range(count, count + 50)))
        assert first + await taken(spool, count + 50 - len(first)) == list(range(count + 50))
        # What comes once everything is taken comes through memory again.
        await spool.put(numbered(7))
        assert await taken(spool, 1) == [7]
        # A group may be read from disk a moment before it is counted.
        await until(lambda: (spool.unsettled, spool.bytes, spool.alarm) == (0, 0, ""))


async def test_what_is_not_done_is_there_again_the_next_time(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_KEEP_SECONDS", 0)
    async with Spool(tmp_path, PLENTY) as spool:
        for number in range(30):
            await spool.put(numbered(number))
            await until(lambda: not spool._pending)
            await taken(spool, 1, done=number < 20)
    async with Spool(tmp_path, PLENTY) as spool:
        left = await taken(spool, 10)
    assert left[-10:] == list(range(20, 30))
    assert set(left) <= {19, *range(20, 30)}


async def test_what_was_acknowledged_a_moment_ago_is_written_again_after_an_outage(tmp_path):
    async with Spool(tmp_path, PLENTY) as spool:
        await spool.put(numbered(*range(100)))
        assert await taken(spool, 100) == list(range(100))
        spool.again()
        assert spool.unsettled == 100
        assert await taken(spool, 100) == list(range(100))
        assert spool.unsettled == 0


async def test_it_ends_when_all_is_taken(tmp_path):
    async with Spool(tmp_path, PLENTY) as spool:
        await spool.put(numbered(1, 2))
        await spool.end()
        assert await taken(spool, 2) == [1, 2]
        assert (await spool.take(512)).lines == []


async def test_two_workers_have_a_file_each_and_one_takes_over_what_another_left(tmp_path):
    async with Spool(tmp_path, PLENTY) as one, Spool(tmp_path, PLENTY) as two:
        await one.put(numbered(1))
        await two.put(numbered(2))
    assert len(list(tmp_path.glob("*.sqlite"))) == 2
    async with Spool(tmp_path, PLENTY) as next_one:
        assert sorted(await taken(next_one, 2)) == [1, 2]
        assert [path.name for path in tmp_path.glob("*.sqlite")] == ["spool-1.sqlite"]


async def test_a_full_spool_holds_the_source_back_and_says_so(tmp_path):
    async with Spool(tmp_path, 100_000) as spool:

        async def give() -> None:
            for number in range(40_000):
                await spool.put([ReceivedLine(f"{number} {number * 7919:x}", number)])

        giving = asyncio.create_task(give())
        await until(lambda: "the chat servers have to wait" in spool.alarm and len(spool._pending) >= MOST_WAITING)
        assert not giving.done()
        assert await taken(spool, 40_000) == list(range(40_000))
        await giving
        await until(lambda: not spool.alarm)


async def test_a_full_disk_is_an_alarm_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_AGAIN_SECONDS", 0.01)
    async with Spool(tmp_path, PLENTY) as spool:
        await spool.put(numbered(*range(10)))
        await until(lambda: spool.bytes)
        with no_file_larger_than(64 * 1024):
            # Random bytes, so that they are as long on disk as they are here.
            long = [ReceivedLine(f"{n} {bytes(range(97, 123)).decode() * 9}{n * 7919}", n) for n in range(10, 9000)]
            giving = asyncio.create_task(spool.put(long))
            await until(lambda: "cannot be written" in spool.alarm)
            # They go past the disk to whoever writes them, as far as memory goes.
            got = await taken(spool, 1000)
        got += await taken(spool, 9000 - len(got))
        await giving
        assert got == list(range(9000))
        await until(lambda: not spool.alarm)
        await spool.put(numbered(9000))
        assert await taken(spool, 1) == [9000]


async def test_an_alarm_lasts_as_long_as_the_disk_is_full_and_ends_also_while_lines_keep_coming(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_AGAIN_SECONDS", 0.01)
    async with Spool(tmp_path, PLENTY) as spool:
        publish = spool._publish
        monkeypatch.setattr(spool, "_publish", lambda outcome: (publish(outcome), seen.append(spool.alarm)))
        seen: list[str] = []
        with no_file_larger_than(16 * 1024):
            await spool.put(numbered(*range(5000)))
            await until(lambda: "cannot be written" in spool.alarm)
            await taken(spool, 5000)
            seen.clear()
            await until(lambda: len(seen) > 20)
            assert all(seen)

        async def give() -> None:
            while True:
                await spool.put(numbered(1))
                await asyncio.sleep(0)

        giving = asyncio.create_task(give())
        await until(lambda: not spool.alarm)
        giving.cancel()


async def test_a_disk_that_filled_up_is_emptied_and_used_again(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(spool_module, "_KEEP_SECONDS", 0.0)
    dice = random.Random(3)
    with small_disk(tmp_path / "disk", 20) as disk:
        async with Spool(disk, PLENTY) as spool:
            count = 60_000
            lines = [ReceivedLine(f"{number} {dice.randbytes(120).hex()}", number) for number in range(count)]

            async def give() -> None:
                for start in range(0, count, 500):
                    await spool.put(lines[start : start + 500])

            giving = asyncio.create_task(give())
            await until(lambda: "cannot be written" in spool.alarm)
            got = await taken(spool, count)
            await giving
            assert got == list(range(count))
            await until(lambda: not spool.alarm)
            await spool.put(numbered(count))
            await until(lambda: spool.bytes)
        async with Spool(disk, PLENTY) as spool:
            assert count in await taken(spool, spool.unsettled)


async def test_a_spool_opens_on_a_disk_that_is_full(tmp_path):
    with small_disk(tmp_path / "disk", 16) as disk:
        async with Spool(disk, PLENTY) as spool:
            await spool.put(numbered(1))
        with contextlib.suppress(OSError), (disk / "others").open("wb", buffering=0) as others:
            while others.write(bytes(4096)):
                pass
        async with Spool(disk, PLENTY) as spool:
            assert await taken(spool, 1) == [1]


async def test_a_damaged_file_is_kept_aside(tmp_path):
    (tmp_path / "spool-1.sqlite").write_bytes(b"no database" * 1000)
    async with Spool(tmp_path, PLENTY) as spool:
        await spool.put(numbered(1))
        assert await taken(spool, 1) == [1]
    assert [path.read_bytes()[:11] for path in tmp_path.glob("*.damaged-*")] == [b"no database"]


async def test_a_damaged_group_holds_up_nothing_and_is_kept(tmp_path):
    file = SpoolFile(tmp_path / "spool-1.sqlite")
    file.change([numbered(1), numbered(2), numbered(3)], ())
    file.close()
    spoil(tmp_path / "spool-1.sqlite", 2)
    async with Spool(tmp_path, PLENTY) as spool:
        assert await taken(spool, 2) == [1, 3]
    with contextlib.closing(sqlite3.connect(tmp_path / "spool-1.sqlite")) as database:
        assert database.execute("SELECT number FROM groups WHERE number < 0").fetchall() == [(-2,)]


def spoil(path: Path, number: int) -> None:
    """Put something else in the place of a group's lines."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE groups SET lines = x'00112233' WHERE number = ?", (number,))
        database.commit()


async def test_a_damaged_group_of_another_worker_is_kept_when_its_file_is_taken_over(tmp_path):
    for name, first in (("spool-1.sqlite", 1), ("spool-2.sqlite", 11)):
        file = SpoolFile(tmp_path / name)
        file.change([numbered(first), numbered(first + 1)], ())
        file.close()
    spoil(tmp_path / "spool-2.sqlite", 2)
    async with Spool(tmp_path, PLENTY) as spool:
        assert await taken(spool, 3) == [1, 2, 11]
    assert not (tmp_path / "spool-2.sqlite").exists()
    (aside,) = (path for path in tmp_path.glob("spool-2.damaged-*") if not path.name.endswith(("-wal", "-shm")))
    with contextlib.closing(sqlite3.connect(aside)) as database:
        assert database.execute("SELECT number, lines FROM groups").fetchall() == [(-2, b"\x00\x11\x22\x33")]


async def test_a_folder_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot be used"):
        async with Spool(tmp_path / "file", PLENTY):
            pass


async def test_space_that_an_outage_took_is_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.spool_file._SPARE_PAGES", 1)
    file = SpoolFile(tmp_path / "spool-1.sqlite")
    groups = file.change([[ReceivedLine(f"{n * 7919:x}" * 50, n) for n in range(m, m + 400)] for m in range(40)], ())
    file.change((), [group.number for group in groups])
    file.give_back()
    file.close()
    assert (tmp_path / "spool-1.sqlite").stat().st_size < 50_000


async def test_a_file_with_a_damaged_page_is_kept_aside_too(tmp_path):
    file = SpoolFile(tmp_path / "spool-1.sqlite")
    file.change([[ReceivedLine(f"{n * 7919:x}" * 60, n) for n in range(m, m + 200)] for m in range(60)], ())
    file.close()
    path = tmp_path / "spool-1.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:16384] + b"\xff" * 65536 + whole[16384 + 65536 :])
    async with Spool(tmp_path, PLENTY) as spool:
        await spool.put(numbered(1))
        assert await taken(spool, 1) == [1]
    (aside,) = (path for path in tmp_path.glob("*.damaged-*") if not path.name.endswith("-wal"))
    assert aside.stat().st_size == len(whole)


async def test_a_file_that_cannot_be_taken_over_is_left_for_the_next_start(tmp_path, monkeypatch):
    async with Spool(tmp_path, PLENTY) as one, Spool(tmp_path, PLENTY) as two:
        await one.put(numbered(1))
        await two.put(numbered(2))

    def full(*_given):
        raise SpoolError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(SpoolFile, "take_over", full)
        async with Spool(tmp_path, PLENTY) as spool:
            assert await taken(spool, 1, done=False) == [1]
    async with Spool(tmp_path, PLENTY) as spool:
        assert sorted(await taken(spool, 2)) == [1, 2]


class Held:
    """Holds a call in another thread once it has done its work, the first time that something holds of its result."""

    def __init__(self, work, when) -> None:
        self.done = threading.Event()
        self.go_on = threading.Event()
        self._work = work
        self._when = when

    def __call__(self, *given):
        found = self._work(*given)
        if self._when(found) and not self.done.is_set():
            self.done.set()
            self.go_on.wait(60)
        return found


async def fall_behind(spool: Spool) -> int:
    """Bring more to disk than memory holds; say how many lines."""
    for start in (0, MOST_WAITING):
        await spool.put(numbered(*range(start, start + MOST_WAITING)))
        await until(lambda: not spool._pending)
    await until(lambda: spool._behind)
    return 2 * MOST_WAITING


async def test_what_comes_to_disk_while_a_reader_that_catches_up_looks_there_is_not_passed_over(tmp_path, monkeypatch):
    async with Spool(tmp_path, PLENTY) as spool:
        looking = Held(spool._file.after, lambda groups: not groups)
        monkeypatch.setattr(spool._file, "after", looking)
        count = await fall_behind(spool)
        assert await taken(spool, count) == list(range(count))
        next_one = asyncio.create_task(taken(spool, 1))
        await until(looking.done.is_set)
        assert spool.bytes == 0
        await spool.put(numbered(count))
        await until(lambda: spool.bytes)
        looking.go_on.set()
        await spool.put(numbered(count + 1))
        assert await next_one == [count]
        assert await taken(spool, 1) == [count + 1]
        assert spool.unsettled == 0


async def test_what_a_reader_finds_on_disk_before_its_commit_is_heard_of_is_given_once(tmp_path, monkeypatch):
    async with Spool(tmp_path, PLENTY) as spool:
        count = await fall_behind(spool)
        committing = Held(spool._file.change, lambda groups: groups)
        monkeypatch.setattr(spool._file, "change", committing)
        await spool.put(numbered(count))
        await until(committing.done.is_set)
        assert await taken(spool, count + 1) == list(range(count + 1))
        next_one = asyncio.create_task(taken(spool, 1))
        await until(lambda: not spool._behind)
        committing.go_on.set()
        await spool.put(numbered(count + 1))
        assert await next_one == [count + 1]
        assert (spool.unsettled, spool.bytes) == (0, 0)


def test_damaged_groups_hide_none_that_follows(tmp_path):
    file = SpoolFile(tmp_path / "spool-1.sqlite")
    file.change([numbered(*range(100)), numbered(100)], ())
    file._database.execute("UPDATE groups SET lines = x'00112233' WHERE number = 1")
    assert [numbers_of(group.lines) for group in file.after(0, 50)] == [[100]]
    file.close()
