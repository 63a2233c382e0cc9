from __future__ import annotations

import asyncio
import itertools
import re

import orjson
import pytest
from support import lines
from support.recording import recorded

from app.models import PageBody
from app.routes.logs import router as logs_router
from app.times import rfc3339
from store.keys import MS_IN_DAY
from store.message import MessageType

CHANNEL = "/v1/channels/moonbase/messages"
IN_CHANNEL = "/v1/channels/moonbase/users/bo_nord/messages"
EVERYWHERE = "/v1/users/bo_nord/messages"
ROUTES = [(CHANNEL, None), (IN_CHANNEL, 502), (EVERYWHERE, 502)]


def of_user(chat, user):
    return [message.line for message in chat if user is None or user in message.users]


async def page(client, route, **params):
    answer = await client.get(route, params=params)
    assert answer.status_code == 200, answer.text
    PageBody.model_validate_json(answer.content)
    return answer.json()


def raw(*pages) -> list[str]:
    return [message["raw"] for found in pages for message in found["messages"]]


async def walk(client, route, to="next", **params):
    pages = [await page(client, route, **params)]
    while (cursor := pages[-1]["page"][to]) is not None:
        pages.append(await page(client, route, limit=params["limit"], cursor=cursor))
    return pages


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(("route", "user"), ROUTES)
async def test_pages_of_seven_give_each_line_once_in_order_both_ways(client, chat, route, user, order):
    wanted = of_user(chat, user)[:: 1 if order == "asc" else -1]
    pages = await walk(client, route, order=order, limit=7)
    assert raw(*pages) == wanted
    assert all(len(found["messages"]) == 7 for found in pages[:-1])
    back = await walk(client, route, to="previous", limit=7, cursor=pages[-1]["page"]["previous"])
    assert raw(*reversed(back), pages[-1]) == wanted


async def test_without_a_range_the_newest_come_first_and_within_one_the_oldest(client, chat):
    everything = of_user(chat, None)
    assert raw(await page(client, CHANNEL, limit=3)) == everything[:-4:-1]
    start = rfc3339(lines.EVENING_MS + MS_IN_DAY)
    later = [message.line for message in chat if message.sent_ms >= lines.EVENING_MS + MS_IN_DAY]
    assert raw(await page(client, CHANNEL, **{"from": start})) == later
    assert raw(await page(client, CHANNEL, **{"from": start, "order": "desc"})) == later[::-1]
    assert raw(await page(client, CHANNEL, to=start, limit=1000)) == everything[: len(everything) - len(later)]


async def test_a_range_is_half_open(client, chat):
    first, last = chat[0].sent_ms, chat[12].sent_ms
    wanted = [message.line for message in chat if first <= message.sent_ms < last]
    assert raw(await page(client, CHANNEL, **{"from": first, "to": last})) == wanted


async def test_the_link_header_is_the_same_walk_and_keeps_the_filters(client, chat):
    wanted = [message.line for message in chat if message.type is MessageType.PRIVMSG][::-1]
    found, url = [], f"{CHANNEL}?limit=9&type=privmsg&format=raw"
    while url:
        answer = await client.get(url)
        found += answer.content.decode().split("\r\n")[:-1]
        links = {rel: target for target, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers.get("link", ""))}
        assert all("type=privmsg" in link and "format=raw" in link for link in links.values())
        url = links.get("next")
    assert found == wanted


async def test_type_badge_and_search_choose_lines(client, chat):
    kinds = await page(client, CHANNEL, type="CLEARCHAT,usernotice")
    assert {message["type"] for message in kinds["messages"]} == {"clearchat", "usernotice"}
    assert len(kinds["messages"]) == 3
    assert raw(await page(client, CHANNEL, q="straße")) == [chat[17].line]
    moderators = [message.line for message in chat if message.badges == "moderator/1"]
    assert raw(await page(client, CHANNEL, badge="moderator", order="asc")) == moderators
    assert raw(await page(client, CHANNEL, q="nobody said this")) == []


async def test_a_name_in_any_case_and_an_id_are_the_same_log(client):
    asked = [CHANNEL, "/v1/channels/MoonBase/messages", "/v1/channels/id:9001/messages"]
    answers = [await page(client, route) for route in asked]
    assert answers[0] == answers[1] == answers[2]


