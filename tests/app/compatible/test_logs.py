from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import lines
from support.edges import at

from app import render
from app.compatible.doorway import CAPABILITIES_HEADER
from store.keys import MS_IN_DAY

DAY = "/channel/moonbase/2026/3/1"
MONTH = "/channel/moonbase/user/bo_nord/2026/3"
RANGE = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
PLAIN = "text/plain; charset=utf-8"


def of_day(chat, days=0):
    start = lines.EVENING_MS - lines.EVENING_MS % MS_IN_DAY + days * MS_IN_DAY
    return [message for message in chat if start <= message.sent_ms < start + MS_IN_DAY]


def of_user(chat, user):
    return [message for message in chat if user in message.users]


def as_raw(messages) -> bytes:
    return b"".join(render.as_raw(message) + b"\r\n" for message in messages)


async def body(client, route, status=200, **params) -> bytes:
    answer = await client.get(route, params=params)
    assert answer.status_code == status, answer.text
    return answer.content


@pytest.mark.parametrize(
    "route",
    [
        DAY,
        "/channel/MoonBase/2026/03/01",
        "/channelid/9001/2026/3/01",
        "/Channel/moonbase/2026/03/1",
        DAY + "/",
        "/channel//moonbase/2026///3/1//",
    ],
)
async def test_a_day_of_a_channel_by_any_name_and_spelling(both, chat, route):
    answer = await both.get(route, params={"raw": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, PLAIN)
    assert answer.headers[CAPABILITIES_HEADER] == "arbitrary-range-query,search,stats,namehistory"
    assert answer.content == as_raw(of_day(chat))


@pytest.mark.parametrize("channel", ["channel/moonbase", "channelid/9001"])
@pytest.mark.parametrize("user", ["user/BO_nord", "userid/502"])
@pytest.mark.parametrize("month", ["2026/3", "2026/03/"])
async def test_a_month_of_a_user_by_any_name(both, chat, channel, user, month):
    assert await body(both, f"/{channel}/{user}/{month}", raw="") == as_raw(of_user(chat, 502))


@pytest.mark.parametrize(
    ("route", "to"),
    [
        ("/channel/moonbase", "/channel/moonbase/2026/3/3"),
        ("/channelid/9001", "/channelid/9001/2026/3/3"),
        ("/channel/MoonBase/user/bo_nord", "/channel/MoonBase/user/bo_nord/2026/3"),
        ("/channel/moonbase/userid/502/", "/channel/moonbase/userid/502/2026/3"),
        ("/channelid/9001/user/ada_lift", "/channelid/9001/user/ada_lift/2026/3"),
        ("/channel/edgebase", "/channel/edgebase/2026/3/2"),
    ],
)
@pytest.mark.parametrize("query", ["", "json", "json=1&reverse&x=%2F%0d%0a+y&", "from=1772323200"])
async def test_without_a_date_it_leads_to_the_newest_that_has_lines_query_kept(both, route, to, query):
    answer = await both.get(f"{route}?{query}" if query else route)
    assert answer.status_code == 303
    assert answer.headers["location"] == (f"{to}?{query}" if query else to)
    assert (await both.get(answer.headers["location"])).status_code == 200


async def test_with_both_ends_it_is_the_range_in_either_kind_of_time(both, chat):
    for first, end in (("2026-03-01T21:30:00.005Z", "2026-03-02T21:30:00.016Z"), ("1772400601", "1772487001")):
        found = await body(both, "/channel/moonbase", raw="", **{"from": first, "to": end})
        start_ms, end_ms = (int(first) * 1000, int(end) * 1000) if first.isdigit() else (
            lines.EVENING_MS + 5, lines.EVENING_MS + MS_IN_DAY + 16)  # fmt: skip
        assert found == as_raw(message for message in chat if start_ms <= message.sent_ms < end_ms)
    user = await body(both, "/channel/moonbase/user/ada_lift", raw="", **RANGE)
    assert user == as_raw(of_user(chat, 501))


async def test_a_range_beside_a_date_moves_its_ends_as_in_justlog(both, chat):
    early = lines.EVENING_MS // 1000 - 60
    found = await body(both, "/channel/moonbase/2026/3/2", raw="", **{"from": str(early)})
    assert found == as_raw(of_day(chat) + of_day(chat, 1))
    assert await body(both, DAY, 404, to=str(early)) == b"Not found"


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ("2024-02-29T00:00:00Z", "2024-03-02T00:00:00Z"),  # a month's end in a leap year
        ("2025-12-31T23:00:00Z", "2026-01-01T01:00:00Z"),  # a year's end
        ("2026-03-01T23:00:00Z", "2026-03-02T01:00:00Z"),  # midnight
        ("2024-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-03-01T01:59:59+02:00", "2026-03-02T01:00:00 02:00"),  # a + that was not escaped is a space
    ],
)
@pytest.mark.parametrize("who", ["", "/userid/601"])
async def test_a_range_over_an_edge_is_whole(both, edge_chat, first, end, who):
    wanted = [
        message
        for message in edge_chat
        if at(first) <= message.sent_ms < at(end.replace(" ", "+")) and (not who or message.author_id == 601)
    ]
    for reverse in ({}, {"reverse": "1"}):
        asked = {"raw": "", "from": first, "to": end, **reverse}
        found = await body(both, f"/channel/edgebase{who}", 200 if wanted else 404, **asked)
        assert found == (as_raw(wanted[:: -1 if reverse else 1]) or b"Not found")


