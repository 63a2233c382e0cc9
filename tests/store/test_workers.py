from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest
from support.patience import patience

import schema
from store.session import Session
from store.store import Store
from store.workers import Figures, Worker, Workers, life_seconds, readers

ADA = Worker(
    "ada",
    uuid.UUID(int=1),
    since_ms=1000,
    seen_ms=5000,
    wanted=3,
    failed=1,
    figures=Figures(77, 2, 5, 500, 40, "half full"),
    reading=frozenset({9}),
    failing={"gone": "it was not answered"},
)


@pytest.fixture
async def workers(store: Store) -> Workers:
    return await Workers.open(store.session)


async def test_a_sign_of_life_says_how_a_worker_is_and_expires(workers, store):
    bo = replace(ADA, name="bo", incarnation=uuid.UUID(int=2), leaving=True, reading=frozenset({9, 10}))
    await workers.beat(ADA, 60)
    await workers.beat(bo, 60)
    assert await workers.all() == [ADA, bo]
    assert readers(await workers.all()) == {9: ["ada", "bo"], 10: ["bo"]}
    assert await store.directory.readers() == {9: ("ada", "bo"), 10: ("bo",)}
    await workers.beat(bo, 0.1)
    async with patience():
        while len(await workers.all()) > 1:
            await asyncio.sleep(0.05)
    assert await workers.all() == [ADA]


async def test_a_later_sign_replaces_the_one_before_and_an_end_takes_it_away(workers):
    await workers.beat(ADA, 60)
    later = replace(ADA, seen_ms=7000, reading=frozenset())
    await workers.beat(later, 60)
    assert await workers.all() == [later]
    await workers.forget(later)
    assert await workers.all() == []


async def test_two_of_one_name_are_two_rows_and_one_is_older(workers):
    again = replace(ADA, incarnation=uuid.UUID(int=2))
    await workers.beat(again, 60)
    await workers.beat(ADA, 60)
    assert set(await workers.all()) == {ADA, again}
    assert ADA.age < again.age


async def test_every_cell_expires(store: Store, workers):
    await workers.beat(ADA, 60)
    session: Session = store.session
    table = next(table for table in schema.load() if table.name == "workers")
    keys = {*table.partition_key, "name", "incarnation"}
    asked = ", ".join(f"TTL({column.name})" for column in table.columns if column.name not in keys)
    [left] = await session.execute(f"SELECT {asked} FROM {session.table('workers')}")
    assert all(life_seconds(60) - 30 <= seconds <= life_seconds(60) for seconds in left)


async def test_a_channel_that_is_read_and_silent_is_listed_too(store, workers):
    await workers.beat(ADA, 60)
    [channel] = await store.directory.channels()
    assert (channel.channel_id, channel.login, channel.last_sent_ms, channel.readers) == (9, "", None, ("ada",))
    assert await store.directory.channel(9) is None
