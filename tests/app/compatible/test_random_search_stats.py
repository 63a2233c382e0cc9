from __future__ import annotations

import orjson
import pytest
from support.edges import at

from app import render

CHANNEL = "/channel/moonbase"
USER = CHANNEL + "/user/bo_nord"


@pytest.mark.parametrize(("route", "user"), [(CHANNEL, None), (USER, 502), ("/channelid/9001/userid/502", 502)])
async def test_a_line_by_chance_is_one_of_the_log_in_every_form(both, chat, route, user):
    known = {message.line: message for message in chat if user is None or user in message.users}
    drawn = []
    for _ in range(12):
        answer = await both.get(f"{route}/random", params={"json": "1"})
        (message,) = answer.json()["messages"]
        drawn.append(message["raw"])
    assert set(drawn) <= known.keys()
    assert len(set(drawn)) > 2
    raw = (await both.get(f"{route}/random", params={"raw": ""})).content.decode()
    assert raw.endswith("\r\n")
    assert raw.removesuffix("\r\n") in known
    text = (await both.get(f"{route}/random/")).text
    assert text.removesuffix("\r\n") in {render.as_text(message) for message in chat}
    assert orjson.loads((await both.get(f"{route}/random", params={"ndjson": ""})).content)["tags"]


@pytest.mark.parametrize("form", ["raw", "json"])
async def test_a_search_finds_in_any_case_and_over_all_months(both, edge_chat, form):
    wanted = [message.line for message in edge_chat if message.author_id == 601]
    for order in (1, -1):
        params = {"q": "EDGE", form: "", **({"reverse": ""} if order < 0 else {})}
        answer = await both.get("/channel/edgebase/userid/601/search", params=params)
        assert answer.status_code == 200
        if form == "raw":
            assert answer.content == b"".join(line.encode() + b"\r\n" for line in wanted[::order])
        else:
            assert [message["raw"] for message in answer.json()["messages"]] == wanted[::order]


async def test_a_search_looks_into_the_sentence_of_an_event_and_without_words_finds_all(both, chat):
    answer = await both.get(CHANNEL + "/user/ada_lift/search", params={"q": "7 MONTHS"})
    assert answer.text.endswith("Ada_Lift subscribed for 7 months! seven months\r\n")
    answer = await both.get(USER + "/search", params={"q": "straße"})
    assert answer.text.count("\r\n") == 1
    answer = await both.get(USER + "/search", params={"q": "", "raw": ""})
    assert answer.text.count("\r\n") == sum(502 in message.users for message in chat)


async def test_stats_of_a_channel_and_of_a_user(both, chat):
    answer = await both.get(CHANNEL + "/stats")
    ada, bo = (sum(message.author_id == user for message in chat) for user in (501, 502))
    # The event with no user counts as a line, but for nobody.
    assert answer.content == orjson.dumps(
        {
            "messageCount": len(chat),
            "topChatters": [
                {"userId": "501", "userLogin": "ada_lift", "messageCount": ada},
                {"userId": "502", "userLogin": "bo_nord", "messageCount": bo},
            ],
        }
    )
    answer = await both.get(USER + "/stats")
    assert answer.content == b'{"userId":"502","userLogin":"bo_nord","messageCount":30}'
    answer = await both.get(CHANNEL + "/userid/777/stats")
    assert answer.content == b'{"userId":"777","userLogin":null,"messageCount":0}'


async def test_stats_over_a_range(both, chat):
    first, end = "2026-03-01T21:30:00.005Z", "2026-03-02T21:30:00.016Z"
    within = [message for message in chat if at(first) <= message.sent_ms < at(end)]
    asked = {"from": first, "to": end}
    found = (await both.get(CHANNEL + "/stats", params=asked)).json()
    assert found["messageCount"] == len(within)
    assert sum(each["messageCount"] for each in found["topChatters"]) == len(within)
    found = (await both.get(USER + "/stats", params=asked)).json()
    assert found["messageCount"] == sum(message.author_id == 502 for message in within)
    nothing = (await both.get(CHANNEL + "/stats", params={"from": "5", "to": "9"})).json()
    assert nothing == {"messageCount": 0, "topChatters": []}
