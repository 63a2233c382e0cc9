from __future__ import annotations

import orjson
import pytest
from support import lines
from support.edges import CHANNEL_ID

from app.compatible.doorway import CAPABILITIES_HEADER
from store.keys import MS_IN_DAY, MS_IN_HOUR, Width
from store.message import Message
from store.retention import Retention
from store.shapes import CHANNEL
from store.writer import Writer


async def listed(client, **params) -> list[dict[str, str]]:
    answer = await client.get("/list", params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert b" " not in answer.content
    return answer.json()["availableLogs"]


def path(date: dict[str, str]) -> str:
    return "/".join(date.values())


async def test_the_channels(both):
    for route in ("/channels", "/channels/"):
        answer = await both.get(route)
        assert answer.content == (
            b'{"channels":[{"name":"edgebase","userID":"9002"},{"name":"moonbase","userID":"9001"}]}'
        )


async def test_the_days_of_a_channel_are_those_that_answer_newest_first(both):
    days = await listed(both, channel="EdgeBase")
    assert days == await listed(both, channelid=str(CHANNEL_ID))
    assert [path(day) for day in days] == [
        "2026/3/2",
        "2026/3/1",
        "2026/2/28",
        "2026/1/1",
        "2025/12/31",
        "2024/3/1",
        "2024/2/29",
    ]
    assert list(days[0]) == ["year", "month", "day"]
    for day in days:
        assert (await both.get(f"/channel/edgebase/{path(day)}")).status_code == 200
    for day in ("2026/3/3", "2026/2/27", "2024/2/28", "2025/12/30"):
        assert (await both.get(f"/channel/edgebase/{day}")).status_code == 404


@pytest.mark.parametrize("who", [{"user": "Cy_Rus"}, {"userid": "601"}])
async def test_the_months_of_a_user_are_those_that_answer(both, who):
    months = await listed(both, channel="edgebase", **who)
    assert [path(month) for month in months] == ["2026/3", "2026/2", "2025/12", "2024/2"]
    assert list(months[0]) == ["year", "month"]
    for month in months:
        assert (await both.get(f"/channel/edgebase/user/cy_rus/{path(month)}")).status_code == 200
    assert (await both.get("/channel/edgebase/user/cy_rus/2026/1")).status_code == 404


async def test_a_bucket_whose_lines_are_not_there_is_not_listed(module_store, both):
    index = module_store.session.table("channel_buckets")
    empty = [lines.EVENING_MS - lines.EVENING_MS % MS_IN_DAY + days * MS_IN_DAY for days in (-900, -1, 9, 10)]
    for bucket in empty:
        await module_store.session.execute(
            f"INSERT INTO {index} (channel_id, bucket, width) VALUES ({lines.CHANNEL_ID}, {bucket}, 'day')"
        )
    try:
        assert [path(day) for day in await listed(both, channel="moonbase")] == ["2026/3/3", "2026/3/2", "2026/3/1"]
        answer = await both.get("/channel/moonbase")
        assert answer.headers["location"] == "/channel/moonbase/2026/3/3"
    finally:
        for bucket in empty:
            await module_store.session.execute(
                f"DELETE FROM {index} WHERE channel_id = {lines.CHANNEL_ID} AND bucket = {bucket}"
            )


async def test_a_day_in_twenty_four_parts_is_one_day(module_store, both):
    writer = await Writer.open(
        module_store.session,
        Retention.of(0),
        width_of=lambda shape, *_: Width.HOUR if shape is CHANNEL else shape.width,
    )
    said = [
        Message.parse(
            lines.privmsg(
                f"hour {hour}",
                number=8000 + hour,
                sent_ms=lines.EVENING_MS + hour * MS_IN_HOUR,
                channel_id=9005,
                channel="hourbase",
            )
        )
        for hour in range(-30, 6)
    ]
    await writer.write(said)
    await writer.flush()
    assert [path(day) for day in await listed(both, channel="hourbase")] == ["2026/3/2", "2026/3/1", "2026/2/28"]
    for day, first, last in (("2026/2/28", 0, 9), ("2026/3/1", 9, 33), ("2026/3/2", 33, 36)):
        for offset in (0, 2):
            answer = await both.get(f"/channel/hourbase/{day}", params={"raw": "", "offset": offset})
            wanted = [message.line for message in said[first + offset : last]]
            assert answer.text.split("\r\n")[:-1] == wanted
    assert (await both.get("/channel/hourbase/stats")).json()["messageCount"] == len(said)
    assert (await both.get("/channel/hourbase/random?raw")).text.removesuffix("\r\n") in {each.line for each in said}


async def test_the_names_of_a_user(both, module_writer):
    renamed = [
        lines.privmsg("as I was", number=7001, user_id=710, login="old_name", sent_ms=lines.EVENING_MS + 500),
        lines.privmsg("as I am", number=7002, user_id=710, login="new_name", sent_ms=lines.EVENING_MS + 2000),
    ]
    await module_writer.write([Message.parse(line) for line in renamed])
    await module_writer.flush()
    answer = await both.get("/namehistory/710")
    assert answer.content == orjson.dumps(
        [
            {
                "user_login": login,
                "last_timestamp": f"2026-03-01T21:30:0{end}Z",
                "first_timestamp": f"2026-03-01T21:30:0{end}Z",
            }
            for login, end in (("new_name", "2"), ("old_name", "0.500"))
        ]
    )
    for name in ("old_name", "new_name"):
        found = await both.get(f"/channel/moonbase/user/{name}/2026/3?json")
        assert [message["username"] for message in found.json()["messages"]] == ["old_name", "new_name"]
    assert (await both.get("/namehistory/99")).content == b"[]"


async def test_what_the_service_can_do(both):
    answer = await both.get("/capabilities")
    assert answer.content == b'["arbitrary-range-query","search","stats","namehistory"]'
    assert answer.headers[CAPABILITIES_HEADER] == ",".join(answer.json())
