"""Notes the days to which lines come after they were closed: those are exported once more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.message import Message
from store.session import Session

LATE_MS = MS_IN_HOUR
"""So long after the end of a day its lines are late; no day is exported before that."""


class LateDays:
    """The table of the days that late lines came to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def note(self, messages: Iterable[Message], now_ms: int) -> None:
        """Note the days of those that come late; to be called when they are acknowledged.

        Whoever is stopped before that writes the messages again, and so notes them.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        open_ms = (now_ms - LATE_MS) // MS_IN_DAY * MS_IN_DAY
        days = {
            (message.channel_id, message.sent_ms // MS_IN_DAY * MS_IN_DAY)
            for message in messages
            if message.sent_ms is not None and message.sent_ms < open_ms and message.channel_id is not None
        }
        if not days:
            return
        insert = await self._session.prepare(
            f"INSERT INTO {self._session.table('late_days')} (channel_id, day, noted) VALUES (?, ?, ?) "
            "USING TIMESTAMP ?"
        )
        noted = time.time_ns() // 1000
        await asyncio.gather(*(self._session.execute(insert.bind((*day, noted, noted))) for day in days))
