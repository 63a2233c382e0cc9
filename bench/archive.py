"""What the archive takes and how fast it is: bytes a message, exports, imports, whole days, pages and months of users.

    python -m bench.archive [FILE.irc.gz] [--lines 300000] [--month-lines 1000000] [--days 20] [--seconds 20]

A day of a made-up busy channel, 300,000 lines of up to 18,000 users, is exported; a month of it in justlog's layout is
taken in, and read from the service, which runs in a process of its own. FILE, raw IRC
lines of one channel, is exported too.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil

from bench import ground
from bench.pages import clients
from bench.storage import read
from ingest.demo.words import TEXTS
from ingest.import_pool import Plan, carry_out, look
from ingest.justlog import JustlogTree
from logstv.node import LocalNode
from store.archive.archive import Archive
from store.archive.objects import Place
from store.keys import MS_IN_DAY
from store.message import Message
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
from store.writer import Writer

CHANNEL_ID, USERS = 71092938, 18_000
WORDS = sorted({word for text in TEXTS for word in text.split()})
INDEXES = ("archived_days", "archived_user_blocks", "archived_user_months")
TODAY_MS = time.time_ns() // 1_000_000 // MS_IN_DAY * MS_IN_DAY
MONTH_MS = TODAY_MS - 400 * MS_IN_DAY
BUSY_MS = TODAY_MS - 5 * MS_IN_DAY


def busy_day(day_ms: int, count: int, users: int = USERS) -> Iterator[str]:
    """Give a day of a busy channel, oldest first, with today's tags; few of its users say most of it."""
    dice = random.Random(day_ms + count)
    for number in range(count):
        user = int(users ** dice.random())
        login = f"chatter_{user * 7919 % 100_003}"
        low, high = dice.getrandbits(64), dice.getrandbits(64)
        own = f"{high >> 32:08x}-{high >> 16 & 0xFFFF:04x}-4{high & 0xFFF:03x}-{low >> 48 & 0x3FFF | 0x8000:04x}"
        nonce = f"client-nonce={dice.getrandbits(128):032x};" if dice.random() < 0.6 else ""
        months = user % 40
        badges = f"subscriber/{months // 3 * 3},premium/1" if months else ""
        text = " ".join(dice.choices(WORDS, k=1 + int(dice.expovariate(0.25))))
        yield (
            f"@badge-info={f'subscriber/{months}' if months else ''};badges={badges};{nonce}"
            f"color=#{user * 2654435761 & 0xFFFFFF:06X};display-name={login.title()};emotes=;first-msg=0;flags=;"
            f"id={own}-{low & 0xFFFFFFFFFFFF:012x};mod=0;returning-chatter=0;room-id={CHANNEL_ID};"
            f"subscriber={int(months > 0)};tmi-sent-ts={day_ms + number * (MS_IN_DAY - 1) // count};turbo=0;"
            f"user-id={10_000_000 + user * 31};user-type= "
            f":{login}!{login}@{login}.tmi.twitch.tv PRIVMSG #busy :{text}"
        )


