from __future__ import annotations

import orjson
import pytest
from support import lines

from app.models import MessageBody, ModerationBody
from store.keys import MS_IN_DAY
from store.message import Message

LOG = "/v1/channels/moonbase/messages"
IN_CHANNEL = "/v1/channels/moonbase/users/ada_lift/messages"
EVERYWHERE = "/v1/users/ada_lift/messages"
LATER = lines.EVENING_MS + 2 * MS_IN_DAY


async def messages(client, route, **params):
    answer = await client.get(route, params={"limit": 1000, "order": "asc", **params})
    assert answer.status_code == 200, answer.text
    found = answer.json()["messages"]
    for message in found:
        MessageBody.model_validate(message)
    return found


@pytest.fixture(scope="module")
async def removed(client, module_writer, chat):
    """Beside the chat: ada_lift says something and is timed out for it, bo_nord has a line deleted."""
    said = [
        lines.privmsg("spam", number=801, sent_ms=LATER + 10_000),
        lines.privmsg("fine", number=802, sent_ms=LATER + 10_001, user_id=502, login="bo_nord"),
        lines.privmsg("typo", number=803, sent_ms=LATER + 10_002, user_id=502, login="bo_nord"),
        lines.clearchat("ada_lift", sent_ms=LATER + 20_000),
        lines.clearmsg(lines.message_id(803), sent_ms=LATER + 21_000, login="bo_nord"),
    ]
    await module_writer.write([Message.parse(line, channel_id=lines.CHANNEL_ID) for line in said])
    await module_writer.flush()
    return client


async def test_lines_that_were_removed_say_by_what_and_when_on_every_log(removed):
    found = {m["text"]: m.get("deleted") for m in await messages(removed, LOG, **{"from": LATER + 10_000})}
    timeout = {"by": "timeout", "at": "2026-03-03T21:30:20.000Z"}
    clearmsg = {"by": "clearmsg", "at": "2026-03-03T21:30:21.000Z"}
    assert (found["spam"], found["fine"], found["typo"]) == (timeout, None, clearmsg)
    for route in (IN_CHANNEL, EVERYWHERE):
        assert (await messages(removed, route, **{"from": LATER + 10_000}))[0]["deleted"] == timeout
    sent = (await messages(removed, LOG, **{"from": LATER + 10_000}))[0]["sent"]
    assert (await messages_of_line(removed, sent))["deleted"] == timeout
    answer = await removed.get(LOG, params={"format": "ndjson", "from": LATER + 10_000})
    assert orjson.loads(answer.content.splitlines()[0])["deleted"] == timeout


async def messages_of_line(client, sent):
    return (await client.get(f"{LOG}/{sent}")).json()["messages"][0]


@pytest.mark.parametrize("route", [LOG, IN_CHANNEL, EVERYWHERE])
@pytest.mark.parametrize("more", [{}, {"type": "privmsg"}, {"q": "line"}])
async def test_kept_and_deleted_are_the_two_parts_of_all(removed, route, more):
    everything = await messages(removed, route, **more)
    parts = {sort: await messages(removed, route, include=sort, **more) for sort in ("kept", "deleted")}
    assert parts["kept"] == [m for m in everything if "deleted" not in m]
    assert parts["deleted"] == [m for m in everything if "deleted" in m]
    answer = await removed.get(route, params={"format": "ndjson", "order": "asc", "include": "kept", **more})
    assert [orjson.loads(line) for line in answer.content.splitlines()] == parts["kept"]


async def test_pages_of_kept_lines_walk_the_whole_log(removed):
    everything = [m["raw"] for m in await messages(removed, LOG, include="kept")]
    found, params = [], {"limit": 7, "order": "asc", "include": "kept"}
    while True:
        page = (await removed.get(LOG, params=params)).json()
        found += [m["raw"] for m in page["messages"]]
        if page["page"]["next"] is None:
            break
        params = {"limit": 7, "include": "kept", "cursor": page["page"]["next"]}
    assert found == everything


async def test_a_users_bans_and_time_outs_are_a_list(removed):
    answer = await removed.get("/v1/channels/moonbase/users/ada_lift/moderation")
    body = ModerationBody.model_validate_json(answer.content)
    assert not body.more
    assert [(event.type, event.seconds) for event in body.moderation][:2] == [
        ("timeout", 600),
        ("clearmsg", None),
    ]
    event = await removed.get(f"{LOG}/{body.moderation[0].sent}")
    assert event.json()["messages"][0]["type"] == "clearchat"
    answer = await removed.get("/v1/channels/moonbase/users/ada_lift/moderation", params={"limit": 1})
    assert answer.json()["more"]
    answer = await removed.get("/v1/channels/moonbase/users/bo_nord/moderation")
    assert [event["messageId"] for event in answer.json()["moderation"]] == [lines.message_id(803)]


async def test_it_says_nothing_of_what_was_never_removed(removed):
    answer = await removed.get("/v1/channels/moonbase/users/id:999/moderation")
    assert answer.json() == {"moderation": [], "more": False}
    assert (await removed.get(LOG, params={"include": "none"})).status_code == 400
