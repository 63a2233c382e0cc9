"""How fast a whole day of a channel leaves the service, with how much memory, and what live listeners cost.

    python -m bench.reads [--lines 300000] [--listeners 1000] [--seconds 30]

A day of so many lines of one channel lies in Cassandra. `bare CQL` reads its rows through the driver, a thousand at a
time, and does nothing with them; then the service, in a process of its own, gives the day in each format. Its largest
resident size is as Linux counts it. Then listeners follow one channel live, to which ten lines a second are written;
what the service asks Cassandra meanwhile is from its own metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import resource
import sys
import time
from typing import Any

from cassandra.query import BoundStatement

from bench import ground
from bench.chat import chat
from store import rows
from store.keys import LAST_LOW, MS_IN_DAY, Position
from store.message import Message
from store.retention import Retention
from store.settings import StoreSettings
from store.shapes import CHANNEL
from store.statements import select
from store.store import Store
from store.writer import Writer

DAY_MS = 1_779_926_400_000  # 2026-05-28T00:00:00Z
LOGIN = "bench0"
_AT_ONCE = 1000
_RATE = 10
_WAYS = (
    ("text", "/channelid/{}/2026/5/28"),
    ("raw", "/channelid/{}/2026/5/28?raw"),
    ("JSON", "/channelid/{}/2026/5/28?json"),
    ("NDJSON, five fields", "/channelid/{}/2026/5/28?ndjson"),
    ("NDJSON of /v1", "/v1/channels/id:{}/messages?format=ndjson&from=2026-05-28T00:00:00Z&to=2026-05-29T00:00:00Z"),
)


async def fill(settings: StoreSettings, lines: int) -> int:
    """Write a day; give the channel's id."""
    demo = chat(10 * lines * 1000 / (MS_IN_DAY - 1000))
    store = await Store.open(settings)
    writer = await Writer.open(store.session, Retention.of(0))
    channel_id = demo.channel_id(LOGIN)
    todo = iter(range(0, lines, 256))

    async def some() -> None:
        for start in todo:
            said = (demo.line(LOGIN, number, DAY_MS) for number in range(start, min(start + 256, lines)))
            await writer.write([Message.parse(line, channel_id=channel_id) for line in said])

    await asyncio.gather(*(some() for _ in range(4)))
    await writer.flush()
    await store.close()
    return channel_id


async def read_rows(settings: StoreSettings, channel_id: int) -> float:
    """Read the rows of the day and do nothing with them; give the seconds."""
    store = await Store.open(settings)
    prepared = await store.session.prepare(select(store.session, CHANNEL, descending=False))
    lower, upper = Position(DAY_MS - 1, LAST_LOW), Position(DAY_MS + MS_IN_DAY, LAST_LOW)
    begun, whole = time.perf_counter(), False
    while not whole:
        statement = BoundStatement(prepared, fetch_size=_AT_ONCE)
        statement.values = [
            rows.bigint(channel_id),
            rows.bigint(DAY_MS),
            rows.timeuuid(lower),
            rows.timeuuid(upper),
            rows.int32(_AT_ONCE),
        ]
        found = await store.session.execute(statement)
        whole = len(found) < _AT_ONCE
        if not whole:
            lower = rows.position(int.from_bytes(found[-1][0], "big"))
    took = time.perf_counter() - begun
    await store.close()
    return took