def write_tree(folder: Path, days: int, lines: int) -> tuple[int, list[int]]:
    """Write a month as justlog has it; give how many lines that are, and the users who said about a hundred of them."""
    said: Counter[int] = Counter()
    for day in range(days):
        place = Place(CHANNEL_ID, MONTH_MS + day * MS_IN_DAY)
        path = folder / place.path
        path.parent.mkdir(parents=True)
        text = list(busy_day(place.day_ms, lines // days))
        said.update(int(line.partition(";user-id=")[2].partition(";")[0]) for line in text)
        path.write_bytes(gzip.compress("".join(line + "\n" for line in text).encode(), 6))
    return lines // days * days, [user for user, count in said.items() if 80 <= count <= 120]


async def fill(settings: StoreSettings, lines: list[str]) -> None:
    """Write lines into Cassandra, for ever."""
    session = await Session.open(settings)
    writer = await Writer.open(session, Retention.of(0))
    for at in range(0, len(lines), 256):
        await writer.write([Message.parse(line) for line in lines[at : at + 256]])
    await writer.flush()
    await session.close()


async def export(settings: StoreSettings, day_ms: int, channel_id: int) -> dict[str, Any]:
    """Export a day in this process, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    session = await Session.open(settings)
    archive = await Archive.open(session, settings)
    process = psutil.Process()
    begun, used = time.perf_counter(), process.cpu_times()
    lines = await archive.exporter.export(Place(channel_id, day_ms))
    took, spent = time.perf_counter() - begun, process.cpu_times()
    cpu = spent.user + spent.system - used.user - used.system
    memory = process.memory_info().rss / 2**20
    size = (await archive.index.days(channel_id))[-1].size
    await session.close()
    return {
        "lines": lines, "lines a second": lines / took, "CPU a line, µs": cpu / lines * 1e6, "resident, MiB": memory,
        "bytes a line in the archive": size / lines,
    }  # fmt: skip


async def take_in(settings: StoreSettings, tree: Path, done: Path, jobs: int, lines: int) -> dict[str, Any]:
    session = await Session.open(settings)
    plan = Plan(JustlogTree(tree), settings, done, jobs=jobs)
    work = await look(plan, await Archive.open(session, settings))
    await session.close()
    begun = time.perf_counter()
    outcome = await carry_out(plan, work, lambda _count: None)
    took = time.perf_counter() - begun
    assert (outcome.archived, outcome.failed) == (lines, []), outcome
    return {"lines": lines, "lines a second": lines / took}


async def whole_day(port: int, pid: int, seconds: float) -> dict[str, Any]:
    """Ask for a closed day as it lies, again and again; gzip is not inflated on the way."""
    path = "/channelid/{}/{}/{}/{}?raw".format(CHANNEL_ID, *time.gmtime(MONTH_MS // 1000)[:3])
    service, peak, sent, count = psutil.Process(pid), 0, 0, 0
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:

        async def once() -> tuple[int, str]:
            async with http.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
                answer.raise_for_status()
                pieces = [piece async for piece in answer.aiter_raw()]
                return len(gzip.decompress(b"".join(pieces))), answer.headers.get("content-encoding", "")

        text, encoding = await once()
        assert encoding == "gzip"
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            async with http.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
                sent += sum([len(piece) async for piece in answer.aiter_raw()])
            count += 1
            peak = max(peak, service.memory_info().rss)
        took = time.perf_counter() - begun
    return {
        "text, MB a second": count * text / took / 1e6, "sent, MB a second": sent / took / 1e6,
        "service's resident, MiB": peak / 2**20,
    }  # fmt: skip


async def months_of_users(port: int, users: list[int], seconds: float, pace: float) -> list[float]:
    """Ask for a user's month in the archive."""
    year, month = time.gmtime(MONTH_MS // 1000)[:2]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

        async def once(dice: random.Random) -> object:
            user = dice.choice(users)
            answer = await http.get(f"/channelid/{CHANNEL_ID}/userid/{user}/{year}/{month}?json")
            return answer.raise_for_status()

        return await clients(once, seconds, pace)


async def cold_pages(port: int, days: int, seconds: float, pace: float) -> list[float]:
    """Ask for pages of 100 of the channel, somewhere in the archive."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

        async def once(dice: random.Random) -> object:
            start = MONTH_MS + dice.randrange(days * MS_IN_DAY)
            params = {"limit": "100", "from": str(start), "order": "asc"}
            answer = await http.get(f"/v1/channels/id:{CHANNEL_ID}/messages", params=params)
            return answer.raise_for_status()

        await clients(once, 1)
        return await clients(once, seconds, pace)


def size_of_indexes(local: LocalNode, keyspace: str, lines: int) -> float:
    """Give the bytes a line of every file of the tables about the archive, compacted."""
    for command in (["flush", keyspace], ["compact", keyspace]):
        local.nodetool(command, capture=True).check_returncode()
    folder = local.settings.node_dir / "data" / keyspace
    files = [file for table in INDEXES for each in folder.glob(f"{table}-*") for file in each.glob("*.db")]
    return sum(file.stat().st_size for file in files) / lines


def exported(local: LocalNode, keyspace: str, archive: Path, lines: list[str], channel_id: int) -> dict[str, Any]:
    settings = ground.store_settings(local, keyspace, archive_url=(archive / keyspace).as_uri())
    asyncio.run(fill(settings, lines))
    local.nodetool(["flush", keyspace], capture=True).check_returncode()
    day_ms = Message.parse(lines[0]).position.sent_ms // MS_IN_DAY * MS_IN_DAY
    row: dict[str, Any] = ground.apart(export, settings, day_ms, channel_id)
    row["bytes a line in the indexes"] = size_of_indexes(local, keyspace, row["lines"])
    row["bytes a line"] = row["bytes a line in the archive"] + row["bytes a line in the indexes"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--month-lines", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def add(what: str, row: dict[str, Any]) -> None:
        rows.append({"what": what} | row)
        print(rows[-1], file=sys.stderr)

    with ground.node() as local, tempfile.TemporaryDirectory(prefix="logstv-bench-") as folder:
        archive = Path(folder)
        if options.file:
            lines = [line for line in read(options.file) if Message.parse(line).unstorable is None]
            channel_id = Message.parse(lines[0]).channel_id or 0
            add(f"export of {options.file.name}", exported(local, "archive_file", archive, lines, channel_id))
        busy = list(busy_day(BUSY_MS, options.lines))
        add("export of a busy day", exported(local, "archive_busy", archive, busy, CHANNEL_ID))
        busy.clear()
        count, users = write_tree(archive / "tree", options.days, options.month_lines)
        settings = ground.store_settings(local, "archive", archive_url=(archive / "there").as_uri())
        for jobs in (1, 2):
            done = archive / f"done{jobs}"
            add(
                f"import of a month, {jobs} processes",
                asyncio.run(take_in(settings, archive / "tree", done, jobs, count)),
            )
            if jobs == 1:
                settings = ground.store_settings(local, "archive_two", archive_url=(archive / "two").as_uri())
        with ground.service(settings, archive_url=settings.archive_url, rate_limit=0) as service:
            day = ground.apart(whole_day, service.port, service.pid, options.seconds)
            add("a closed day as it lies", day)
            for name, measure, what in (("a user's month of about 100 lines", months_of_users, users),
                                        ("a page of 100", cold_pages, options.days)):  # fmt: skip
                for how, pace in (("paced", 1.0), ("at once", 0.0)):
                    took = ground.apart(measure, service.port, what, options.seconds, pace)
                    add(f"{name}, {how}", ground.percentiles(took))
    ground.report("archive", rows, f"{options.lines:,} lines of {USERS:,} users a day; 8 clients, all on one machine.")


if __name__ == "__main__":
    main()
