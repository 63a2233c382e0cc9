"""The store as one thing to open and hand down: a session, and the reading side that the service needs."""

from __future__ import annotations

from dataclasses import dataclass

from store.activity import Activity
from store.archive.files import Files
from store.archive.index import ArchiveIndex
from store.archive.objects import Objects
from store.archive.reader import ArchiveReader
from store.counts import Counts
from store.coverage import Coverage
from store.directory import Directory
from store.horizon import Horizon
from store.optout_codes import OptoutCodes
from store.optouts import Optouts
from store.reader import Reader
from store.removals import Moderation
from store.session import Session
from store.settings import StoreSettings
from store.statistics import Statistics
from store.tiers import TieredReader


@dataclass(frozen=True, slots=True)
class Store:
    """An open session with what reads through it."""

    session: Session
    reader: TieredReader
    directory: Directory
    counts: Counts
    statistics: Statistics
    coverage: Coverage
    activity: Activity
    moderation: Moderation
    optouts: Optouts
    codes: OptoutCodes

    @classmethod
    async def open(cls, settings: StoreSettings) -> Store:
        """Connect and prepare.

        Raises:
            SettingsError: a setting makes no sense.
            StoreError: the tables are not there.
            StoreUnavailable: Cassandra cannot answer.
        """
        # What is wrong with the archive's settings is said before anything is waited for.
        objects = Objects.open(settings) if settings.archive_url else Objects.nowhere()
        session = await Session.open(settings)
        try:
            optouts = await Optouts.open(session)
            await optouts.refresh()
            hot = await Reader.open(session, optouts.now)
            cold = ArchiveReader(Files(objects), await ArchiveIndex.open(session))
            reader = TieredReader(hot, cold, await Horizon.open(session), optouts.now)
            return cls(
                session,
                reader,
                await Directory.open(session),
                await Counts.open(session, reader),
                await Statistics.open(session, reader, optouts.now),
                await Coverage.open(session),
                await Activity.open(session, reader, optouts.now),
                await Moderation.open(session),
                optouts,
                await OptoutCodes.open(session),
            )
        except BaseException:
            await session.close()
            raise

    async def close(self) -> None:
        """End the session."""
        await self.session.close()
