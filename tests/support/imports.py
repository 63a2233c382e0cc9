"""Trees of logs that others wrote, and what becomes of them."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

from ingest.import_pool import Plan, carry_out, look
from ingest.importing import Imported, Tree
from store.archive.archive import Archive
from store.archive.files import Files
from store.archive.reader import ArchiveReader
from store.keys import MS_IN_DAY
from store.reader import Log
from store.shapes import Key, Shape
from store.store import Store
from store.tiers import TieredReader
from support import lines

DAY_MS = lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY
RECENT_MS = time.time_ns() // 1_000_000 // MS_IN_DAY * MS_IN_DAY - 5 * MS_IN_DAY


def said(start_ms: int, count: int, first: int) -> list[str]:
    """Give lines of two users, one a second."""
    return [
        lines.privmsg(f"line {first + at}", number=first + at, sent_ms=start_ms + at * 1000, user_id=501 + at % 2)
        for at in range(count)
    ]


def written(path: Path, text: list[str], *, packed: bool = False) -> Path:
    """Write lines into a file, plain or gzip."""
    path = path.with_name(path.name + ".gz") if packed else path
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(line + "\n" for line in text).encode("utf-8", "surrogateescape")
    path.write_bytes(gzip.compress(body) if packed else body)
    return path


def put_day(folder: Path, start_ms: int, text: list[str], *, packed: bool = False) -> Path:
    """Write a channel's day as justlog does."""
    date = time.gmtime(start_ms // 1000)
    where = folder / f"9001/{date.tm_year}/{date.tm_mon}/{date.tm_mday}"
    return written(where / "channel.txt", text, packed=packed)


def put_user(folder: Path, start_ms: int, user_id: int, text: list[str], *, packed: bool = False) -> Path:
    """Write a user's month as justlog does."""
    date = time.gmtime(start_ms // 1000)
    return written(folder / f"9001/{date.tm_year}/{date.tm_mon}/{user_id}.txt", text, packed=packed)


async def imported(store: Store, archive: Archive, tree: Tree, done: Path, **more: object) -> Imported:
    """Take in a tree in this process."""
    plan = Plan(tree, store.session.settings, done, **more)  # type: ignore[arg-type]
    return await carry_out(plan, await look(plan, archive), lambda _count: None, archive)


async def log_of(store: Store, archive: Archive, shape: Shape, key: Key) -> list[str]:
    """Give the lines of a log over both tiers."""
    cold = ArchiveReader(Files(archive.files.objects), archive.index)
    reader = TieredReader(store.reader.hot, cold, store.reader._horizon)
    log = Log(shape, key, newest_first=False)
    return [message.line async for piece in reader.stream(log) for message in piece]