async def test_text_and_raw_end_every_line_and_raw_is_what_was_sent(client, chat):
    answer = await client.get(CHANNEL, params={"format": "raw", "order": "asc"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == b"".join(line.encode() + b"\r\n" for line in of_user(chat, None))
    answer = await client.get(CHANNEL, params={"order": "asc"}, headers={"accept": "text/plain"})
    text = answer.content.decode().split("\r\n")
    assert text[0] == "[2026-03-01 21:30:00] #moonbase ada_lift: line 0"
    assert text.pop() == ""
    assert len(text) == len(chat)


async def test_ndjson_streams_the_whole_range_and_a_page_of_it_where_one_is_asked_for(client, chat):
    async with client.stream("GET", CHANNEL, headers={"accept": "application/x-ndjson"}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert "content-length" not in answer.headers
        found = [orjson.loads(line) async for line in answer.aiter_lines()]
    assert [message["raw"] for message in found] == of_user(chat, None)[::-1]
    everything = await page(client, CHANNEL, limit=1000)
    assert found == everything["messages"]
    answer = await client.get(CHANNEL, params={"format": "ndjson", "limit": 3})
    assert [orjson.loads(line) for line in answer.content.splitlines()] == found[:3]
    answer = await client.get(answer.headers["link"].partition(">")[0].lstrip("<"))
    assert [orjson.loads(line) for line in answer.content.splitlines()] == found[3:6]
    answer = await client.get(CHANNEL, params={"format": "ndjson", "to": 1})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("text/html,*/*;q=0.8", "application/json"),
        ("image/png", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
    ],
)
async def test_accept_chooses_where_format_does_not(client, accept, kind):
    answer = await client.get(CHANNEL, headers={"accept": accept})
    assert answer.headers["content-type"] == kind
    assert "accept" in answer.headers["vary"].lower()


WRONG = [
    ({"limit": "0"}, "limit"),
    ({"limit": "1001"}, "limit"),
    ({"limit": "abc"}, "limit"),
    ({"limit": ""}, "limit"),
    ({"from": "yesterday"}, "RFC 3339"),
    ({"from": ""}, "RFC 3339"),
    ({"from": "2026-03-01T00:00:00"}, "zone"),
    ({"from": "1969-01-01T00:00:00Z"}, "1970"),
    ({"to": "4001-01-01T00:00:00Z"}, "4000"),
    ({"from": "10", "to": "10"}, "before"),
    ({"from": "11", "to": "10"}, "before"),
    ({"order": "up"}, "asc"),
    ({"type": "join"}, "privmsg"),
    ({"type": ""}, "privmsg"),
    ({"q": ""}, "q="),
    ({"format": "xml"}, "ndjson"),
    ({"form": "raw"}, "format"),
    ({"from_": "10"}, "from_"),
    ({"q": ["a", "b"]}, "more than once"),
    ({"cursor": "AAAA"}, "as it is"),
]


@pytest.mark.parametrize(("params", "names"), WRONG)
@pytest.mark.parametrize("route", [CHANNEL, IN_CHANNEL, EVERYWHERE])
async def test_a_parameter_that_makes_no_sense_is_answered_with_what_would(client, route, params, names):
    answer = await client.get(route, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert names in answer.json()["detail"]


async def test_a_cursor_is_good_for_its_own_log_and_as_it_is_alone(client):
    cursor = (await page(client, CHANNEL, limit=5))["page"]["next"]
    assert len(raw(await page(client, CHANNEL, limit=5, cursor=cursor))) == 5
    spoilt = [cursor[:-1], cursor[1:], cursor + "A", cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:]]
    other = "/v1/channels/moonbase/users/ada_lift/messages"
    for route, given in [*((CHANNEL, text) for text in spoilt), (other, cursor), (EVERYWHERE, cursor)]:
        answer = await client.get(route, params={"cursor": given})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
        assert answer.json()["detail"]
    in_channel = (await page(client, IN_CHANNEL, limit=5))["page"]["next"]
    answer = await client.get(other, params={"cursor": in_channel})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_beside_a_cursor_range_and_order_must_be_its_own(client, chat):
    asked = {"from": str(chat[0].sent_ms), "to": str(chat[-1].sent_ms), "order": "desc"}
    first = await page(client, CHANNEL, limit=5, **asked)
    cursor = first["page"]["next"]
    alone = await page(client, CHANNEL, limit=5, cursor=cursor)
    assert await page(client, CHANNEL, limit=5, cursor=cursor, **asked) == alone
    for other in ({"from": "5"}, {"to": "5"}, {"order": "asc"}):
        answer = await client.get(CHANNEL, params={"cursor": cursor, **other})
        assert answer.status_code == 400
        assert "cursor carries" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("/v1/channels/nobody/messages", 404),
        ("/v1/channels/id:4/messages", 404),
        ("/v1/channels/ada_lift/messages", 404),  # a user, but no channel
        ("/v1/channels/moonbase/users/nobody/messages", 404),
        ("/v1/users/nobody/messages", 404),
        ("/v1/channels/moon-base/messages", 400),
        ("/v1/channels/id:x/messages", 400),
        ("/v1/channels/id:/messages", 400),
        ("/v1/channels/id:0123/messages", 400),
        ("/v1/channels/%00/messages", 400),
        (f"/v1/channels/id:{'9' * 40}/messages", 400),
        (f"/v1/channels/{'a' * 4000}/messages", 400),
        ("/v1/users/id:99/messages", 200),  # an id is taken as it is
    ],
)
async def test_names_that_are_not_there_and_names_that_are_none(client, route, status):
    answer = await client.get(route)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_head_has_the_headers_and_no_body(client):
    for route in (CHANNEL, "/v1/channels", "/healthz", f"{CHANNEL}?format=ndjson"):
        got, head = await client.get(route), await client.head(route)
        assert (head.status_code, head.content) == (200, b"")
        same = ("content-type", "content-length", "link")
        assert [head.headers.get(name) for name in same] == [got.headers.get(name) for name in same]


