"""The service as a whole: recorded answers, another time zone, long streams, a store that is away."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

import httpx2
import pytest
from support import edges, lines
from support.serving import served, until_ready

from app.compatible.doorway import CAPABILITIES_HEADER
from store import reader
from store.errors import StoreUnavailable
from store.message import Message
from store.reader import Reader

CHECK = Path(__file__).parents[4] / "shared" / "check"
ROUTES = [
    "/channels",
    "/list?channel=moonbase",
    "/list?channel=moonbase&user=bo_nord",
    "/namehistory/502",
    "/channel/moonbase",
    "/channel/moonbase/2026/3/1",
    "/channel/moonbase/2026/3/1?json&limit=3",
    "/channel/moonbase/2026/3/1?offset=2",
    "/channel/moonbase/random",
    "/channel/moonbase/stats",
    "/channel/moonbase/user/bo_nord",
    "/channel/moonbase/user/bo_nord/2026/3",
    "/channel/moonbase/user/bo_nord/random",
    "/channel/moonbase/user/bo_nord/stats",
    "/channel/moonbase/user/bo_nord/search?q=line",
]
RECENT = "/api/v2/recent-messages/moonbase"

PLAIN = {"accept-encoding": "identity"}


@pytest.mark.skipif(not CHECK.is_dir(), reason=f"rustlog's recorded answers are not beside the project ({CHECK})")
async def test_the_recorded_answers_of_rustlog_hold(store, writer, tmp_path):
    seed = (CHECK / "rustlog_seed.irc").read_text().splitlines()
    await writer.write([Message.parse(line) for line in seed])
    await writer.flush()
    vectors = json.loads((CHECK / "rustlog_vectors.json").read_text())
    async with served(store.session.settings, admin_key="let-me-in") as client:
        await until_ready(client)
        if (await client.post("/admin/channels")).status_code == 404:  # not a route of this service yet
            vectors = [vector for vector in vectors if not vector["path"].startswith("/admin/")]
        (tmp_path / "vectors.json").write_text(json.dumps(vectors))
        command = [sys.executable, CHECK / "rustlog.py", str(client.base_url), tmp_path / "vectors.json"]
        checking = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        told, _ = await checking.communicate()
    assert checking.returncode == 0, told.decode()
    assert told.decode().split() == f"{len(vectors)} of {len(vectors)} vectors hold".split()


@pytest.fixture
def elsewhere(monkeypatch):
    """The process is fourteen hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def test_the_time_zone_of_the_machine_changes_nothing(both, elsewhere):
    asked = [
        "/channel/edgebase",
        "/channel/edgebase/userid/601",
        "/list?channel=edgebase",
        "/list?channel=edgebase&userid=602",
        "/namehistory/601",
        *(f"/channel/edgebase/{day}?json" for day in ("2024/2/29", "2024/3/1", "2025/12/31", "2026/1/1", "2026/3/1")),
        "/channel/edgebase/userid/601/2025/12",
        "/channel/edgebase?from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z",
    ]
    there = [await both.get(route) for route in asked]
    assert time.localtime(0).tm_hour != 0
    os.environ["TZ"] = "UTC"
    time.tzset()
    here = [await both.get(route) for route in asked]
    assert [(each.status_code, each.content) for each in there] == [(each.status_code, each.content) for each in here]
    assert here[0].headers["location"] == there[0].headers["location"] == "/channel/edgebase/2026/3/2"
    assert {each.status_code for each in here} == {200, 303}
    assert len(edges.SENT) == 8


async def test_a_long_day_streams_in_pieces_that_wait_for_whoever_reads(store, writer):
    said = [
        Message.parse(lines.privmsg("x" * 4000, number=number, sent_ms=lines.EVENING_MS + number))
        for number in range(1000)
    ]
    for start in range(0, len(said), 100):
        await writer.write(said[start : start + 100])
    await writer.flush()
    read = 0

    async with served(store.session.settings) as client:
        await until_ready(client)
        pieces = Reader.stream

        async def watched(self, *args, **more):
            nonlocal read
            async for piece in pieces(self, *args, **more):
                read += len(piece)
                yield piece

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Reader, "stream", watched)
            patched.setattr(reader, "_SCAN_ROWS", 100)
            async with client.stream("GET", "/channel/moonbase/2026/3/1?json", headers=PLAIN) as answer:
                assert "content-length" not in answer.headers
                chunks = answer.aiter_raw()
                found = await anext(chunks)
                for _ in range(50):
                    await asyncio.sleep(0)
                before = read
                found += b"".join([chunk async for chunk in chunks])
    assert before < read == len(said)
    assert [message["id"] for message in json.loads(found)["messages"]] == [message.id for message in said]


async def test_what_breaks_a_stream_breaks_the_connection_and_before_it_is_an_answer(both, monkeypatch, caplog):
    async def broken(self, *args, **more):
        if args[0].newest_first:
            yield [Message.parse(lines.privmsg("the first"))]
        raise StoreUnavailable("gone")

    monkeypatch.setattr(Reader, "stream", broken)
    answer = await both.get("/channel/moonbase/2026/3/1")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert int(answer.headers["retry-after"]) > 0
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"), pytest.raises(httpx2.RemoteProtocolError):
        await both.get("/channel/moonbase/2026/3/1?reverse")


async def test_without_a_store_every_route_says_so_as_its_clients_read_it(module_store, unused_port):
    settings = module_store.session.settings.model_copy(update={"cql_port": unused_port})
    async with served(settings) as client:
        for route in ROUTES:
            answer = await client.get(route)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8"), route
            assert "again" in answer.text
            assert answer.headers["retry-after"] == "2"
        answer = await client.get(RECENT)
        assert (answer.status_code, answer.json()["error_code"]) == (503, "internal_server_error")
        assert (await client.get("/capabilities")).status_code == 200


async def test_a_fault_of_ours_tells_nothing_of_the_inside(both, monkeypatch, caplog):
    async def broken(*_args, **_more):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(Reader, "page", broken)
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
        answer = await both.get("/channel/moonbase")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert "secret" not in answer.text


async def test_every_answer_has_the_header(both):
    for route in [*ROUTES, RECENT, "/channel/x", "/list", "/optout", "/admin/channels"]:
        assert CAPABILITIES_HEADER in (await both.get(route)).headers, route
