"""How many messages a second reach all three tables, node and client on one machine, beside two other ways to write.

    python -m bench.ingest [--seconds 120] [--compare-seconds 30] [--warm-seconds 60]

`logstv` is the way of the program: a file of raw lines through the replay source, parsed, and written in batches by
replicas. `single statements` writes the same rows one by one. `2018` is what the first logstv-cassandra did: the raw
line in three tables, one by one, and a lightweight transaction a message for the user's name. Each way runs in a
process of its own; its processor time and largest resident size are that process's alone. Before the first, other
lines are written for a while, so that the node's Java is as warm as one that has run for a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from cassandra.query import BoundStatement

from bench import ground
from bench.chat import write_demo_file
from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.source import ReceivedLine
from logstv.lifecycle import ease_collector
from store.message import Message
from store.rows import bigint, int32, pack, row_values
from store.session import Session
from store.settings import StoreSettings
from store.shapes import SHAPES
from store.statements import insert
from store.writer import Writer

WAYS = ("logstv", "single statements", "2018")
IN_FLIGHT = 128
"""Requests under way at a time for the ways that send one row at a time."""


class Timed:
    """A source that ends after some seconds."""

    def __init__(self, source: Replay, seconds: float) -> None:
        self._source = source
        self._seconds = seconds

    async def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        end = time.monotonic() + self._seconds
        async for chunk in self._source.chunks():
            yield chunk
            if time.monotonic() > end:
                return

    async def stop(self) -> None:
        await self._source.stop()


async def write_logstv(session: Session, source: Timed, folder: Path) -> int:
    pipeline = Pipeline(lambda: Writer.open(session), Quarantine(folder))
    await pipeline.run(source)
    assert not pipeline.counts.refused, pipeline.counts.refused
    return pipeline.counts.written


async def one_by_one(session: Session, source: Timed, statements_of: Any) -> int:
    """Send each statement of each message by itself, so many at a time."""
    count, pending = 0, set[asyncio.Future[Any]]()
    async for chunk in source.chunks():
        for received in chunk:
            message = Message.parse(received.line, channel_id=1)  # a CLEARMSG does not say
            for statement in statements_of(message):
                if len(pending) >= IN_FLIGHT:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for future in done:
                        future.result()
                pending.add(session.execute(statement))
            count += 1
    await asyncio.gather(*pending)
    return count


async def write_single(session: Session, source: Timed, _folder: Path) -> int:
    inserts = {shape.name: await session.prepare(insert(session, shape)) for shape in SHAPES}

    def statements_of(message: Message) -> list[BoundStatement]:
        packed, found = pack(message), []
        for shape in SHAPES:
            for key in shape.keys_of(message.channel_id or 0, message.users):
                statement = BoundStatement(inserts[shape.name])
                bucket = shape.width.start(message.position.sent_ms)
                values = row_values(shape, key, bucket, packed)
                statement.values = [*values, bigint(message.position.sent_ms * 1000), int32(7_776_000)]
                found.append(statement)
        return found

    return await one_by_one(session, source, statements_of)


async def write_2018(session: Session, source: Timed, _folder: Path) -> int:
    tables = {
        "messages": "channelid bigint, userid bigint, timeuuid timeuuid, message text, "
        "PRIMARY KEY ((channelid, userid), timeuuid)",
        "old_channel_messages": "channelid bigint, timeuuid timeuuid, message text, "
        "PRIMARY KEY ((channelid), timeuuid)",
        "old_user_messages": "userid bigint, timeuuid timeuuid, message text, PRIMARY KEY ((userid), timeuuid)",
        "users": "userid bigint, username text, PRIMARY KEY (userid, username)",
    }
    for name, columns in tables.items():
        await session.execute(f"CREATE TABLE IF NOT EXISTS {session.table(name)} ({columns})")
    both = await session.prepare(
        f"INSERT INTO {session.table('messages')} (channelid, userid, timeuuid, message) VALUES (?, ?, ?, ?)"
    )
    channel = await session.prepare(
        f"INSERT INTO {session.table('old_channel_messages')} (channelid, timeuuid, message) VALUES (?, ?, ?)"
    )
    user = await session.prepare(
        f"INSERT INTO {session.table('old_user_messages')} (userid, timeuuid, message) VALUES (?, ?, ?)"
    )
    name = await session.prepare(f"INSERT INTO {session.table('users')} (userid, username) VALUES (?, ?) IF NOT EXISTS")

    def statements_of(message: Message) -> list[BoundStatement]:
        author = message.author_id or 0
        return [
            both.bind((message.channel_id, author, message.sent, message.line)),
            channel.bind((message.channel_id, message.sent, message.line)),
            user.bind((author, message.sent, message.line)),
            name.bind((author, message.login or "")),
        ]

    return await one_by_one(session, source, statements_of)


async def worker(way: str, port: int, path: Path, seconds: float) -> None:
    """Write for some seconds and print what it took; run in a process of its own."""
    ease_collector()  # as every command does
    settings = StoreSettings(contact_points=("127.0.0.1",), cql_port=port, keyspace="ingest")
    session = await Session.open(settings)
    write = {"logstv": write_logstv, "single statements": write_single, "2018": write_2018}[way]
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    count = await write(session, Timed(Replay([path]), seconds), path.parent)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    await session.close()
    print(
        json.dumps(
            {
                "way": way,
                "messages": count,
                "seconds": took,
                "messages a second": count / took,
                "client µs a message": cpu / count * 1e6,
                "client MiB resident at most": after.ru_maxrss / 1024,
            }
        )
    )


def measured(way: str, port: int, path: Path, seconds: float) -> dict[str, Any]:
    """Run a way in a process of its own and give what it printed."""
    command = [sys.executable, "-m", "bench.ingest", "--worker", way, str(port), str(path), str(seconds)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(answer.stderr)
    figures: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long logstv's way runs")
    parser.add_argument("--compare-seconds", type=float, default=30, help="how long each other way runs")
    parser.add_argument("--warm-seconds", type=float, default=60, help="how long other lines are written before")
    parser.add_argument("--lines", type=int, default=1_500_000, help="how many different lines there are")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        way, port, path, seconds = options.worker
        asyncio.run(worker(way, int(port), Path(path), float(seconds)))
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="logstv-lines-") as folder, ground.node() as local:
        port = local.settings.cql_port
        ground.store_settings(local, "ingest")
        warm_up, path = Path(folder) / "warm-up.irc", Path(folder) / "chat.irc"
        write_demo_file(warm_up, options.lines // 2, rate=5_000)
        measured("logstv", port, warm_up, options.warm_seconds)
        write_demo_file(path, options.lines)
        for way in WAYS:
            seconds = options.seconds if way == "logstv" else options.compare_seconds
            rows.append(measured(way, port, path, seconds))
            print(rows[-1], file=sys.stderr)
    fastest = rows[0]["messages a second"]
    for row in rows:
        row["logstv is faster by"] = fastest / row["messages a second"]
    ground.report("ingest", rows, "Lines of the demo chat, ten channels, from a file to acknowledged rows.")


if __name__ == "__main__":
    main()
