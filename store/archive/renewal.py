"""Keeps the lines of a day in Cassandra for some days more, where they would expire before they are exported.

They are written again with the write timestamps that they have and a longer TTL: of two such cells the one that expires
later wins. That costs what writing them cost, and keeps the files of their time window: it is a last resort.
"""

from __future__ import annotations

import time

from cassandra.query import PreparedStatement

from store.archive.objects import Place
from store.reader import Log, Reader
from store.session import Session
from store.shapes import CHANNEL
from store.wanted import WantedChannels
from store.writer import Writer

LONGER_SECONDS = 7 * 86_400
"""For how long they are kept from then on, at least."""


class Renewal:
    """Tells how long a day of a channel is still there, and keeps it for longer."""

    def __init__(self, session: Session, reader: Reader, wanted: WantedChannels, first: PreparedStatement) -> None:
        self._session = session
        self._reader = reader
        self._wanted = wanted
        self._first = first

    @classmethod
    async def open(cls, session: Session, reader: Reader, wanted: WantedChannels) -> Renewal:
        """Prepare the statement.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        first = await session.prepare(
            f"SELECT TTL(type) FROM {session.table(CHANNEL.table)} WHERE channel_id = ? AND bucket = ? LIMIT 1"
        )
        return cls(session, reader, wanted, first)

    async def seconds_left(self, place: Place) -> int | None:
        """Say in how many seconds the first line of a day expires; None if it does not, or if there is none.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        for bucket in await self._reader.buckets(Log.of_day(place.channel_id, place.day_ms)):
            for (left,) in await self._session.execute(self._first.bind((place.channel_id, bucket.start_ms))):
                return None if left is None else int(left)
        return None

    async def renew(self, place: Place) -> int:
        """Keep a day for longer; give how many lines it has.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        since_ms = time.time_ns() // 1_000_000 - place.day_ms
        # The rows that list buckets are written again too: they outlive what others keep of the same user.
        retention = (await self._wanted.retention()).at_least(since_ms // 1000 + LONGER_SECONDS)
        writer = await Writer.open(self._session, retention)
        lines = 0
        async for piece in self._reader.stream(Log.of_day(place.channel_id, place.day_ms)):
            lines += (await writer.write(piece)).messages
        return lines
