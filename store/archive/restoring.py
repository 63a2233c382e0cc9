"""Brings back into Cassandra what the archive's files tell: names, channels, and lines that it should still have.

A line since the horizon is looked for in Cassandra alone. So where the tables are empty, because a cluster was lost,
the days that are in both tiers are written from their files; where they are whole, nothing is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from store.archive.archive import Archive
from store.archive.objects import Place
from store.horizon import Horizon
from store.keys import MS_IN_DAY
from store.message import Message
from store.reader import Log, Reader
from store.shapes import CHANNEL
from store.writer import Writer

_AT_ONCE = 1000


class Restorer:
    """Takes what the files say, day by day.

    Args:
        archive: whose they are.
        reader: of what is in Cassandra.
        writer: writes what is missing there.
        horizon_ms: what was said before it is read from the archive, Unix milliseconds; None: nothing is.
        apart: channels with a retention of their own, whose lines are not brought back.
    """

    def __init__(
        self, archive: Archive, reader: Reader, writer: Writer, horizon_ms: int | None, apart: frozenset[int]
    ) -> None:
        self._archive = archive
        self._reader = reader
        self._writer = writer
        self._horizon_ms = horizon_ms
        self._apart = apart

    @classmethod
    async def open(cls, archive: Archive) -> Restorer:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        session = archive.session
        await archive.optouts.refresh()
        horizon_ms = await (await Horizon.open(session)).of(CHANNEL)
        return cls(archive, await Reader.open(session), await archive.writer(), horizon_ms, await archive.kept_apart())

    def day(self, place: Place) -> RestoredDay:
        """Give what takes the lines of a day, in order."""
        is_recent = self._horizon_ms is None or place.day_ms + MS_IN_DAY > self._horizon_ms
        if not is_recent or place.channel_id in self._apart:
            return RestoredDay(self, None)
        return RestoredDay(self, self._reader.stream(Log.of_day(place.channel_id, place.day_ms)))

    def learn(self, message: Message) -> None:
        """Take note of whom a message names."""
        self._writer.learn_names(message)

    async def write(self, messages: list[Message]) -> None:
        """Write lines that are missing.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        # A reindex takes hours: who opts out meanwhile is erased, and must not be written back.
        await self._archive.optouts.refresh()
        out = self._archive.optouts.now()
        shown = [stays for message in messages if (stays := out.shown(message)) is not None]
        for at in range(0, len(shown), _AT_ONCE):
            # They come out of the archive, and need not go there once more.
            await self._writer.write(shown[at : at + _AT_ONCE], note_late=False)

    async def flush(self) -> None:
        """Write the names that wait to be written.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._writer.flush()


class RestoredDay:
    """Takes the lines of a day, and holds them against what Cassandra has of it, if it should have any."""

    def __init__(self, restorer: Restorer, stored: AsyncIterator[list[Message]] | None) -> None:
        self._restorer = restorer
        self._stored = stored
        self._known: set[tuple[int, int]] = set()
        self._reached = (-1, -1)

    async def take(self, messages: list[Message]) -> None:
        """Take further lines, in order.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        for message in messages:
            self._restorer.learn(message)
        if self._stored is None:
            return
        last = messages[-1].position.order
        while self._reached < last:
            piece = await anext(self._stored, None)
            self._known.update(message.position.order for message in piece or ())
            self._reached = piece[-1].position.order if piece else (1 << 62, 0)
        await self._restorer.write([message for message in messages if message.position.order not in self._known])
        self._known = {order for order in self._known if order > last}
