from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from support import lines
from support.chat import opened, until
from support.patience import PATIENCE_SECONDS, patience

from ingest import pipeline as pipeline_module
from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.source import ReceivedLine
from ingest.spool import Spool
from ingest.waiting import MOST_WAITING, WaitingLines
from store.errors import StoreUnavailable
from store.reader import Log
from store.shapes import CHANNEL, USER
from store.writer import Writer


class Given:
    """A source of given lines, which then waits if it is told to."""

    def __init__(self, *given: str, stays: bool = False) -> None:
        self.given = given
        self.stays = stays
        self.stopped = asyncio.Event()

    async def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        for start in range(0, len(self.given), 10):
            yield [ReceivedLine(line, 1, lines.CHANNEL_ID) for line in self.given[start : start + 10]]
        if self.stays:
            await self.stopped.wait()

    async def stop(self) -> None:
        self.stopped.set()


def piped(writer: Writer, quarantine: Quarantine, waiting: WaitingLines | None = None) -> Pipeline:
    return Pipeline(opened(writer), quarantine, waiting=waiting)


SAID = [lines.privmsg(f"line {n}", number=n, sent_ms=lines.EVENING_MS + n) for n in range(1000)]


async def stored(store, shape=CHANNEL, key=(lines.CHANNEL_ID,)) -> list[str]:
    return [
        message.line async for piece in store.reader.stream(Log(shape, key, newest_first=False)) for message in piece
    ]


async def test_everything_a_source_gives_is_stored(store, writer, tmp_path):
    pipeline = piped(writer, Quarantine(tmp_path))
    await pipeline.run(Given(*SAID))
    assert await stored(store) == SAID
    assert (pipeline.counts.received, pipeline.counts.written, pipeline.counts.refused.total()) == (1000, 1000, 0)


async def test_what_has_no_place_is_kept_aside_with_its_reason(store, writer, tmp_path):
    odd = lines.without(lines.privmsg("caf\udce9 no time", number=2), "tmi-sent-ts")
    timeless = piped(writer, Quarantine(tmp_path))

    class Timeless(Given):
        async def chunks(self):
            yield [ReceivedLine(odd), ReceivedLine(SAID[0]), ReceivedLine("PING :x")]

    await timeless.run(Timeless())
    assert await stored(store) == [SAID[0]]
    kept = [orjson.loads(row) for row in (tmp_path / "quarantine.ndjson").read_bytes().splitlines()]
    assert [record["line"] for record in kept] == [odd.replace("\udce9", "\\xe9"), "PING :x"]
    assert "tmi-sent-ts" in kept[0]["reason"]
    assert timeless.counts.refused.total() == 2


def test_the_quarantine_is_bounded(tmp_path):
    quarantine = Quarantine(tmp_path, most_bytes=1000)
    for number in range(100):
        quarantine.keep(f"line {number}", "a reason")
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 1000
    assert "line 99" in quarantine.path.read_text()


def test_a_quarantine_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    Quarantine(tmp_path / "file").keep("line", "a reason")


async def test_writes_are_repeated_until_they_are_acknowledged_and_the_source_waits(
    store, writer, tmp_path, monkeypatch
):
    monkeypatch.setattr(pipeline_module, "_BACKOFF_SECONDS", (0.01, 0.02))
    write, failures = writer.write, iter([True] * 12)
    given = 0

    async def failing(messages):
        if next(failures, False):
            raise StoreUnavailable("down for now")
        return await write(messages)

    class Counted(Given):
        async def chunks(self):
            nonlocal given
            async for chunk in super().chunks():
                given += len(chunk)
                yield chunk

    monkeypatch.setattr(writer, "write", failing)
    pipeline = piped(writer, Quarantine(tmp_path))
    await pipeline.run(Counted(*SAID))
    assert await stored(store) == SAID
    assert pipeline.counts.retries == 12


async def test_cancelled_it_still_writes_what_it_has_read(store, writer, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline_module, "_DRAIN_SECONDS", PATIENCE_SECONDS)
    pipeline = piped(writer, Quarantine(tmp_path))
    running = asyncio.create_task(pipeline.run(Given(*SAID, stays=True)))
    async with patience():
        while pipeline.counts.received < len(SAID):
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stored(store) == SAID


