"""Extremes, by a clock of the test: no partition grows too large, and every line comes back once, both ways."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable

import pytest
from support import lines
from support.chat import settings_for
from support.patience import patience
from support.walks import both_ways

from ingest import volume as volume_module
from ingest.demo import DemoChat, DemoChatServer
from ingest.volume import Volume
from ingest.worker import work
from store import widths as widths_module
from store.keys import MS_IN_DAY, MS_IN_HOUR, Width
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER
from store.volumes import Volumes
from store.widths import Thresholds
from store.writer import Writer

CHANNEL_KEY = (lines.CHANNEL_ID,)
MINUTE = 60_000


def at(day: int, hour: int = 0, minute: int = 0) -> int:
    """Give a time of March 2026, Unix milliseconds."""
    return int(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp()) * 1000 + (day - 1) * MS_IN_DAY + (
        hour * MS_IN_HOUR + minute * MINUTE
    )  # fmt: skip


class Worker:
    """A writer and its measuring, by a clock of the test; between two looks some simulated minutes pass."""

    def __init__(self, store, writer: Writer, thresholds: Thresholds, name: str, now_ms: int) -> None:
        self.now_ms = now_ms
        self.writer = writer
        opened = asyncio.get_running_loop().create_future()
        opened.set_result(store.session)
        self.volume = Volume(opened, name, thresholds, clock_ms=lambda: self.now_ms)

    @classmethod
    async def open(cls, store, thresholds: Thresholds, name: str = "one", now_ms: int = at(1)) -> Worker:
        return cls(store, await Writer.open(store.session, Retention.of(0)), thresholds, name, now_ms)

    async def work(self, messages: Iterable[Message], *, until_ms: int, look_ms: int = MINUTE) -> None:
        """Write messages as their time comes, and look as often, until a time."""
        waiting = sorted(messages, key=lambda message: message.sent_ms, reverse=True)
        while self.now_ms < until_ms:
            self.now_ms = min(self.now_ms + look_ms, until_ms)
            due = []
            while waiting and waiting[-1].sent_ms < self.now_ms:
                due.append(waiting.pop())
            for start in range(0, len(due), 512):
                await self.writer.write(due[start : start + 512])
                self.volume.counted(due[start : start + 512])
            await self.volume.look()
        assert not waiting


@pytest.fixture(autouse=True)
def _widths_are_read_at_each_write(monkeypatch):
    monkeypatch.setattr(widths_module, "_READ_SECONDS", 0.0)


_numbers = iter(range(1, 10_000_000))


def said(sent_ms: int, *, user_id: int = 501, channel_id: int = lines.CHANNEL_ID) -> Message:
    number = next(_numbers)
    return Message.parse(
        lines.privmsg(f"line {number}", number=number, sent_ms=sent_ms, user_id=user_id, channel_id=channel_id)
    )


async def largest(store, shape) -> int:
    """Give how many rows the largest partition of a table has."""
    key = ", ".join((*shape.key, "bucket"))
    rows = await store.session.execute(f"SELECT count(*) FROM {store.session.table(shape.table)} GROUP BY {key}")
    return max(count for (count,) in rows)


async def widths(store, shape, key) -> list[Width]:
    return [bucket.width for bucket in await store.reader.buckets(Log(shape, key, newest_first=False))]


async def switches(store) -> list[tuple]:
    return await store.session.execute(f"SELECT shape, log, since, width FROM {store.session.table('widths')}")


async def test_a_line_a_day_stays_in_days_and_months(store):
    worker = await Worker.open(store, Thresholds())
    some = [said(at(day, 12)) for day in range(1, 70)]
    await worker.work(some, until_ms=at(70), look_ms=6 * MS_IN_HOUR)
    assert await switches(store) == []
    assert set(await widths(store, CHANNEL, CHANNEL_KEY)) == {Width.DAY}
    assert await widths(store, USER, (501,)) == [Width.MONTH] * 3
    for shape, key in ((CHANNEL, CHANNEL_KEY), (USER, (501,))):
        assert await both_ways(store, Log(shape, key), 20) == [message.line for message in some]


async def test_three_hundred_lines_a_second_out_of_nothing(store):
    # Thinned to a three hundredth, and so are the thresholds: a line a second, from when it just misses an hour.
    thin = 300
    worker = await Worker.open(store, Thresholds(hour=100_000 // thin, day=10_000 // thin), now_ms=at(31))
    began, ended = at(31, 20, 51), at(31, 23, 11)
    users = 7
    quiet = [said(at(31, hour, 30), user_id=501 + hour % users) for hour in range(20)]
    storm = [said(ms, user_id=501 + n % users) for n, ms in enumerate(range(began, ended, 1000))]
    after = [said(at(32 + n, 12), user_id=501) for n in range(12)]
    await worker.work(quiet, until_ms=began, look_ms=4 * MS_IN_HOUR)
    await worker.work(storm, until_ms=ended, look_ms=5 * MINUTE)
    await worker.work(after, until_ms=at(44), look_ms=MS_IN_HOUR // 2)
    # 100 MB are about 1.5 million rows of 60 to 70 bytes.
    for shape in SHAPES:
        assert await largest(store, shape) * thin < 1_500_000, shape.name
    found = await widths(store, CHANNEL, CHANNEL_KEY)
    assert found[0] is Width.DAY
    assert set(found[1:4]) == {Width.HOUR}
    assert found[-1] is Width.DAY  # quiet for a week
    everything = [*quiet, *storm, *after]
    for limit in (900, 5000):
        assert await both_ways(store, Log(CHANNEL, CHANNEL_KEY), limit) == [message.line for message in everything]
    for user in range(501, 501 + users):
        own = [message.line for message in everything if message.author_id == user]
        assert await both_ways(store, Log(USER, (user,)), 400) == own
        assert await both_ways(store, Log(CHANNEL_USER, (lines.CHANNEL_ID, user)), 400) == own
    inside = Log(CHANNEL, CHANNEL_KEY, at(31, 19), at(31, 21, 30))
    assert await both_ways(store, inside, 1000) == [
        m.line for m in everything if at(31, 19) <= m.sent_ms < at(31, 21, 30)
    ]


async def test_a_bot_in_five_thousand_channels_of_two_workers(store):
    bot, channels, busy_from = 600, 5000, 4000
    thresholds = Thresholds(hour=1_000_000, day=busy_from)
    one, two = [await Worker.open(store, thresholds, name, at(27)) for name in ("one", "two")]
    everything: list[Message] = []

    async def day(number: int, count: int, looks: int = 12 * MS_IN_HOUR) -> None:
        """Have the bot speak in channel after channel, every other one of which is the other worker's."""
        some = [said(at(number) + n * 16_000, user_id=bot, channel_id=1 + n % channels) for n in range(count)]
        for from_ms, until_ms in ((at(number), at(number, 12)), (at(number, 12), at(number, 23))):
            for worker, part in ((one, some[::2]), (two, some[1::2])):
                due = [message for message in part if from_ms <= message.sent_ms < until_ms]
                await worker.work(due, until_ms=until_ms, look_ms=looks)
        everything.extend(some)

    await day(27, 300)
    assert await switches(store) == []
    await day(28, channels)  # neither worker sees enough of it, both together do
    assert [(shape, log, width) for shape, log, _, width in await switches(store)] == [("user", [bot], "day")]
    await day(29, 900)
    for number in range(30, 63):
        await day(number, 3, looks=11 * MS_IN_HOUR)
    late = said(at(28, 3), user_id=bot, channel_id=77)
    await one.writer.write([late])
    # Days from the next midnight on; a month again when one begins after a quiet week: in May.
    found = await widths(store, USER, (bot,))
    assert found == [Width.MONTH, *[Width.DAY] * 33, Width.MONTH]
    assert await largest(store, USER) == 300 + channels + 1
    assert await largest(store, CHANNEL_USER) < 50
    wanted = [m.line for m in sorted([*everything, late], key=lambda m: m.position.order)]
    assert await both_ways(store, Log(USER, (bot,)), 700) == wanted