FLAGS = [
    ("", PLAIN, "text"),
    ("json", "application/json", "full"),
    ("json=false", "application/json", "full"),
    ("json=json&ndjson", "application/json", "full"),
    ("type=json", "application/json", "full"),
    ("jsonBasic", "application/json", "basic"),
    ("jsonBasic=1&json=1", "application/json", "basic"),
    ("raw", PLAIN, "raw"),
    ("raw=0&json&jsonBasic&ndjson", PLAIN, "raw"),
    ("type=raw", PLAIN, "raw"),
    ("ndjson", "application/x-ndjson", "ndjson"),
    ("format=xml&json_=1&unknown", PLAIN, "text"),
    ("json&limit=&offset=&from=&to=", "application/json", "full"),
]


@pytest.mark.parametrize(("query", "kind", "form"), FLAGS)
@pytest.mark.parametrize("limit", ["", "&limit=5", "&limit=5000"])
async def test_flags_count_by_their_presence(both, chat, query, kind, form, limit):
    answer = await both.get(f"{DAY}?{query}{limit if 'limit' not in query else ''}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    wanted = of_day(chat)[: 5 if limit == "&limit=5" and "limit" not in query else None]
    content = answer.content
    if form == "raw":
        assert content == as_raw(wanted)
    elif form == "text":
        assert content == b"".join(render.as_text(message).encode() + b"\r\n" for message in wanted)
    else:
        assert b'": ' not in content.replace(b'\\": ', b"")
        if form == "ndjson":
            *records, last = content.split(b"\r\n")
            assert last == b""
            found = [orjson.loads(record) for record in records]
        else:
            found = orjson.loads(content)["messages"]
        assert [message["id"] for message in found] == [message.id for message in wanted]
        fields = ["text", "displayName", "timestamp", "id", "tags"]
        assert list(found[0]) == (
            [*fields, "username", "channel", "raw", "type", "systemText"] if form == "full" else fields
        )


async def test_a_request_that_says_it_is_json_gets_json_unless_a_flag_says_else(both):
    for flag, kind in (("", "application/json"), ("raw", PLAIN)):
        answer = await both.get(f"{DAY}?{flag}", headers={"content-type": "application/json; charset=utf-8"})
        assert answer.headers["content-type"] == kind


async def test_an_event_is_told_as_rustlog_and_as_justlog_do(both):
    found = orjson.loads(await body(both, "/channel/moonbase/2026/3/3", json=""))["messages"]
    shown = [(message["type"], message["username"], message["text"], message["systemText"]) for message in found]
    assert shown == [
        (4, "ada_lift", "Ada_Lift subscribed for 7 months! seven months", "Ada_Lift subscribed for 7 months!"),
        (2, "ada_lift", *["ada_lift has been timed out for 600 seconds"] * 2),
        (2, "", *["Chat has been cleared"] * 2),
        (13, "ada_lift", "A message from ada_lift was deleted oops", "A message from ada_lift was deleted"),
    ]
    assert [message["timestamp"] for message in found[:2]] == ["2026-03-03T21:30:00Z", "2026-03-03T21:30:00.001Z"]
    assert [message["displayName"] for message in found] == ["Ada_Lift", "ada_lift", "", "ada_lift"]


@given(
    offset=st.integers(0, 70),
    limit=st.none() | st.integers(0, 70) | st.sampled_from([1000, 1001, 2**64 - 1]),
    reverse=st.booleans(),
    route=st.sampled_from(["channel", "user", "search"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_limit_and_offset_are_a_slice_and_reverse_is_the_reverse(both, chat, offset, limit, reverse, route):
    wanted = list(chat) if route == "channel" else of_user(chat, 502)
    path, asked = "/channel/moonbase", dict(RANGE)
    if route != "channel":
        path += "/user/bo_nord"
    if route == "search":
        path, asked = path + "/search", {"q": "LINE"}
        wanted = [message for message in wanted if "line" in (message.text or "")]
    wanted = wanted[:: -1 if reverse else 1][offset:]
    wanted = wanted if limit is None else wanted[:limit]
    asked |= {"raw": "", "offset": str(offset)}
    if limit is not None:
        asked["limit"] = str(limit)
    if reverse:
        asked["reverse"] = ""
    answer = await both.get(path, params=asked)
    assert answer.status_code == (200 if wanted else 404)
    assert answer.content == (as_raw(wanted) or b"Not found")


async def test_cursors_walk_a_day_and_say_where_they_do_not_belong(both, chat):
    for query in ("raw&limit=7", "limit=7&reverse=1&raw", f"raw&limit=7&offset=3&from={lines.EVENING_MS}"):
        wanted = of_day(chat)[3 if "offset" in query else 0 :]
        found, url, pages = b"", f"{DAY}?{query}", 0
        while url:
            answer = await both.get(url)
            found, pages = found + answer.content, pages + 1
            url = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
            assert "offset" not in url
        assert found == as_raw(wanted[:: -1 if "reverse" in query else 1])
        assert pages == -(-len(wanted) // 7)
    cursor = (await both.get(f"{DAY}?limit=7")).headers["link"].partition("cursor=")[2].partition(">")[0]
    rest = await body(both, DAY, raw="", cursor=cursor)
    assert rest == as_raw(of_day(chat)[7:])
    wrong = {
        "cursor": (DAY, {"cursor": cursor[:-2]}),
        "range": ("/channel/moonbase/2026/3/2", {"cursor": cursor}),
        "order": (DAY, {"cursor": cursor, "reverse": ""}),
        "offset": (DAY, {"cursor": cursor, "offset": "2"}),
        "another log": ("/channel/edgebase/2026/3/1", {"cursor": cursor}),
    }
    for word, (route, params) in wrong.items():
        assert word in (await body(both, route, 400, **params)).decode()


WRONG = [
    (DAY, {"limit": "-1"}),
    (DAY, {"limit": "some"}),
    (DAY, {"limit": str(2**64)}),
    (DAY, {"offset": "-1"}),
    (DAY, {"offset": "1.5"}),
    ("/channel/moonbase", {"from": "garbage", "to": "2026-03-02T12:00:00Z"}),
    ("/channel/moonbase", {"from": "1", "to": "2026-03-02T12:00:00"}),
    ("/channel/moonbase/stats", {"from": "yesterday"}),
    ("/channel/moonbase/2026/13/1", {}),
    ("/channel/moonbase/2026/2/30", {}),
    ("/channel/moonbase/2026/0/1", {}),
    ("/channel/moonbase/0/1/1", {}),
    ("/channel/moonbase/20261/1/1", {}),
    ("/channel/moonbase/2026/x/1", {}),
    ("/channel/moonbase/2026/٣/1", {}),
    ("/channel/moonbase/2026/-3/1", {}),
    ("/channel/moonbase/user/bo_nord/2026/13", {}),
    ("/channel/moonbase/user/bo_nord/year/3", {}),
    ("/channel/moonbase/user/bo_nord/search", {}),
    ("/channel/moon-base/2026/3/1", {}),
    ("/channel/id:9001/2026/3/1", {}),
    ("/channelid/moonbase/2026/3/1", {}),
    ("/channelid/0/2026/3/1", {}),
    (f"/channelid/{'9' * 40}/2026/3/1", {}),
    (f"/channel/{'a' * 4000}", {}),
    ("/channel/%00/random", {}),
    ("/channel/moonbase/userid/bo_nord", {}),
    ("/list", {}),
    ("/list", {"user": "bo_nord"}),
    ("/list", {"channel": "moon base"}),
    ("/namehistory/bo_nord", {}),
]


@pytest.mark.parametrize(("route", "params"), WRONG)
async def test_what_makes_no_sense_is_answered_with_a_line_of_text(both, route, params):
    answer = await both.get(route, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PLAIN), answer.text
    assert answer.text.startswith("Invalid param: ")
    assert len(answer.text) > 30
    assert "\n" not in answer.text
    assert CAPABILITIES_HEADER in answer.headers


MISSING = [
    "/channel/nobody",
    "/channel/nobody/2026/3/1",
    "/channel/nobody/random",
    "/channel/nobody/stats",
    "/channelid/99999/2026/3/1",
    "/channel/ada_lift",  # a user, but no channel
    "/channel/moonbase/2026/3/9",
    "/channel/moonbase/1969/3/9",
    "/channel/moonbase/9999/12/31",
    "/channel/moonbase/user/nobody",
    "/channel/moonbase/userid/777",
    "/channel/moonbase/userid/777/2026/3",
    "/channel/moonbase/userid/777/random",
    "/channel/moonbase/userid/777/search?q=x",
    "/channel/moonbase/user/bo_nord/2026/4",
    "/channel/moonbase/user/bo_nord/9999/12",
    "/channel/moonbase/user/bo_nord/search?q=nobody+said+this",
    "/channel/moonbase?from=5&to=4",
    "/channel/moonbase/2026/3/1?limit=0",
    "/channel/moonbase/2026/3/1?offset=1000000",
    "/list?channel=nobody",
    "/list?channel=moonbase&userid=777",
    "/channel",
    "/channel/",
    "/channel/moonbase/what/is/this/here/now",
    "/namehistory",
    "/capabilities/x",
]


@pytest.mark.parametrize("route", MISSING)
async def test_what_is_not_there_is_not_found(both, route):
    answer = await both.get(route)
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (404, PLAIN, "Not found")
    assert CAPABILITIES_HEADER in answer.headers


async def test_head_and_other_methods(both):
    for route in (DAY, f"{DAY}?json", f"{DAY}?raw&limit=3", "/channel/moonbase", "/list?channel=moonbase"):
        got, head = await both.get(route), await both.head(route)
        assert (head.status_code, head.content) == (got.status_code, b"")
        same = ("content-type", "location", CAPABILITIES_HEADER)
        assert [head.headers.get(name) for name in same] == [got.headers.get(name) for name in same]
    answer = await both.post(DAY)
    assert (answer.status_code, answer.headers["content-type"]) == (405, PLAIN)


async def test_v1_is_left_as_it_is(both):
    for route in ("/v1/channels/", "/v1/channel/moonbase", "/v1//channels"):
        answer = await both.get(route)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert CAPABILITIES_HEADER not in answer.headers
    assert CAPABILITIES_HEADER not in (await both.get("/v1/channels")).headers


async def test_a_web_page_of_another_origin_may_ask_and_read_the_header(both):
    origin = {"origin": "https://logs.example"}
    answer = await both.get(DAY, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert CAPABILITIES_HEADER in answer.headers["access-control-expose-headers"]
    asked = {**origin, "access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    assert (await both.options(DAY, headers=asked)).status_code == 200
