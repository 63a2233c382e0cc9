"""How long a page of 100 takes on each shape, with 8 clients, in partitions of 1,000 to 1,000,000 rows.

    python -m bench.pages [--seconds 10] [--sizes 1000 100000 1000000]

`bare CQL` is the same slice asked of the driver, rows as they come; `store` is a page of the reader, messages with a
cursor; `HTTP` is a JSON page of the service, which runs in a process of its own, as do its clients. Each client asks
for pages at random lines: `at once`, the next as soon as it has the last, or `paced`, ten a second.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from cassandra.query import BoundStatement

from bench import ground
from store.cursor import Cursor
from store.keys import LAST_LOW, Position
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.rows import bigint, int32, timeuuid
from store.settings import StoreSettings
from store.shapes import CHANNEL, CHANNEL_USER, USER, Key, Shape
from store.statements import select
from store.store import Store
from store.writer import Writer

CLIENTS = 8
PAGE = 100
DAY_MS = 1_779_926_400_000  # 2026-05-28T00:00:00Z

Once = Callable[[], Awaitable[object]]


def line(size: int, number: int) -> str:
    """Give the line of a channel and user of their own for each size: all of it in one partition of each shape."""
    sent_ms = DAY_MS + number * 86_000_000 // size
    return (
        f"@badge-info=subscriber/7;badges=subscriber/6,premium/1;color=#1E90FF;display-name=Reader{size};emotes=;"
        f"first-msg=0;flags=;id={number:08x}-5eed-4eed-8eed-{number * 7919:012x};mod=0;returning-chatter=0;"
        f"room-id={size};subscriber=1;tmi-sent-ts={sent_ms};turbo=0;user-id={size + 1};user-type= "
        f":reader{size}!reader{size}@reader{size}.tmi.twitch.tv PRIVMSG #pages{size} :line {number} of a long evening"
    )


async def fill(settings: StoreSettings, sizes: list[int]) -> None:
    store = await Store.open(settings)
    writer = await Writer.open(store.session, Retention.of(0))
    for size in sizes:
        todo = iter(range(0, size, 256))

        async def some(size: int = size, todo: Any = todo) -> None:
            for start in todo:
                await writer.write([Message.parse(line(size, n)) for n in range(start, min(start + 256, size))])

        await asyncio.gather(*(some() for _ in range(4)))
    await writer.flush()
    await store.close()


async def clients(once: Callable[[random.Random], Awaitable[object]], seconds: float, pace: float = 0) -> list[float]:
    """Let clients ask again and again; give how long each answer took, in seconds.

    Args:
        once: asks for one page.
        seconds: for how long.
        pace: seconds from one page of a client to its next; 0: at once.
    """
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        dice = random.Random(number)
        await asyncio.sleep(pace * number / CLIENTS)
        while (start := time.perf_counter()) < end:
            await once(dice)
            took.append(time.perf_counter() - start)
            await asyncio.sleep(max(0.0, pace - took[-1]))

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return took


def place(dice: random.Random, size: int) -> int:
    return DAY_MS + dice.randrange(size) * 86_000_000 // size


async def measure_cql(
    settings: StoreSettings, shape: Shape, key: Key, size: int, seconds: float, pace: float
) -> list[float]:
    store = await Store.open(settings)
    prepared = await store.session.prepare(select(store.session, shape, descending=True))
    bucket = shape.width.start(DAY_MS)

    async def once(dice: random.Random) -> object:
        statement = BoundStatement(prepared, fetch_size=PAGE + 1)
        lower, upper = Position(0, LAST_LOW), Position(place(dice, size), LAST_LOW)
        statement.values = [
            *map(bigint, key), bigint(bucket), timeuuid(lower), timeuuid(upper), int32(PAGE + 1)
        ]  # fmt: skip
        return await store.session.execute(statement)

    await clients(once, 1)
    took = await clients(once, seconds, pace)
    await store.close()
    return took


async def measure_store(
    settings: StoreSettings, shape: Shape, key: Key, size: int, seconds: float, pace: float
) -> list[float]:
    store = await Store.open(settings)
    bucket = shape.width.start(DAY_MS)

    async def once(dice: random.Random) -> object:
        position = Position(place(dice, size), LAST_LOW)
        cursor = Cursor(shape, key, position, bucket, None, None, newest_first=True, backwards=False)
        return await store.reader.page(Log(shape, key), limit=PAGE, cursor=cursor)

    await clients(once, 1)
    took = await clients(once, seconds, pace)
    await store.close()
    return took


async def measure_http(port: int, shape: Shape, key: Key, size: int, seconds: float, pace: float) -> list[float]:
    names = {
        CHANNEL: "/v1/channels/id:{}/messages",
        CHANNEL_USER: "/v1/channels/id:{}/users/id:{}/messages",
        USER: "/v1/users/id:{}/messages",
    }
    path, bucket = names[shape].format(*key), shape.width.start(DAY_MS)
    # aiohttp reads an answer in a third of the time that httpx2 takes, on the cores that the service needs.
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:

        async def once(dice: random.Random) -> object:
            position = Position(place(dice, size), LAST_LOW)
            cursor = Cursor(shape, key, position, bucket, None, None, newest_first=True, backwards=False)
            async with http.get(path, params={"limit": str(PAGE), "cursor": cursor.encode()}) as answer:
                answer.raise_for_status()
                return await answer.read()

        await clients(once, 2)
        return await clients(once, seconds, pace)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    options = parser.parse_args()
    rows = []
    with ground.node() as local:
        settings = ground.store_settings(local, "pages")
        asyncio.run(fill(settings, options.sizes))
        for command in (["flush", "pages"], ["compact", "pages"]):
            local.nodetool(command, capture=True).check_returncode()
        with ground.service(settings) as service:
            for size in options.sizes:
                for shape, key in ((CHANNEL, (size,)), (CHANNEL_USER, (size, size + 1)), (USER, (size + 1,))):
                    for way, measure, first in (
                        ("bare CQL", measure_cql, settings),
                        ("store", measure_store, settings),
                        ("HTTP", measure_http, service.port),
                    ):
                        row: dict[str, Any] = {"rows": size, "shape": shape.name.replace("_", " "), "way": way}
                        for name, pace in (("at once", 0.0), ("paced", 0.1)):
                            took = ground.apart(measure, first, shape, key, size, options.seconds, pace)
                            row |= {f"{name} {what}": value for what, value in ground.percentiles(took).items()}
                        rows.append(row)
                        print(row, file=sys.stderr)
    ground.report("pages", rows, f"Pages of {PAGE}, {CLIENTS} clients, node, service and clients on one machine.")


if __name__ == "__main__":
    main()
