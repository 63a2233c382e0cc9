"""A log over two tiers: days of chat around a horizon, an exporter with a clock of its own, and what a TTL would do."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from cassandra.query import BoundStatement

from store.archive.exporter import Exporter
from store.archive.files import Files
from store.archive.index import ArchiveIndex
from store.archive.lease import A_DAY
from store.archive.objects import Objects
from store.archive.reader import ArchiveReader
from store.keys import MS_IN_DAY, MS_IN_HOUR, Width
from store.lease import Leases
from store.message import Message
from store.reader import Reader
from store.session import Session
from store.shapes import SHAPES, Key, Shape
from store.store import Store
from store.tiers import TieredReader
from support import lines

CHANNELS = (lines.CHANNEL_ID, 9002)
USERS = (501, 502, 503)
DAYS = [
    dt.date(2023, 12, 29),
    dt.date(2023, 12, 31),
    dt.date(2024, 1, 1),
    dt.date(2024, 1, 2),
    dt.date(2024, 1, 31),
    dt.date(2024, 2, 28),
    dt.date(2024, 2, 29),
    dt.date(2024, 3, 1),
    dt.date(2024, 3, 2),
    dt.date(2024, 3, 4),
    dt.date(2024, 3, 5),
    dt.date(2024, 3, 6),
]
"""A dozen days: a year's end, a leap day, days on which nobody spoke between them."""


def start_of(date: dt.date) -> int:
    """Give the first millisecond of a day."""
    return (date - dt.date(1970, 1, 1)).days * MS_IN_DAY


HORIZON_MS = start_of(dt.date(2024, 3, 2))
NOW_MS = start_of(dt.date(2024, 3, 7)) + 12 * MS_IN_HOUR


def chat(lines_a_day: int = 12, seed: int = 3, days: Sequence[dt.date] = DAYS) -> list[Message]:
    """Give lines of two channels on each of the days, the first and the last millisecond of each among them."""
    dice, found, number = random.Random(seed), [], seed * 100_000
    for date in days:
        start = start_of(date)
        for channel_id in CHANNELS:
            times = [0, 0, MS_IN_DAY - 1, MS_IN_DAY - 1]
            times += [dice.randrange(MS_IN_DAY) // 5000 * 5000 for _ in range(lines_a_day - 4)]
            for at in times:
                number += 1
                user = dice.choice(USERS)
                found.append(
                    Message.parse(
                        lines.privmsg(
                            f"line {number} " + "ä" * dice.randrange(30),
                            number=number,
                            sent_ms=start + at,
                            user_id=user,
                            login=f"user{user}",
                            channel_id=channel_id,
                            channel=f"channel{channel_id}",
                        )
                    )
                )
    dice.shuffle(found)
    return found


on_every_store = pytest.mark.parametrize("objects", ["folder", "s3"], indirect=True)
"""Runs a test on an archive in a folder, and on one in a bucket."""


class FixedHorizon:
    """A horizon that a test moves."""

    def __init__(self, ms: int | None) -> None:
        self.ms = ms

    async def of(self, _shape: Shape) -> int | None:
        return self.ms


@dataclass
class Tiers:
    """A store over both tiers, whose exporter may be replaced."""

    store: Store
    files: Files
    index: ArchiveIndex
    reader: TieredReader
    horizon: FixedHorizon

    @property
    def objects(self) -> Objects:
        return self.files.objects

    async def exporter(
        self, objects: Objects | None = None, session: Session | None = None, **more: object
    ) -> Exporter:
        """Give an exporter at the time of the test; through other objects or another session if it is to fail."""
        session = session or self.store.session
        index = await ArchiveIndex.open(session)
        settings: dict[str, object] = {"grace_ms": MS_IN_HOUR, "clock_ms": lambda: NOW_MS, "block_bytes": 1500}
        return Exporter(
            await Reader.open(session),
            Files(objects or self.objects),
            index,
            await Leases.open(session, A_DAY),
            **(settings | more),  # type: ignore[arg-type]
        )


async def tiers(store: Store, objects: Objects | None = None, horizon_ms: int | None = HORIZON_MS) -> Tiers:
    """Give both tiers over the tables of a store."""
    files, index = Files(objects or Objects.in_memory()), await ArchiveIndex.open(store.session)
    horizon = FixedHorizon(horizon_ms)
    hot = await Reader.open(store.session)
    return Tiers(store, files, index, TieredReader(hot, ArchiveReader(files, index), horizon), horizon)  # type: ignore[arg-type]


async def expire(store: Store, messages: list[Message], before_ms: int) -> None:
    """Take what was said before a time out of Cassandra, and the buckets that end before it, as a TTL does.

    Each row goes with its own write timestamp, so that nothing that is written later is hit.
    """
    session = store.session
    deletes: list[BoundStatement] = []
    buckets: set[tuple[Shape, Key, int]] = set()
    statements = {shape: await session.prepare(_delete(session, shape)) for shape in SHAPES}
    for message in messages:
        assert message.sent_ms is not None
        assert message.channel_id is not None
        if message.sent_ms < before_ms:
            for shape in SHAPES:
                for key in shape.keys_of(message.channel_id, message.users):
                    start = shape.width.start(message.sent_ms)
                    deletes.append(statements[shape].bind((message.sent_ms * 1000, *key, start, message.sent)))
                    if shape.width.end(start) <= before_ms:
                        buckets.add((shape, key, start))
    for shape, key, start in buckets:
        where = " AND ".join(f"{column} = ?" for column in shape.key)
        gone = await session.prepare(f"DELETE FROM {session.table(shape.index)} WHERE {where} AND bucket = ?")
        deletes.append(gone.bind((*key, start)))
    for at in range(0, len(deletes), 128):
        await asyncio.gather(*map(session.execute, deletes[at : at + 128]))


def _delete(session: Session, shape: Shape) -> str:
    where = " AND ".join(f"{column} = ?" for column in (*shape.key, "bucket", "sent"))
    return f"DELETE FROM {session.table(shape.table)} USING TIMESTAMP ? WHERE {where}"


def width_of(shape: Shape) -> Width:
    """Give how wide what the archive lists of a shape is."""
    return Width.DAY if shape.name == "channel" else Width.MONTH