async def test_a_file_is_the_same_however_often_it_is_replayed(store, writer, tmp_path):
    old = [lines.without(lines.privmsg(text), "id") for text in ("gg", "gg", "wp", "gg")]
    path = tmp_path / "old.irc"
    path.write_text("\n".join(old))
    for _ in range(3):
        pipeline = piped(writer, Quarantine(tmp_path))
        await pipeline.run(Replay([path]))
        assert sorted(await stored(store, USER, (501,))) == sorted(old)


async def test_a_line_that_does_not_say_its_channel_takes_the_id_from_lines_before_it(store, writer, tmp_path):
    deleted = lines.clearmsg(lines.message_id(0), sent_ms=lines.EVENING_MS + 5)
    path = tmp_path / "chat.irc"
    path.write_text("\n".join([deleted, SAID[0], deleted]))
    pipeline = piped(writer, Quarantine(tmp_path))
    await pipeline.run(Replay([path]))
    assert await stored(store) == [SAID[0], deleted]
    assert pipeline.counts.refused.total() == 1  # the first one came before anyone knew


async def test_while_the_store_is_away_lines_wait_on_disk_and_none_is_lost(store, writer, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline_module, "_BACKOFF_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(pipeline_module, "_AWAY_SECONDS", 60)
    many = [lines.privmsg(f"line {n}", number=n, sent_ms=lines.EVENING_MS + n) for n in range(2 * MOST_WAITING)]
    write, away = writer.write, True

    async def failing(messages):
        if away:
            raise StoreUnavailable("down for now")
        return await write(messages)

    monkeypatch.setattr(writer, "write", failing)
    async with Spool(tmp_path / "spool", 1 << 30) as spool:
        pipeline = piped(writer, Quarantine(tmp_path), spool)
        running = asyncio.create_task(pipeline.run(Given(*many)))
        await until(lambda: pipeline.counts.received == len(many))  # the source is not held back
        away = False
        await running
        assert spool.unsettled == 0
    assert await stored(store) == many


async def test_what_is_not_written_when_it_is_stopped_is_written_the_next_time(store, writer, tmp_path, monkeypatch):
    async def failing(messages):
        raise StoreUnavailable("down for now")

    with monkeypatch.context() as down:
        down.setattr(writer, "write", failing)
        async with Spool(tmp_path / "spool", 1 << 30) as spool:
            pipeline = piped(writer, Quarantine(tmp_path), spool)
            running = asyncio.create_task(pipeline.run(Given(*SAID, stays=True)))
            await until(lambda: pipeline.counts.received == len(SAID))
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    assert await stored(store) == []
    async with Spool(tmp_path / "spool", 1 << 30) as spool:
        await piped(writer, Quarantine(tmp_path), spool).run(Given())
    assert await stored(store) == SAID


@pytest.mark.parametrize("fault", [ValueError("a fault of ours"), StoreUnavailable("it never takes this one")])
async def test_a_message_that_can_never_be_written_is_set_aside_and_holds_up_nothing(
    store, writer, tmp_path, monkeypatch, fault
):
    monkeypatch.setattr(pipeline_module, "_BACKOFF_SECONDS", (0.001, 0.002))
    monkeypatch.setattr(pipeline_module, "_OTHERS_WRITTEN", 100)
    write = writer.write

    async def poisoned(messages):
        if any(message.line == SAID[333] for message in messages):
            raise fault
        return await write(messages)

    monkeypatch.setattr(writer, "write", poisoned)
    quarantine = Quarantine(tmp_path)
    await piped(writer, quarantine).run(Given(*SAID))
    assert await stored(store) == SAID[:333] + SAID[334:]
    kept = [orjson.loads(row) for row in quarantine.path.read_bytes().splitlines()]
    assert [record["line"] for record in kept] == [SAID[333]]
    assert str(fault) in kept[0]["reason"]


async def test_a_write_that_only_timed_out_has_nothing_written_again(store, writer, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline_module, "_BACKOFF_SECONDS", (0.001, 0.002))
    monkeypatch.setattr(pipeline_module, "_AWAY_AFTER_SECONDS", PATIENCE_SECONDS)
    write, failures, again = writer.write, iter([True, False] * 50), []

    async def sometimes(messages):
        if next(failures, False):
            raise StoreUnavailable("it did not answer in time")
        return await write(messages)

    monkeypatch.setattr(writer, "write", sometimes)
    async with Spool(tmp_path / "spool", 1 << 30) as spool:
        monkeypatch.setattr(spool, "again", lambda: again.append(1))
        await piped(writer, Quarantine(tmp_path), spool).run(Given(*SAID))
    assert not again
    assert await stored(store) == SAID