async def test_the_three_log_routes_take_the_same_parameters(client):
    document = (await client.get("/openapi.json")).json()
    asked = [
        {parameter["name"]: parameter for parameter in document["paths"][route.path]["get"]["parameters"]
         if parameter["in"] == "query"}
        for route in logs_router.routes
    ]  # fmt: skip
    assert asked[0].keys() == {
        "from",
        "to",
        "order",
        "limit",
        "cursor",
        "type",
        "q",
        "badge",
        "include",
        "shared",
        "format",
    }
    assert all(one == other for one, other in itertools.pairwise(asked))


async def test_a_page_is_one_partition_read_and_at_most_one_index_read_and_a_look_at_what_was_removed(serving_in_sight):
    client, session = serving_in_sight
    asked = {"order": "asc"}
    for turn in range(3):  # all within the first day
        with recorded(session) as calls:
            asked = {"cursor": (await page(client, CHANNEL, limit=5, **asked))["page"]["next"]}
        tables = [name for call in calls for name in call.tables]
        names = [name for name in tables if name in ("login_users", "channels")]
        assert tables.count("channel_messages") == 1
        assert tables.count("channel_buckets") <= 1
        assert sorted(names) == (["channels", "login_users"] if turn == 0 else [])
        assert tables.count("channel_moderation") == 1
        assert tables.count("coverage") <= (1 if turn == 0 else 0)  # nothing is known of it, which is remembered
        # These lines are older than the tables keep any: whether the archive has more of them is looked up, too.
        assert tables.count("archived_days") == 1
        looks = ("channel_buckets", "coverage", "archived_days", "tables", "retention_history")
        others = sum(tables.count(name) for name in looks)
        assert len(calls) == len(names) + 2 + others


async def test_many_who_ask_for_the_same_page_at_once_are_one_read(serving_in_sight):
    client, session = serving_in_sight
    await page(client, CHANNEL)
    with recorded(session) as calls:
        answers = await asyncio.gather(*(client.get(CHANNEL, params={"limit": 50}) for _ in range(20)))
    assert len({answer.content for answer in answers}) == 1
    assert len([call for call in calls if "channel_messages" in call.tables]) < 20
