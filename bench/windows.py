"""What the compaction window of the message tables changes: files, and pages of a log that spans many windows.

    python -m bench.windows [--lines 60000]

A month of the demo chat in one channel, flushed after each day as a node under load does, into keyspaces that differ by
the window alone. A user's month is one partition, so its pages are what a small window costs; a small window gives
space back sooner, by as many days.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import statistics
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import ground
from ingest.demo import DemoChat
from logstv.node import LocalNode
from store.errors import StoreUnavailable
from store.keys import MS_IN_DAY
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
from store.shapes import CHANNEL, SHAPES, USER
from store.store import Store
from store.writer import Writer

WINDOWS = (1, 4, 10)
PAGE, ROUNDS = 100, 300


def month_of_lines(count: int) -> list[list[Message]]:
    """Give the lines of last month, by day."""
    end = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = (end - timedelta(days=1)).replace(day=1)
    chat = DemoChat(seed=2018, channels=("bench",), rate=count / (end - begin).total_seconds())
    lines = (chat.line("bench", number, int(begin.timestamp() * 1000)) for number in range(count))
    messages = [message for message in map(Message.parse, lines) if message.unstorable is None]
    days = itertools.groupby(messages, key=lambda message: message.position.sent_ms // MS_IN_DAY)
    return [list(day) for _, day in days]


async def set_window(settings: StoreSettings, days: int) -> None:
    session = await Session.open(settings)
    for shape in SHAPES:
        await session.execute(
            f"ALTER TABLE {session.table(shape.table)} WITH compaction = {{'class': 'TimeWindowCompactionStrategy', "
            f"'compaction_window_unit': 'DAYS', 'compaction_window_size': '{days}'}}"
        )
    await session.close()


async def write(settings: StoreSettings, messages: list[Message]) -> None:
    session = await Session.open(settings)
    writer = await Writer.open(session, Retention.of(90 * 86_400))
    for start in range(0, len(messages), 500):
        while True:
            try:
                await writer.write(messages[start : start + 500])
                break
            except StoreUnavailable:
                print("a busy machine: writing again")
    await writer.flush()
    await session.close()


def files(local: LocalNode, keyspace: str, table: str) -> list[int]:
    """Give the sizes of a table's files of rows."""
    found = (local.settings.node_dir / "data" / keyspace).glob(f"{table}-*/*-Data.db")
    return [file.stat().st_size for file in found]


async def pages(every: dict[int, StoreSettings], log: Log) -> dict[int, list[float]]:
    """Take the newest page of a log by turns from each keyspace; give milliseconds by window."""
    stores = {window: await Store.open(settings) for window, settings in every.items()}
    taken: dict[int, list[float]] = {window: [] for window in stores}
    for number in range(ROUNDS + 50):
        for window, store in stores.items():
            begun = time.perf_counter()
            page = await store.reader.page(log, limit=PAGE)
            if number >= 50:  # Java compiles meanwhile
                taken[window].append((time.perf_counter() - begun) * 1000)
            assert page.messages
    for store in stores.values():
        await store.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=60_000, help="how many lines the month has")
    days = month_of_lines(parser.parse_args().lines)
    speakers = Counter(user for day in days for message in day for user in message.users)
    (channel_id,) = {message.channel_id for day in days for message in day}
    rows: list[dict[str, Any]] = []
    with ground.node("1G") as local:
        every = {window: ground.store_settings(local, f"windows_{window}") for window in WINDOWS}
        for window, settings in every.items():
            asyncio.run(set_window(settings, window))
        for day in days:
            for settings in every.values():
                asyncio.run(write(settings, day))
            local.nodetool(["flush"], capture=True).check_returncode()
        while not re.search(r"pending tasks\s+0\s", local.nodetool(["compactionstats"], capture=True).stdout):
            time.sleep(1)
        # One whose page is all of the month: it lies in every window.
        user = next((user for user, count in speakers.most_common() if count <= PAGE), speakers.most_common()[-1][0])
        taken = {
            shape.name: asyncio.run(pages(every, Log(shape, key)))
            for shape, key in ((CHANNEL, (channel_id or 0,)), (USER, (user,)))
        }
        for window, settings in every.items():
            row: dict[str, Any] = {"window, days": window}
            for shape in (CHANNEL, USER):
                sizes = files(local, settings.keyspace, shape.table)
                times = statistics.quantiles(taken[shape.name][window], n=100)
                row |= {
                    f"files, {shape.name}": len(sizes),
                    f"page of {shape.name}, p50 ms": times[49],
                    f"page of {shape.name}, p99 ms": times[98],
                }
            row["bytes a line, three tables"] = sum(
                sum(files(local, settings.keyspace, shape.table)) for shape in SHAPES
            ) / sum(map(len, days))
            rows.append(row)
    spoken = speakers[user]
    ground.report("windows", rows, f"{sum(map(len, days)):,} lines in {len(days)} days; the user's log has {spoken:,}.")


if __name__ == "__main__":
    main()