async def test_a_busy_evening_a_week_keeps_its_hours_and_a_quiet_week_ends_them(store):
    worker = await Worker.open(store, Thresholds(hour=200, day=10_000))
    everything = []
    for day in (2, 9, 16, 30):
        evening = [said(at(day, 20) + n * 30_000) for n in range(240)]
        await worker.work(evening, until_ms=at(day, 23), look_ms=20 * MINUTE)
        everything += evening
        for quiet in range(day + 1, {2: 9, 9: 16, 16: 30, 30: 33}[day]):
            some = [said(at(quiet, 12))]
            await worker.work(some, until_ms=at(quiet, 22, 40), look_ms=12 * MS_IN_HOUR)
            await worker.work([], until_ms=at(quiet, 23, 10), look_ms=30 * MINUTE)
            everything += some
    found = [(since.day, since.hour, width) for shape, _, since, width in await switches(store) if shape == "channel"]
    assert found == [(2, 22, "hour"), (25, 0, "day"), (30, 22, "hour")]
    assert await both_ways(store, Log(CHANNEL, CHANNEL_KEY), 100) == [message.line for message in everything]


async def test_a_worker_started_again_adds_to_what_it_counted_before(store):
    for start in (at(5, 10), at(5, 11)):
        worker = await Worker.open(store, Thresholds(hour=150, day=10_000), now_ms=start)
        await worker.work(
            [said(start + n * 1000) for n in range(100)], until_ms=start + 10 * MINUTE, look_ms=5 * MINUTE
        )
    assert (await (await Volumes.open(store.session)).of_day(at(5) // MS_IN_DAY))["channel", CHANNEL_KEY] == 200
    [(_, log, since, width)] = [row for row in await switches(store) if row[0] == "channel"]
    assert (log, since.hour, width) == ([lines.CHANNEL_ID], 12, "hour")


async def test_old_lines_that_are_replayed_count_for_nothing(store):
    worker = await Worker.open(store, Thresholds(hour=10, day=10), now_ms=at(9))
    worker.volume.counted([said(at(3) + n) for n in range(100)])
    await worker.volume.look()
    assert await switches(store) == []
    worker.volume.counted([said(at(8) + n) for n in range(100)])  # yesterday's is said, and decides nothing today
    await worker.volume.look()
    assert await switches(store) == []
    assert (await (await Volumes.open(store.session)).of_day(at(8) // MS_IN_DAY)).total() == 300


async def test_a_worker_measures_what_it_reads(store, store_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(volume_module, "_LOOK_SECONDS", 0.05)
    chat = DemoChat(channels=("moonbase",), rate=300)
    async with DemoChatServer(chat) as server:
        settings = settings_for(server, hour_buckets_from=100, day_buckets_from=100_000)
        working = asyncio.create_task(work(store_settings, settings, tmp_path))
        async with patience():
            while not (found := [row for row in await switches(store) if row[0] == "channel"]):
                assert not working.done()
                await asyncio.sleep(0.05)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    _, log, since, width = found[0]
    assert (log, since.minute, width) == ([chat.channel_id("moonbase")], 0, "hour")
