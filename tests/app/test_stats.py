from __future__ import annotations

import pytest
from support import lines
from support.serving import served, until_ready

from app.models import ChannelStatsBody, UserStatsBody
from app.times import rfc3339
from store.keys import MS_IN_DAY

OF_CHANNEL = "/v1/channels/moonbase/stats"
OF_USER = "/v1/channels/moonbase/users/bo_nord/stats"
RANGE = {"from": str(lines.EVENING_MS), "to": str(lines.EVENING_MS + 3 * MS_IN_DAY)}


async def test_a_channel_is_counted_by_day_and_kind_with_those_who_said_most(client, chat):
    answer = await client.get(OF_CHANNEL, params={**RANGE, "top": 1})
    body = ChannelStatsBody.model_validate_json(answer.content)
    assert (body.complete, body.through, body.total) == (True, body.to, len(chat))
    assert [period.start[:10] for period in body.periods] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert body.types.model_dump() == {"privmsg": 60, "usernotice": 1, "clearchat": 2, "clearmsg": 1}
    assert body.chatters == 2
    assert [(who.user.login, who.messages) for who in body.top] == [("ada_lift", 30)]


async def test_a_user_in_a_channel_is_counted_by_the_hour(client):
    answer = await client.get(OF_USER, params={**RANGE, "by": "hour"})
    body = UserStatsBody.model_validate_json(answer.content)
    assert [(period.start[11:16], period.total) for period in body.periods] == [("21:00", 20), ("21:00", 10)]


async def test_without_a_range_the_last_days_are_counted(client):
    for route in (OF_CHANNEL, OF_USER):
        assert (await client.get(route)).json()["total"] == 0


async def test_every_route_over_a_range_fills_in_what_is_missing_of_it_alike(client):
    """Without `to` a range ends after the route's usual days, without `from` it begins so long before."""
    spans = {
        "/v1/channels/moonbase/stats": 1,
        "/v1/channels/moonbase/users/bo_nord/stats": 30,
        "/v1/channels/moonbase/coverage": 7,
    }
    for route, days in spans.items():
        for given, wanted in (
            ({"from": 0}, (0, days * MS_IN_DAY)),
            ({"to": lines.EVENING_MS}, (lines.EVENING_MS - days * MS_IN_DAY, lines.EVENING_MS)),
        ):
            answer = await client.get(route, params=given)
            assert answer.status_code == 200, answer.text
            if "coverage" not in route:
                assert (answer.json()["from"], answer.json()["to"]) == tuple(map(rfc3339, wanted))
    for route in spans:
        assert "future" in (await client.get(route, params={"from": "3999-01-01T00:00:00Z"})).json()["detail"]


async def test_what_there_was_no_time_for_is_said(module_store, client):
    async with served(module_store.session.settings, stats_seconds=1e-9) as hasty:
        await until_ready(hasty)
        body = (await hasty.get(OF_CHANNEL, params=RANGE)).json()
    assert not body["complete"]
    assert body["through"] < body["to"] == rfc3339(int(RANGE["to"]))


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"by": "month"}, "by day or by hour"),
        ({"by": "week"}, "day"),
        ({"from": "0", "to": str(400 * MS_IN_DAY)}, "366 days"),
        ({"from": "0", "to": str(32 * MS_IN_DAY), "by": "hour"}, "31 days"),
        ({"from": "3999-01-01T00:00:00Z"}, "future"),
        ({"from": "5", "to": "5"}, "before"),
        ({"top": "101"}, "top"),
    ],
)
async def test_what_makes_no_sense_is_answered_with_what_would(client, params, names):
    answer = await client.get(OF_CHANNEL, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert names in answer.json()["detail"]
