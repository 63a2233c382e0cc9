"""Who may say which channels are read, and how it is said."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator

import httpx2
import pytest
from support import lines
from support.cassandra import unused_ports
from support.serving import served, until_ready

from app.models import RemovedChannelsBody, WantedChannelsBody
from app.routes.admin import MOST_BYTES
from store.message import Message
from store.store import Store
from store.wanted import WantedChannels
from store.workers import Worker, Workers

KEY = {"x-api-key": "let-me-in"}
OURS, THEIRS = "/v1/admin/channels", "/admin/channels"


@pytest.fixture(scope="module")
async def service(module_store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(module_store.session.settings, admin_key="let-me-in") as found:
        await until_ready(found)
        yield found


@pytest.fixture
async def wanted(module_store: Store) -> WantedChannels:
    """No channel is to be read."""
    await module_store.session.execute(f"TRUNCATE {module_store.session.table('wanted_channels')}")
    return await WantedChannels.open(module_store.session)


async def names(wanted: WantedChannels) -> list[str]:
    return [channel.name for channel in await wanted.all()]


async def send(client, method: str, path: str, body: object, **headers: str) -> httpx2.Response:
    return await client.request(method, path, json=body, headers=KEY | headers)


async def test_a_channel_is_added_shown_and_removed(service, wanted, module_store):
    added = await send(
        service, "POST", OURS, {"channels": ["#MoonBase", "demo"], "retentionDays": 30, "archiveDays": 400}
    )
    assert added.status_code == 200, added.text
    WantedChannelsBody.model_validate_json(added.content)
    [moonbase] = [channel for channel in await wanted.all() if channel.name == "moonbase"]
    await wanted.learn(moonbase, lines.CHANNEL_ID)
    worker = Worker("ada", uuid.uuid4(), 1, 1, reading=frozenset({lines.CHANNEL_ID}))
    workers = await Workers.open(module_store.session)
    await workers.beat(worker, 60)
    changed = await send(service, "POST", OURS, {"channels": ["moonbase"], "without": ["clearchat"]})
    [shown] = changed.json()["channels"]
    assert shown == {
        "name": "moonbase",
        "id": "9001",
        "login": "moonbase",
        "added": shown["added"],
        "retentionDays": 30,
        "archiveDays": 400,
        "without": ["clearchat"],
        "readers": ["ada"],
    }
    listed = await service.get(OURS, headers=KEY)
    WantedChannelsBody.model_validate_json(listed.content)
    assert [channel["name"] for channel in listed.json()["channels"]] == ["demo", "moonbase"]
    assert shown in listed.json()["channels"]
    back = await send(service, "POST", OURS, {"channels": ["moonbase"], "retentionDays": None, "types": ["privmsg"]})
    assert back.json()["channels"][0]["retentionDays"] is None
    assert back.json()["channels"][0]["archiveDays"] == 400
    assert back.json()["channels"][0]["without"] == ["clearchat", "clearmsg", "usernotice"]
    gone = await send(service, "DELETE", OURS, {"channels": ["id:9001", "nobody"]})
    RemovedChannelsBody.model_validate_json(gone.content)
    assert gone.json() == {"removed": ["moonbase"]}
    assert await names(wanted) == ["demo"]
    await workers.forget(worker)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", [OURS, THEIRS])
async def test_without_the_key_nothing_is_looked_at(service, wanted, module_store, method, path, capsys):
    if (method, path) == ("GET", THEIRS):
        assert (await service.get(path, headers=KEY)).status_code == 405
        return
    async with served(module_store.session.settings) as keyless:
        for client, key in (
            (service, ""),
            (service, "let-me-on"),
            (service, "ümlaut"),
            (keyless, "let-me-in"),
            (keyless, ""),
        ):
            headers = {"x-api-key": key.encode()} if key else {}
            answer = await client.request(method, path, content=b"{no json", headers=headers, params={"odd": "1"})
            assert answer.status_code == 403
            if path == OURS:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"] == "forbidden"
            else:
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
                assert answer.text == "No, I don't think so"
    assert await names(wanted) == []
    said = capsys.readouterr()
    assert "let-me" not in said.out + said.err


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{no json", "a body is JSON as in"),
        (b"[]", "a body is JSON as in"),
        (b"{}", "channels: Field required"),
        (b'{"channels":"moonbase"}', "channels: Input should be a valid array"),
        (b'{"channels":[]}', "channels: List should have at least 1 item"),
        (b'{"channels":["moon base"]}', "'moon base' is no channel: write a login"),
        (b'{"channels":["id:77"]}', "add the channel by its login"),
        (b'{"channels":["demo"],"retentionDays":-1}', "or 0 for ever"),
        (b'{"channels":["demo"],"archiveDays":36501}', "1 to 36500 days, or 0 for ever"),
        (b'{"channels":["demo"],"retentionDays":"30"}', "retentionDays: Input should be a valid integer"),
        (b'{"channels":["demo"],"types":["chat"]}', "'chat' is no type of message"),
        (b'{"channels":["demo"],"types":["privmsg"],"without":["clearchat"]}', "not both"),
        (b'{"channels":["demo"],"retention":1}', "retention: Extra inputs are not permitted"),
        (b" " * (MOST_BYTES + 1), "name fewer at a time"),
    ],
)
async def test_what_makes_no_sense_is_a_sentence_and_adds_nothing(service, wanted, body, sentence):
    answer = await service.post(OURS, content=body, headers=KEY)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
    assert sentence in answer.json()["detail"]
    assert await names(wanted) == []


async def test_a_parameter_that_nobody_knows_is_refused(service):
    for method in ("GET", "POST", "DELETE"):
        answer = await service.request(method, OURS, params={"channel": "demo"}, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_the_channels_are_told_as_rustlog_is_told_them(service, wanted, module_writer):
    line = lines.privmsg("hi", user_id=501, login="ada_lift")
    await module_writer.write([Message.parse(line)])
    await module_writer.flush()
    for _ in range(2):
        answer = await send(service, "POST", THEIRS, {"channels": ["501"]})
        assert (answer.status_code, answer.text) == (200, "")
    assert await names(wanted) == ["id:501"]
    for _ in range(2):
        answer = await send(service, "DELETE", THEIRS, {"channels": ["501", "77"]})
        assert (answer.status_code, answer.text) == (200, "")
    assert await names(wanted) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b'{"channels":"501"}', b'{"channels":["ada_lift"]}', b'{"channels":[true]}', b'{"channels":["77"]}'],
)
async def test_what_rustlog_could_not_be_told_either_is_plain_text(service, wanted, body):
    answer = await service.post(THEIRS, content=body, headers=KEY)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("Invalid param: ")  # as on every other route of theirs
    assert len(answer.text) > 40
    assert "x-rustlog-capabilities" in answer.headers
    assert await names(wanted) == []


async def test_without_cassandra_both_say_when_to_ask_again(module_store):
    (port,) = unused_ports(1)
    nowhere = module_store.session.settings.model_copy(update={"contact_points": ("127.0.0.1",), "cql_port": port})
    async with served(nowhere, admin_key="let-me-in") as cut_off:
        for path, kind in ((OURS, "application/problem+json"), (THEIRS, "text/plain; charset=utf-8")):
            answer = await cut_off.post(path, content=json.dumps({"channels": ["77"]}), headers=KEY)
            assert (answer.status_code, answer.headers["content-type"]) == (503, kind)
            assert int(answer.headers["retry-after"]) > 0
