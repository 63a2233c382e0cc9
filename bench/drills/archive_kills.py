"""The exporter is killed again and again while sixty days are archived and half of them expire: each line is read once.

python -m bench.drills.archive_kills [--kills 100] [--lines 150]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

import schema
from bench import ground
from bench.drills.ground import now_ms
from ingest.demo import DemoChat
from store.archive import upkeep
from store.archive.archive import Archive
from store.archive.objects import Place
from store.cursor import Cursor
from store.deletions import Deletions
from store.keys import LAST_LOW, MS_IN_DAY, Position
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.settings import StoreSettings
from store.shapes import CHANNEL, SHAPES, Key, Shape
from store.store import Store
from store.writer import Writer

_DAYS, _KEPT_DAYS = 60, 30
_CHANNELS = ("drill0", "drill1")
_LATE = 10
"""One line in so many comes late."""
_PAGE = 250
_USERS = 3
"""Logs of users in a walk while the exporters are killed."""


@dataclass
class Drill:
    """What was said, what of it was written, and what was found.

    Attributes:
        expected: by log, the lines that were written so far, in order.
        expired_ms: what was said before that is gone from Cassandra.
        at_work: how many were killed while a day was theirs.
    """

    settings: StoreSettings
    store: Store
    archive: Archive
    held_back: list[Message]
    expired_ms: int
    expected: dict[tuple[Shape, Key], list[Message]] = field(default_factory=dict)
    walks: int = 0
    missing: int = 0
    doubled: int = 0
    at_work: int = 0

    async def write(self, messages: Sequence[Message], retention: Retention | None = None) -> None:
        """Write lines as a worker does; from then on they are missed."""
        writer = await Writer.open(self.store.session, retention)
        for at in range(0, len(messages), 500):
            outcome = await writer.write(messages[at : at + 500])
            assert not outcome.refused
        await writer.flush()
        for message in messages:
            for shape in SHAPES:
                for key in shape.keys_of(message.channel_id or 0, message.users):
                    self.expected.setdefault((shape, key), []).append(message)
        for found in self.expected.values():
            found.sort(key=lambda message: message.position.order)

    async def look(self, most_users: int | None = None) -> None:
        """Walk through logs of all shapes, page by page, in both directions."""
        users = [log for log in self.expected if log[0] is not CHANNEL]
        some = users if most_users is None else random.sample(users, most_users)
        logs = iter([log for log in self.expected if log[0] is CHANNEL] + some)

        async def walk() -> None:
            for shape, key in logs:
                wanted = Counter(message.line for message in self.expected[shape, key])
                for newest_first in (False, True):
                    found = Counter(await self._walked(Log(shape, key, newest_first=newest_first)))
                    self.missing += (wanted - found).total()
                    self.doubled += (found - wanted).total()
                    self.walks += 1

        await asyncio.gather(*(walk() for _ in range(4)))

    async def _walked(self, log: Log) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            read = Cursor.decode(cursor, log.shape, log.key) if cursor else None
            page = await self.store.reader.page(log, limit=_PAGE, cursor=read)
            found += [message.line for message in page.messages]
            cursor = page.next
            if cursor is None:
                return found

    async def expire(self, whole: bool = False) -> None:
        """Take out of Cassandra what a TTL would have taken by now, some days more each time, if they are exported."""
        gone_ms = now_ms() // MS_IN_DAY * MS_IN_DAY - _KEPT_DAYS * MS_IN_DAY
        missing = [place.day_ms for waiting in await self._waiting() for place in waiting]
        first_ms = min([gone_ms, *missing])
        until_ms = first_ms if whole else self.expired_ms + (first_ms - self.expired_ms) // MS_IN_DAY // 2 * MS_IN_DAY
        if until_ms <= self.expired_ms:
            return
        self.expired_ms = until_ms
        hot = self.store.reader.hot
        deletions = await Deletions.open(self.store.session, hot, until_ms)
        for shape, key in self.expected:
            for bucket in await hot.buckets(Log(shape, key, to_ms=until_ms)):
                if bucket.end_ms <= until_ms:
                    await deletions.carry_out(deletions.bucket(shape, key, bucket))
            last = Position(until_ms - 1, LAST_LOW)
            await deletions.carry_out(await deletions.lines_through(shape, key, last))

    async def _waiting(self) -> list[Sequence[Place]]:
        return [
            (await self.archive.exporter.waiting(key[0])).missing for shape, key in self.expected if shape is CHANNEL
        ]

    async def held(self) -> set[str]:
        """Give the leases on days, of the living and the killed."""
        rows = await self.store.session.execute(f"SELECT name FROM {self.store.session.table('leases')}")
        return {name for (name,) in rows if name.startswith("archive ")}

    async def killed(self) -> None:
        """Start an exporter, and kill it at some moment while it works."""
        before = await self.held()
        process = await self._exporter()
        assert process.stderr is not None
        to_go = random.randrange(3)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while to_go >= 0:
                    line = await process.stderr.readline()
                    assert line, "the exporter ended by itself"
                    if to_go == 0 or b'"archive.exported"' in line:
                        to_go -= 1
        await asyncio.sleep(random.uniform(0, 0.2))
        process.kill()
        await process.communicate()
        self.at_work += bool(await self.held() - before)

    async def finish(self) -> None:
        """Export until nothing is left to do; leases of the killed have to expire."""
        while any(
            [(await self.archive.exporter.waiting(key[0])).due for shape, key in self.expected if shape is CHANNEL]
        ):
            process = await self._exporter("--once")
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            await asyncio.sleep(5)

    async def _exporter(self, *arguments: str) -> asyncio.subprocess.Process:
        settings = {
            "LOGSTV_CONTACT_POINTS": ",".join(self.settings.contact_points),
            "LOGSTV_CQL_PORT": str(self.settings.cql_port),
            "LOGSTV_KEYSPACE": self.settings.keyspace,
            "LOGSTV_SCHEMA_DIR": str(self.settings.schema_dir),
            "LOGSTV_ARCHIVE_URL": self.settings.archive_url,
            "LOGSTV_ARCHIVE_EVERY_MINUTES": "0.005",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "logstv", "archive", "run", *arguments,
            env=ground.environment(settings), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )  # fmt: skip


def tuned(folder: Path) -> Path:
    """Give the CQL files with a retention of thirty days."""
    folder.mkdir()
    for path in schema.FOLDER.glob("*.cql"):
        (folder / path.name).write_text(path.read_text().replace("= 7776000", f"= {_KEPT_DAYS * 86_400}"))
    return folder


def said(lines_a_day: int) -> list[Message]:
    """Give what was said in sixty days and today."""
    chat = DemoChat(seed=os.getpid(), channels=_CHANNELS, rate=lines_a_day / 86_400)
    end_ms = now_ms()
    first_ms = end_ms // MS_IN_DAY * MS_IN_DAY - _DAYS * MS_IN_DAY
    return [
        Message.parse(line, channel_id=chat.channel_id(channel))
        for channel in chat.channels
        for line in chat.lines_between(channel, first_ms, end_ms, first_ms)
    ]


def left_behind(folder: Path) -> list[Path]:
    """Give what a folder has of files that were not written to their end; nobody sees them as days."""
    return [path for path in folder.rglob("*#*") if path.is_file()]


async def run(kills: int, lines_a_day: int) -> None:
    with ground.node() as local, tempfile.TemporaryDirectory(prefix="logstv-drill-") as kept:
        folder = Path(kept)
        url = (folder / "archive").as_uri()
        settings = ground.store_settings(local, "drill", schema_dir=tuned(folder / "schema"), archive_url=url)
        store = await Store.open(settings)
        messages = said(lines_a_day)
        expires_ms = now_ms() - (_KEPT_DAYS - 1) * MS_IN_DAY
        # What comes later than the retention is refused, so only the newer half has lines that come late.
        late = [message for message in messages[::_LATE] if (message.sent_ms or 0) > expires_ms]
        first_ms = min(message.sent_ms or 0 for message in messages) // MS_IN_DAY * MS_IN_DAY
        drill = Drill(settings, store, await Archive.open(store.session, settings), late, first_ms)
        ids = {id(message) for message in late}
        prompt = [message for message in messages if id(message) not in ids]
        old = [message for message in prompt if (message.sent_ms or 0) <= expires_ms]
        await drill.write(old, Retention.of(0))
        await drill.write([message for message in prompt if (message.sent_ms or 0) > expires_ms])
        random.shuffle(late)
        await drill.look()
        for number in range(kills):
            await drill.killed()
            some, late = late[: len(drill.held_back) // kills + 1], late[len(drill.held_back) // kills + 1 :]
            await drill.write(some)
            if number % 3 == 0:
                await drill.expire()
            await drill.look(_USERS if number % 10 else 5 * _USERS)
            print(orjson.dumps({"kill": number + 1, "missing": drill.missing, "doubled": drill.doubled}).decode())
        await drill.write(late)
        await drill.finish()
        await drill.expire(whole=True)
        await drill.look()
        archive = drill.archive
        found = [each async for each in upkeep.verify(archive.files, archive.index, archive.exporter)]
        row = {
            "kills": kills,
            "of these while a day was worked on": drill.at_work,
            "days in the archive": len(found),
            "damaged": sum(each.problem is not None for each in found),
            "lines": sum(len(lines) for (shape, _), lines in drill.expected.items() if shape is CHANNEL),
            "of these late": len(drill.held_back),
            "days gone from Cassandra": (drill.expired_ms - first_ms) // MS_IN_DAY,
            "walks": drill.walks,
            "missing": drill.missing,
            "doubled": drill.doubled,
            "half files left behind": len(left_behind(folder)),
        }
        await store.close()
    ground.report(
        "archive_kills", [row],
        f"SIGKILL of `logstv archive run` over {_DAYS} days of two channels, kept {_KEPT_DAYS} days in Cassandra; "
        "walks over all shapes in both directions before, between and after.",
    )  # fmt: skip
    assert not drill.missing, "lines are missing"
    assert not drill.doubled, "lines are doubled"
    assert not row["damaged"], "days are damaged"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lines", type=int, default=150, help="a day in each channel")
    options = parser.parse_args()
    asyncio.run(run(options.kills, options.lines))


if __name__ == "__main__":
    main()
