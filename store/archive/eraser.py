"""Erases users and channels from the archive: the files of their days are written anew without them, or removed.

It may be stopped at any point and done again: what is erased already is not found again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable

from store.archive.exporter import Exporter, Shown
from store.archive.index import ArchiveIndex
from store.archive.lease import name_of
from store.archive.objects import Objects, Place
from store.errors import ArchiveError, StoreUnavailable
from store.lease import Leases


class ArchiveEraser:
    """Erases from the files of the archive and from what is recorded of them."""

    def __init__(self, exporter: Exporter, index: ArchiveIndex, objects: Objects, leases: Leases) -> None:
        self._exporter = exporter
        self._index = index
        self._objects = objects
        self._leases = leases

    async def erase_user(self, user_id: int, shown: Shown) -> AsyncIterator[int]:
        """Erase what stands in a user's log; yield for each day how many lines went.

        Args:
            user_id: whose.
            shown: what stays of each line of a day in which the user has any.

        Raises:
            ArchiveError: a file is damaged.
            StoreUnavailable: Cassandra or the archive cannot answer, or another works on a day; do it again.
        """
        places = [
            day.place
            for month in await self._index.user_months(user_id)
            for day in await self._index.user_days(user_id, month)
        ]
        async for gone in self._rewrite_all(places, shown, (user_id,)):
            yield gone
        await self._index.forget_empty_months(user_id)

    async def erase_channel(self, channel_id: int, shown: Shown) -> AsyncIterator[int]:
        """Erase the days of a channel; yield for each day how many lines went. Days that keep lines stay without them.

        Raises:
            ArchiveError: a file is damaged.
            StoreUnavailable: as `erase_user`.
        """
        places = {day.place async for day in self._index.walk(channel_id, 0, 1 << 52, descending=False)}
        places |= {place async for place in self._objects.places(channel_id)}
        async for gone in self._rewrite_all(sorted(places), shown):
            yield gone

    async def _rewrite_all(
        self, places: Iterable[Place], shown: Shown, whose: Collection[int] = ()
    ) -> AsyncIterator[int]:
        """Rewrite days; one that is damaged is told of when the others are done."""
        damaged: ArchiveError | None = None
        for place in places:
            try:
                yield await self._rewrite(place, shown, whose)
            except ArchiveError as error:
                damaged = damaged or error
        if damaged is not None:
            raise damaged

    async def _rewrite(self, place: Place, shown: Shown, whose: Collection[int]) -> int:
        async with self._leases.held(name_of(place)) as lease:
            if lease is None:
                raise StoreUnavailable(f"the archived day {place} is being exported; it is erased after that")
            return await self._exporter.rewrite(place, shown, lease, whose)
