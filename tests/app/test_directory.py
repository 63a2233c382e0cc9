from __future__ import annotations

import pytest
from support import lines

from app.models import ChannelsBody, DaysBody, MonthsBody, NamesBody
from app.times import rfc3339
from store.message import Message

HOUR = 3_600_000


async def get(client, route, body, **params):
    answer = await client.get(route, params=params)
    assert answer.status_code == 200, answer.text
    body.model_validate_json(answer.content)
    return answer.json()


async def test_the_channels(client, chat):
    found = await get(client, "/v1/channels", ChannelsBody)
    assert found["channels"] == [
        {
            "id": "9001",
            "login": "moonbase",
            "firstDay": "2026-03-01",
            "lastDay": "2026-03-03",
            "lastLine": rfc3339(chat[-1].sent_ms),
            "reading": False,
        }
    ]


async def test_the_days_and_months_that_have_lines_newest_first(client):
    days = await get(client, "/v1/channels/moonbase/days", DaysBody)
    assert days == {"days": ["2026-03-03", "2026-03-02", "2026-03-01"]}
    months = await get(client, "/v1/channels/moonbase/users/ada_lift/months", MonthsBody)
    assert months == {"months": ["2026-03"]}
    assert await get(client, "/v1/users/bo_nord/months", MonthsBody) == months
    assert await get(client, "/v1/users/id:77/months", MonthsBody) == {"months": []}


async def test_an_old_login_finds_its_user_and_a_login_that_had_two_owners_says_who_had_it_when(client, module_writer):
    start = lines.EVENING_MS - 10 * HOUR
    said = [(601, "old_name", 0), (601, "new_name", 2), (602, "old_name", 4)]
    for user, login, hour in said:
        line = lines.privmsg("hi", number=700 + hour, user_id=user, login=login, sent_ms=start + hour * HOUR)
        await module_writer.write([Message.parse(line)])
    await module_writer.flush()
    names = await get(client, "/v1/users/id:601/names", NamesBody)
    assert [name["login"] for name in names["names"]] == ["new_name", "old_name"]
    assert names["names"][1]["firstSeen"] == names["names"][1]["lastSeen"] == rfc3339(start)
    owners = await get(client, "/v1/logins/OLD_NAME", NamesBody)
    assert [name["id"] for name in owners["names"]] == ["602", "601"]
    for hour, owner in ((1, "601"), (5, "602")):
        found = await get(client, "/v1/logins/old_name", NamesBody, at=rfc3339(start + hour * HOUR))
        assert [name["id"] for name in found["names"]] == [owner]
    by_login = (await client.get("/v1/users/old_name/messages")).json()["messages"]
    assert [message["user"]["id"] for message in by_login] == ["602"]


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("/v1/channels/nobody/days", 404),
        ("/v1/channels/moonbase/users/nobody/months", 404),
        ("/v1/users/nobody/months", 404),
        ("/v1/users/id:99/names", 404),
        ("/v1/logins/nobody", 404),
        ("/v1/logins/id:501", 400),
        ("/v1/logins/ada_lift?at=noon", 400),
        ("/v1/logins/ada_lift?when=1", 400),
        ("/v1/channels?limit=1", 400),
        ("/v1/channels/moonbase/days?from=1", 400),
    ],
)
async def test_what_is_not_there_and_what_makes_no_sense(client, route, status):
    answer = await client.get(route)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"]
