"""What a cluster that was lost answers again when only the archive is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
from support import lines
from support.serving import served, until_ready

from store.archive import upkeep
from store.archive.archive import Archive
from store.archive.objects import Place
from store.archive.restoring import Restorer
from store.horizon import Horizon
from store.keys import MS_IN_DAY
from store.message import Message
from store.optouts import Kind, Optouts, Way
from store.reader import Log, Reader
from store.shapes import CHANNEL, USER, Shape
from store.writer import Writer

TODAY_MS = time.time_ns() // 1_000_000 // MS_IN_DAY * MS_IN_DAY
OLD_MS, RECENT_MS = TODAY_MS - 200 * MS_IN_DAY, TODAY_MS - 3 * MS_IN_DAY
OLD, RECENT = (time.gmtime(day // 1000) for day in (OLD_MS, RECENT_MS))
ROUTES = [
    "/v1/channels",
    "/v1/channels/moonbase/messages?order=asc&from=2020-01-01T00:00:00Z",
    "/v1/channels/moonbase/users/ada_lift/messages",
    "/v1/users/bo_nord/messages",
    "/v1/channels/moonbase/days",
    "/v1/channels/moonbase/users/ada_lift/months",
    "/v1/users/bo_nord/months",
    f"/v1/channels/moonbase/stats?from={OLD_MS}&to={OLD_MS + MS_IN_DAY}",
    f"/v1/channels/moonbase/stats?from={RECENT_MS}&to={RECENT_MS + MS_IN_DAY}",
    "/v1/users/id:501/names",
    "/v1/logins/bo_nord",
    *(f"/channel/moonbase/{date.tm_year}/{date.tm_mon}/{date.tm_mday}?raw" for date in (OLD, RECENT)),
    *(f"/channel/moonbase/user/ada_lift/{date.tm_year}/{date.tm_mon}?json" for date in (OLD, RECENT)),
    "/channels",
    "/list?channel=moonbase",
    "/list?channel=moonbase&user=ada_lift",
    "/namehistory/502",
]


def chat() -> list[Message]:
    said = [
        lines.privmsg(
            f"line {number}", number=number, sent_ms=day + number * 60_000, user_id=501 + number % 2,
            login=("ada_lift", "bo_nord")[number % 2],
        )
        for day in (OLD_MS, RECENT_MS) for number in range(day % 7, day % 7 + 9)
    ]  # fmt: skip
    said.append(lines.clearmsg(lines.message_id(RECENT_MS % 7), sent_ms=RECENT_MS + 8_000_000))
    return [Message.parse(line, channel_id=lines.CHANNEL_ID) for line in said]


def reindexed(archive: Archive, restorer: Restorer) -> AsyncIterator[upkeep.Finding]:
    return upkeep.reindex(archive.files, archive.index, archive.exporter, None, restorer)


async def answers(client: httpx2.AsyncClient) -> dict[str, tuple[int, object]]:
    found = {}
    for route in ROUTES:
        answer = await client.get(route, follow_redirects=True)
        found[route] = answer.status_code, answer.text
    return found


async def test_the_archive_alone_makes_every_route_answer_again(store, tmp_path):
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    writer, said = await Writer.open(store.session), chat()
    archive = await Archive.open(store.session, settings, clock_ms=lambda: time.time_ns() // 1_000_000 + 120_000)
    old = [message for message in said if message.sent_ms < OLD_MS + MS_IN_DAY]

    async def pieces():
        yield sorted(old, key=lambda message: message.position.order)

    await archive.exporter.merge(Place(lines.CHANNEL_ID, OLD_MS), pieces())
    for message in old:
        writer.learn_names(message)
    await writer.write([message for message in said if message not in old])
    await writer.flush()
    assert (await archive.run()).days == 1
    async with served(settings) as client:
        await until_ready(client)
        before = await answers(client)
    assert {status for status, _ in before.values()} == {200}
    tables = await store.session.execute(
        f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{settings.keyspace}'"
    )
    await asyncio.gather(
        *(store.session.execute(f"TRUNCATE {settings.keyspace}.{name}") for (name,) in tables if name != "schema_lock")
    )
    found = [each async for each in reindexed(archive, await Restorer.open(archive))]
    assert sum(each.lines for each in found) == len(said)
    async with served(settings) as client:
        await until_ready(client)
        assert await answers(client) == before
    # What is there is not written again, and nothing that came out of the archive waits to go there.
    assert await archive.index.late(lines.CHANNEL_ID) == {}


async def test_only_what_is_missing_is_written(store, tmp_path, monkeypatch):
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    recent = [message for message in chat() if message.sent_ms >= RECENT_MS]
    writer = await Writer.open(store.session)
    await writer.write(recent)
    archive = await Archive.open(store.session, settings, clock_ms=lambda: time.time_ns() // 1_000_000 + 120_000)
    await archive.run()
    restorer = await Restorer.open(archive)
    taken: list[Message] = []

    async def write(messages: list[Message]) -> None:
        taken.extend(messages)

    monkeypatch.setattr(restorer, "write", write)
    [_] = [each async for each in reindexed(archive, restorer)]
    assert taken == []
    for table in ("channel_messages", "channel_buckets"):
        await store.session.execute(f"TRUNCATE {store.session.table(table)}")
    await writer.write(fresh := recent[::2])
    writer.forget_buckets()
    await writer.write(fresh)
    [_] = [each async for each in reindexed(archive, restorer)]
    assert taken == [message for message in recent if message not in fresh]
    assert await (await Horizon.open(store.session)).of(CHANNEL) < RECENT_MS


async def test_who_opts_out_meanwhile_is_not_written_back(store, tmp_path):
    settings = store.session.settings.model_copy(update={"archive_url": (tmp_path / "archive").as_uri()})
    recent = [message for message in chat() if message.sent_ms >= RECENT_MS and message.login == "bo_nord"]
    theirs = [message for message in chat() if message.sent_ms >= RECENT_MS and message.login != "bo_nord"]
    await (await Writer.open(store.session)).write(recent + theirs)
    archive = await Archive.open(store.session, settings, clock_ms=lambda: time.time_ns() // 1_000_000 + 120_000)
    await archive.run()
    restorer = await Restorer.open(archive)
    await (await Optouts.open(store.session)).add(Kind.USER, [501], Way.ADMIN)
    for table in ("channel_messages", "channel_buckets", "user_messages", "user_buckets"):
        await store.session.execute(f"TRUNCATE {store.session.table(table)}")
    await restorer.write(recent + theirs)
    hot = await Reader.open(store.session)

    async def stand(shape: Shape, *key: int) -> list[Message]:
        return [message async for piece in hot.stream(Log(shape, key, newest_first=False)) for message in piece]

    assert theirs
    assert await stand(USER, 501) == []
    assert [m.position for m in await stand(CHANNEL, lines.CHANNEL_ID)] == [m.position for m in recent]
