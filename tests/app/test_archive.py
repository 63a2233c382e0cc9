"""The service over both tiers: pages, days, whole files, and what it says when a day is damaged."""

from __future__ import annotations

import gzip
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from support import lines
from support.serving import served, until_ready
from support.tiers import expire

from store.archive.archive import Archive
from store.archive.objects import Place
from store.keys import MS_IN_DAY
from store.message import Message
from store.retention import Retention
from store.settings import StoreSettings
from store.writer import Writer

DAYS_AGO = (200, 199, 3)


def chat(now_ms: int) -> list[Message]:
    """Two days long before the horizon, and one since: each with its first and last millisecond."""
    found = []
    for number, (ago, at) in enumerate((ago, at) for ago in DAYS_AGO for at in (0, 5_000_000, MS_IN_DAY - 1)):
        sent_ms = now_ms // MS_IN_DAY * MS_IN_DAY - ago * MS_IN_DAY + at
        found.append(Message.parse(lines.privmsg(f"line {number} " + "x" * 400, number=number, sent_ms=sent_ms)))
    return found


@pytest.fixture(scope="module")
def said() -> list[Message]:
    return chat(time.time_ns() // 1_000_000)


@pytest.fixture(scope="module")
def settings(module_store, tmp_path_factory) -> StoreSettings:
    folder = tmp_path_factory.mktemp("archive")
    return module_store.session.settings.model_copy(update={"archive_url": folder.as_uri()})


@pytest.fixture(scope="module")
async def archive(module_store, settings, said) -> Archive:
    writer = await Writer.open(module_store.session, Retention.of(0))
    await writer.write(said)
    await writer.flush()
    archive = await Archive.open(module_store.session, settings, clock_ms=lambda: time.time_ns() // 1_000_000 + 120_000)
    assert (await archive.run()).lines == len(said)
    await expire(module_store, said, said[-1].sent_ms - MS_IN_DAY)
    return archive


@pytest.fixture(scope="module")
async def client(archive, settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(settings) as client:
        await until_ready(client)
        yield client


def day_path(message: Message) -> str:
    date = time.gmtime(message.sent_ms // 1000)
    return f"/channel/moonbase/{date.tm_year}/{date.tm_mon}/{date.tm_mday}"


def raw(answer) -> list[str]:
    return answer.text.replace("\r\n", "\n").splitlines()


async def test_a_walk_and_the_list_of_days_go_over_both_tiers(client, said):
    seen, url = [], "/v1/channels/moonbase/messages?limit=2"
    while url:
        page = (await client.get(url)).json()
        seen += [message["raw"] for message in page["messages"]]
        cursor = page["page"]["next"]
        url = cursor and f"/v1/channels/moonbase/messages?limit=2&cursor={cursor}"
    assert seen == [message.line for message in reversed(said)]
    days = (await client.get("/v1/channels/moonbase/days")).json()["days"]
    assert len(days) == len(DAYS_AGO)
    listed = (await client.get("/list?channel=moonbase")).json()["availableLogs"]
    assert len(listed) == len(DAYS_AGO)
    stats = await client.get(
        f"/channel/moonbase/stats?from={said[0].sent_ms // 1000}&to={said[-1].sent_ms // 1000 + 1}"
    )
    assert stats.status_code == 200


async def test_a_closed_day_is_sent_as_it_lies(client, archive, said):
    path = f"{day_path(said[0])}?raw"
    answer = await client.get(path, headers={"accept-encoding": "gzip, br"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert raw(answer) == [message.line for message in said[:3]]
    place = Place(lines.CHANNEL_ID, said[0].sent_ms // MS_IN_DAY * MS_IN_DAY)
    packed = b"".join([piece async for piece in archive.files.objects.pieces(place)])
    assert answer.headers["content-length"] == str(len(packed))
    assert gzip.decompress(packed).decode() == answer.text
    etag = answer.headers["etag"]
    again = await client.get(path, headers={"accept-encoding": "gzip", "if-none-match": etag})
    assert (again.status_code, again.headers["etag"]) == (304, etag)
    head = await client.head(path, headers={"accept-encoding": "gzip"})
    assert (head.status_code, head.content) == (200, b"")


async def test_a_day_that_is_exported_anew_is_sent_as_it_lies_now(client, archive, said):
    path, gzipped = f"{day_path(said[0])}?raw", {"accept-encoding": "gzip"}
    place = Place(lines.CHANNEL_ID, said[0].sent_ms // MS_IN_DAY * MS_IN_DAY)
    before = await client.get(path, headers=gzipped)
    late = Message.parse(lines.privmsg("late", number=99, sent_ms=said[0].sent_ms + 1))

    async def pieces():
        yield [late]

    await archive.exporter.merge(place, pieces())
    try:
        answer = await client.get(path, headers=gzipped | {"if-none-match": before.headers["etag"]})
        assert raw(answer) == [said[0].line, late.line, said[1].line, said[2].line]
        assert answer.headers["etag"] != before.headers["etag"]
        again = await client.get(path, headers=gzipped | {"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    finally:
        await archive.exporter.rewrite(place, lambda message: None if message.line == late.line else message)
    back = await client.get(path, headers=gzipped | {"if-none-match": before.headers["etag"]})
    assert back.status_code == 304


@pytest.mark.parametrize("encoding", ["identity", "gzip;q=0", "br"])
async def test_who_takes_no_gzip_gets_the_same_lines(client, said, encoding):
    answer = await client.get(f"{day_path(said[0])}?raw", headers={"accept-encoding": encoding})
    assert answer.headers.get("content-encoding", "") != "gzip"
    assert raw(answer) == [message.line for message in said[:3]]


@pytest.mark.parametrize("more", ["&reverse", "&limit=2", "&offset=1"])
async def test_what_is_less_than_a_day_or_in_another_order_is_written_anew(client, said, more):
    answer = await client.get(f"{day_path(said[0])}?raw{more}", headers={"accept-encoding": "gzip"})
    wanted = {"&reverse": said[2::-1], "&limit=2": said[:2], "&offset=1": said[1:3]}[more]
    assert raw(answer) == [message.line for message in wanted]


async def test_a_day_to_which_lines_came_late_is_not_sent_as_it_lies(client, module_store, archive, said):
    recent = said[-3:]
    late = Message.parse(lines.privmsg("late", number=77, sent_ms=recent[0].sent_ms + 9))
    await (await Writer.open(module_store.session, Retention.of(0))).write([late])
    wanted = [recent[0], late, *recent[1:]]
    for _ in range(2):
        answer = await client.get(f"{day_path(recent[0])}?raw", headers={"accept-encoding": "gzip"})
        assert raw(answer) == [message.line for message in wanted]
        assert (await archive.run()).failed == {}


async def test_a_damaged_day_is_a_problem_and_others_are_given(client, archive, said):
    place = Place(lines.CHANNEL_ID, said[3].sent_ms // MS_IN_DAY * MS_IN_DAY)
    packed = bytearray(b"".join([piece async for piece in archive.files.objects.pieces(place)]))
    sound = bytes(packed)
    packed[-30] ^= 4
    await archive.files.objects.put(place, iter([bytes(packed)]))
    span = f"from={place.day_ms}&to={place.day_ms + MS_IN_DAY}"

    async def damaged() -> int:
        (line,) = [
            line
            for line in (await client.get("/metrics")).text.splitlines()
            if line.startswith("logstv_archive_damaged_total ")
        ]
        return int(float(line.split()[1]))

    before = await damaged()
    answer = await client.get(f"/v1/channels/moonbase/messages?{span}")
    assert (answer.status_code, answer.json()["code"]) == (502, "archive_damaged")
    assert f"{place.date} of channel 9001 cannot be given" in answer.json()["detail"]
    assert await damaged() == before + 1
    for headers in ({"accept-encoding": "gzip"}, {"accept-encoding": "identity"}):
        assert (await client.get(f"{day_path(said[3])}?raw", headers=headers)).status_code == 502
    assert (await client.get(f"{day_path(said[0])}?raw")).status_code == 200
    await archive.files.objects.delete(place)
    before = await damaged()
    assert (await client.get(f"/v1/channels/moonbase/messages?{span}")).status_code == 502
    assert await damaged() == before + 1
    await archive.files.objects.put(place, iter([sound]))
    assert len((await client.get(f"/v1/channels/moonbase/messages?{span}")).json()["messages"]) == 3


async def test_a_service_that_is_not_told_of_the_archive_says_so(archive, module_store, said):
    async with served(module_store.session.settings) as client:
        await until_ready(client)
        answer = await client.get(f"/v1/channels/moonbase/messages?to={said[2].sent_ms}")
        assert (answer.status_code, answer.json()["code"]) == (503, "archive_unavailable")
        assert len((await client.get("/v1/channels/moonbase/messages?limit=2")).json()["messages"]) == 2
