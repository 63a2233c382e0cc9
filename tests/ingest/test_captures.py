"""The real captures, where they lie beside the project, replayed and read back."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from store.cursor import Cursor
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.writer import Writer

CAPTURES = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"the captures are not there ({CAPTURES})")


async def lines_of(path: Path) -> list[str]:
    return [received.line async for chunk in Replay([path]).chunks() for received in chunk]


async def replay(store, path: Path, folder: Path) -> int:
    pipeline = Pipeline(lambda: Writer.open(store.session, Retention.of(0)), Quarantine(folder))
    await pipeline.run(Replay([path]))
    return pipeline.counts.written


async def everything(store, log: Log) -> list[str]:
    return [message.line async for piece in store.reader.stream(log) for message in piece]


async def walked(store, log: Log, limit: int) -> tuple[list[str], list[str]]:
    """Walk a log by pages to its end, and back again; give both, in the log's order."""
    page = await store.reader.page(log, limit=limit)
    there = list(page.messages)
    while page.next is not None:
        page = await store.reader.page(log, limit=limit, cursor=Cursor.decode(page.next, log.shape, log.key))
        there += page.messages
    back = list(page.messages)
    while page.previous is not None:
        page = await store.reader.page(log, limit=limit, cursor=Cursor.decode(page.previous, log.shape, log.key))
        back = page.messages + back
    return [message.line for message in there], [message.line for message in back]


async def test_a_busy_channel_comes_out_as_it_went_in(store, tmp_path):
    path = CAPTURES / "busy-channel-2019.irc.gz"
    said = await lines_of(path)
    messages = sorted(map(Message.parse, said), key=lambda message: message.position.order)
    in_order = [message.line for message in messages]
    channel_id = messages[0].channel_id
    assert await replay(store, path, tmp_path) == 5000
    await asyncio.gather(replay(store, path, tmp_path), replay(store, path, tmp_path))
    for newest_first in (False, True):
        wanted = in_order[::-1] if newest_first else in_order
        log = Log(CHANNEL, (channel_id,), newest_first=newest_first)
        assert await walked(store, log, 7) == (wanted, wanted)
    users = Counter(user for message in messages for user in message.users)
    for user in users:
        wanted = [message.line for message in messages if user in message.users]
        assert await everything(store, Log(CHANNEL_USER, (channel_id, user), newest_first=False)) == wanted
        assert await everything(store, Log(USER, (user,), newest_first=False)) == wanted
    talkative = users.most_common(1)[0][0]
    wanted = [message.line for message in messages if talkative in message.users]
    assert await walked(store, Log(USER, (talkative,), newest_first=False), 7) == (wanted, wanted)


async def test_old_lines_without_ids_are_as_many_after_three_replays_as_after_one(store, tmp_path):
    path = CAPTURES / "one-user-2018.irc.gz"
    said = await lines_of(path)
    first = Message.parse(said[0])
    for _ in range(3):
        assert await replay(store, path, tmp_path) == 3638
        found = await everything(store, Log(USER, (first.author_id,), newest_first=False))
        assert sorted(found) == sorted(said)
        assert len(found) == 3638


async def test_back_filled_lines_come_out_as_they_went_in(store, tmp_path):
    path = CAPTURES / "backfill-2024.irc.gz"
    said = await lines_of(path)
    await replay(store, path, tmp_path)
    channel_id = Message.parse(said[0]).channel_id
    assert sorted(await everything(store, Log(CHANNEL, (channel_id,)))) == sorted(said)