def read_answer(port: int, path: str) -> tuple[float, float, int]:
    """Read an answer to its end; give the seconds to its first bytes and to its last, and how many there were."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    begun, first, size = time.perf_counter(), 0.0, 0
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    while piece := answer.read1(1 << 20):
        first = first or time.perf_counter() - begun
        size += len(piece)
    return first, time.perf_counter() - begun, size


async def listen(settings: StoreSettings, service: ground.Service, listeners: int, seconds: float) -> dict[str, Any]:
    """Listen to a channel to which lines are written; give what it cost, and how late lines came."""
    demo = chat(10 * _RATE)
    channel, heard, late = "bench1", [0] * listeners, list[float]()
    channel_id = demo.channel_id(channel)
    store = await Store.open(settings)
    writer = await Writer.open(store.session, Retention.of(0))

    async def say(number: int, epoch_ms: int) -> None:
        await writer.write([Message.parse(demo.line(channel, number, epoch_ms), channel_id=channel_id)])

    async def listener(number: int) -> None:
        reader, leaves = await asyncio.open_connection("127.0.0.1", service.port)
        leaves.write(f"GET /v1/channels/id:{channel_id}/live HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        async for line in reader:
            if line.startswith(b"data:"):
                heard[number] += 1
                if number == 0:
                    sent_ms = int(line.partition(b'tmi-sent-ts":"')[2][:13])
                    late.append(time.time() - sent_ms / 1000)
            elif line.startswith(b"id:") and number not in connected:
                connected.add(number)

    connected: set[int] = set()
    await say(0, time.time_ns() // 1_000_000 - 60_000)
    await writer.flush()
    listening = [asyncio.create_task(listener(number)) for number in range(listeners)]
    while len(connected) < listeners:
        await asyncio.sleep(0.1)
    before = {table: await asyncio.to_thread(asked_of, service, table) for table in _TABLES}
    begun, epoch_ms = time.time(), time.time_ns() // 1_000_000
    for number in range(int(seconds * _RATE)):
        await asyncio.sleep(max(0.0, begun + number / _RATE - time.time()))
        await say(number, epoch_ms)
    after = {table: await asyncio.to_thread(asked_of, service, table) for table in _TABLES}
    took = time.time() - begun
    await asyncio.sleep(3)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    await store.close()
    late.sort()
    return {
        "listeners": listeners,
        "lines said": int(seconds * _RATE),
        "heard by each, least": min(heard),
        "heard by each, most": max(heard),
        **{f"queries a second, {table or 'all'}": (after[table] - before[table]) / took for table in _TABLES},
        "late, p50 ms": late[len(late) // 2] * 1000,
        "late, p99 ms": late[int(len(late) * 0.99)] * 1000,
        "service MiB resident at most": service.most_memory,
    }


_TABLES = ("", "channel_messages", "channel_buckets", "optouts")


def asked_of(service: ground.Service, table: str) -> float:
    """Give how many requests the service has sent to Cassandra, of one table or in all."""
    return service.figure("logstv_cassandra_requests_total", **({"table": table} if table else {}))


def day(settings: StoreSettings, channel_id: int, lines: int) -> list[dict[str, Any]]:
    """Read the day in every way."""
    took = min(ground.apart(read_rows, settings, channel_id) for _ in range(2))
    table: list[dict[str, Any]] = [{"way": "bare CQL", "lines a second": lines / took, "seconds": took}]
    for way, path in _WAYS:
        with ground.service(settings) as service:
            read_answer(service.port, path.format(channel_id))  # the first answer warms the process
            worked = service.figure("process_cpu_seconds_total")
            first, took, size = read_answer(service.port, path.format(channel_id))
            row = {
                "way": way,
                "lines a second": lines / took,
                "seconds": took,
                "service µs a line": (service.figure("process_cpu_seconds_total") - worked) / lines * 1e6,
                "first bytes after, ms": first * 1000,
                "MB": size / 1e6,
                "service MiB resident at most": service.most_memory,
            }
        table.append(row)
        print(row, file=sys.stderr)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # a listener is a connection on both sides
    with ground.node() as local:
        settings = ground.store_settings(local, "reads")
        channel_id = asyncio.run(fill(settings, options.lines))
        for command in (["flush", "reads"], ["compact", "reads"]):
            local.nodetool(command, capture=True).check_returncode()
        table = day(settings, channel_id, options.lines)
        with ground.service(settings) as service:
            live = ground.apart(listen, settings, service, options.listeners, options.seconds)
    ground.report("reads", table, f"A day of {options.lines:,} lines of one channel, read whole by one client.")
    ground.report("live", [live], f"Server-Sent Events of one channel, {_RATE} lines a second.")


if __name__ == "__main__":
    main()
