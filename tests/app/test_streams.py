from __future__ import annotations

import asyncio

import pytest
from support.patience import PATIENCE_SECONDS

from app.streams import Begun
from store.errors import StoreUnavailable
from store.tiers import TieredReader


async def gone(*pieces, then: asyncio.Event | None = None, left: list[bool] | None = None):
    try:
        if then is not None:
            await then.wait()
        for piece in pieces:
            yield piece
    finally:
        if left is not None:
            left.append(True)


async def test_pieces_come_as_they_are_and_none_is_known_at_once():
    begun = await Begun.of(gone([1], [2, 3]), 5)
    assert not begun.is_empty
    assert [piece async for piece in begun.pieces()] == [[1], [2, 3]]
    assert (await Begun.of(gone(), 5)).is_empty


async def test_what_goes_wrong_at_once_is_raised_at_once():
    async def broken():
        raise StoreUnavailable("not now")
        yield []

    with pytest.raises(StoreUnavailable):
        await Begun.of(broken(), 5)


async def test_a_long_search_begins_its_answer_and_ends_when_the_client_leaves():
    found, left = asyncio.Event(), []
    begun = await Begun.of(gone([1], then=found, left=left), 0.01)
    assert not begun.is_empty
    reading = asyncio.create_task(anext(begun.pieces()))
    found.set()
    assert await reading == [1]
    never, left = asyncio.Event(), []
    begun = await Begun.of(gone([1], then=never, left=left), 0.01)
    reading = asyncio.create_task(anext(begun.pieces()))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert left == [True]


async def test_who_wants_no_body_has_nothing_looked_for():
    left: list[bool] = []
    begun = await Begun.of(gone([1], then=asyncio.Event(), left=left), 0.01)
    await begun.close()
    assert left == [True]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize(
    "route",
    [
        "/v1/channels/moonbase/messages?format=ndjson&q=line",
        "/channel/moonbase/user/ada_lift/search?q=line",
        "/channel/moonbase/user/ada_lift/search?q=line&json=1",
    ],
)
async def test_an_answer_begins_although_nothing_is_found_for_long(client, monkeypatch, route, encoding):
    found, stream = asyncio.Event(), TieredReader.stream
    headers = {"accept-encoding": encoding}
    whole = await client.get(route, headers=headers)
    assert whole.content

    async def late(*asked, **more):
        await found.wait()
        async for piece in stream(*asked, **more):
            yield piece

    for user in ("app.routes.logs", "app.compatible.answers"):
        monkeypatch.setattr(f"{user}.FIRST_SECONDS", 0.01)
    monkeypatch.setattr(TieredReader, "stream", late)
    async with client.stream("GET", route, headers=headers) as answer:
        assert answer.status_code == 200
        assert "etag" not in answer.headers
        found.set()
        await answer.aread()
    assert answer.content == whole.content


async def test_who_leaves_as_the_answer_begins_ends_the_search(client, monkeypatch):
    left = asyncio.Event()

    async def endless(*_asked, **_more):
        try:
            await asyncio.Event().wait()
            yield []
        finally:
            left.set()

    monkeypatch.setattr("app.routes.logs.FIRST_SECONDS", 0.01)
    monkeypatch.setattr(TieredReader, "stream", endless)
    async with client.stream("GET", "/v1/channels/moonbase/messages?format=ndjson"):
        assert not left.is_set()
    await asyncio.wait_for(left.wait(), PATIENCE_SECONDS)
