"""The client against a real service."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from support import lines
from support.serving import served, until_ready

from logstv import client as client_module
from logstv.client import ApiError, AsyncClient, Client, log_path
from store.message import Message

SAID = [lines.privmsg(f"line {n}", number=n, sent_ms=lines.EVENING_MS + n) for n in range(60)]


@pytest.fixture(scope="module")
async def address(module_store, module_writer):
    await module_writer.write([Message.parse(line) for line in SAID])
    await module_writer.flush()
    async with served(module_store.session.settings, admin_key="let-me-in", user_log="admin") as http:
        await until_ready(http)
        yield str(http.base_url)


async def test_a_log_is_walked_to_its_end(address):
    async with AsyncClient(address) as logstv:
        newest = [message["raw"] async for message in logstv.messages(channel=lines.CHANNEL, limit=7)]
        found = [message["text"] async for message in logstv.messages(channel=lines.CHANNEL, user="ada_lift", q="E 5")]
    assert newest == SAID[::-1]
    assert sorted(found) == sorted(f"line {n}" for n in (5, *range(50, 60)))


async def test_it_does_so_without_asyncio_too(address):
    def walk() -> list[str]:
        with Client(address, api_key="let-me-in") as logstv:
            asked = {"from_": lines.EVENING_MS + 10, "to": lines.EVENING_MS + 30, "limit": 6}
            return [message["raw"] for message in logstv.messages(user="ada_lift", **asked)]

    assert await asyncio.to_thread(walk) == SAID[10:30]


async def test_what_the_service_refuses_is_an_error_with_its_sentence(address):
    async with AsyncClient(address) as logstv:
        with pytest.raises(ApiError, match="404") as nobody:
            [message async for message in logstv.messages(channel="nobody_of_that_name")]
        with pytest.raises(ApiError) as forbidden:
            [message async for message in logstv.messages(user="ada_lift")]
    assert nobody.value.code == "not_found"
    assert forbidden.value.status == 403


async def test_it_waits_where_it_is_asked_to(address, monkeypatch):
    waited = []
    busy = httpx2.Response(503, headers={"retry-after": "3"}, json={"code": "unavailable", "detail": "later"})
    answers = iter([busy, busy])

    async def slept(seconds):
        waited.append(seconds)

    async with httpx2.AsyncClient() as http:
        get = http.get

        async def sometimes(*given, **more):
            return next(answers, None) or await get(*given, **more)

        monkeypatch.setattr(http, "get", sometimes)
        monkeypatch.setattr(client_module, "_pause", slept)
        async with AsyncClient(address, http=http) as logstv:
            assert len([message async for message in logstv.messages(channel=lines.CHANNEL)]) == len(SAID)
    assert waited == [3, 3]


def test_a_log_is_of_someone():
    assert log_path("id:5", "a/b") == "/v1/channels/id:5/users/a%2Fb/messages"
    with pytest.raises(ValueError, match="name a channel"):
        log_path(None, None)
