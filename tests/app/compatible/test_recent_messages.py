from __future__ import annotations

import uuid

import pytest

from store.tags import of_line
from store.workers import Worker, Workers

ROUTE = "/api/v2/recent-messages/moonbase"
NOT_JOINED = "channel_not_joined"


async def recent(client, **params) -> dict:
    answer = await client.get(ROUTE, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert list(answer.json()) == ["messages", "error", "error_code"]
    return answer.json()


def times(found) -> list[int]:
    return [int(of_line(line)["rm-received-ts"]) for line in found["messages"]]


@pytest.fixture(scope="module")
async def reading(both, module_store):
    """The channel is being read."""
    one = Worker("a worker", uuid.uuid4(), since_ms=1, seen_ms=1, reading=frozenset({9001}))
    await (await Workers.open(module_store.session)).beat(one, every_seconds=600)
    return both


async def test_the_newest_lines_oldest_first(reading, chat):
    found = await recent(reading)
    assert (found["error"], found["error_code"]) == (None, None)
    assert times(found) == [message.sent_ms for message in chat]
    assert all(of_line(line)["historical"] == "1" for line in found["messages"])
    for limit in (1, 7, 800, 5000):
        assert times(await recent(reading, limit=limit)) == times(found)[-limit:]
    assert times(await recent(reading, limit=0)) == []
    assert (await reading.get("/api/v2/recent-messages/MoonBase/")).json() == found


async def test_before_and_after_are_exclusive(reading, chat):
    first, last = chat[7].sent_ms, chat[50].sent_ms
    wanted = [message.sent_ms for message in chat if first < message.sent_ms < last]
    assert times(await recent(reading, after=first, before=last)) == wanted
    assert times(await recent(reading, after=first, before=last, limit=5)) == wanted[-5:]
    assert times(await recent(reading, after=chat[-1].sent_ms)) == []


async def test_what_followed_marks_also_what_is_asked_for_before_it(reading, chat):
    found = await recent(reading, before=chat[30].sent_ms)
    assert all("rm-deleted" in of_line(line) for line in found["messages"])  # the room was cleared later
    hidden = await recent(reading, hide_moderated_messages="true", hide_moderation_messages="1")
    assert hidden["messages"] == []
    noticed = await recent(reading, clearchat_to_notice="true", limit=3)
    assert [" NOTICE #moonbase :" in line for line in noticed["messages"]] == [True, True, False]


async def test_a_channel_that_is_not_read_says_so_and_none_is_joined(both):
    for login, lines_there in (("edgebase", 8), ("nobody", 0), ("ada_lift", 0)):
        found = (await both.get(f"/api/v2/recent-messages/{login}")).json()
        assert found["error_code"] == NOT_JOINED
        assert len(found["error"]) > 20
        assert len(found["messages"]) == lines_there
    assert {each["name"] for each in (await both.get("/channels")).json()["channels"]} == {"edgebase", "moonbase"}


@pytest.mark.parametrize(
    ("route", "code"),
    [
        ("/api/v2/recent-messages/moon-base", "invalid_channel_login"),
        (f"/api/v2/recent-messages/{'a' * 26}", "invalid_channel_login"),
        ("/api/v2/recent-messages/id:9001", "invalid_channel_login"),
        (ROUTE + "?limit=-1", "invalid_query"),
        (ROUTE + "?limit=some", "invalid_query"),
        (ROUTE + "?before=yesterday", "invalid_query"),
        (ROUTE + f"?before={10**19}&limit=1", "invalid_query"),
        (ROUTE + "?clearchat_to_notice=perhaps", "invalid_query"),
    ],
)
async def test_what_makes_no_sense_is_answered_in_that_service_s_shape(both, route, code):
    answer = await both.get(route)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    found = answer.json()
    assert list(found) == ["status", "status_message", "error", "error_code"]
    assert (found["status"], found["status_message"], found["error_code"]) == (400, "Bad Request", code)
    assert len(found["error"]) > 20


async def test_other_paths_and_methods(both):
    answer = await both.get("/api/v2/recent-messages")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "not_found")
    answer = await both.post(ROUTE)
    assert (answer.status_code, answer.json()["error_code"]) == (405, "method_not_allowed")
