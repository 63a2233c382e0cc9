"""The archive as one thing to open: what exports, records and erases, and the loop that exports day by day."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from store.archive.eraser import ArchiveEraser
from store.archive.exporter import Exported, Exporter
from store.archive.files import Files
from store.archive.index import ArchiveIndex
from store.archive.lease import A_DAY
from store.archive.objects import Objects, Place
from store.directory import Directory
from store.errors import StoreError, StoreUnavailable
from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.lease import Leases
from store.optouts import Optouts
from store.reader import Reader
from store.retention import FOR_EVER, Retention
from store.session import Session
from store.settings import StoreSettings
from store.shapes import CHANNEL
from store.wanted import WantedChannels

log = structlog.get_logger(__name__)

_BEHIND_DAYS = 3
"""An exporter is behind when a day has been closed for so long."""

_AT_ONCE = 16
"""Channels that are asked about together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel stands in the archive.

    Attributes:
        channel_id: which.
        login: its newest login; empty where none is known.
        days: how many are there.
        lines: how many those have.
        bytes: how long their files are.
        first: the oldest of them; None if there are none.
        last: the newest.
        due: the days that are to be exported, oldest first.
        missing: the oldest of them that is not there at all, and not only to be exported once more; None: all are.
    """

    channel_id: int
    login: str
    days: int
    lines: int
    bytes: int
    first: Place | None
    last: Place | None
    due: tuple[Place, ...]
    missing: Place | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """A channel with a day that should have been exported days ago.

    Attributes:
        oldest: the oldest such day.
        days: how many days of the channel are to be exported.
        left_days: for how many days its lines are still in Cassandra; None: for ever.
    """

    oldest: Place
    days: int
    left_days: float | None


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive.

    Attributes:
        files: what lies there.
        index: what Cassandra knows of it.
        exporter: brings days there.
        eraser: takes lines away.
        optouts: whose lines are not kept.
    """

    session: Session
    files: Files
    index: ArchiveIndex
    exporter: Exporter
    eraser: ArchiveEraser
    directory: Directory
    wanted: WantedChannels
    optouts: Optouts
    clock_ms: Callable[[], int]

    @classmethod
    async def open(
        cls,
        session: Session,
        settings: StoreSettings,
        *,
        objects: Objects | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> Archive:
        """Open what the settings name.

        Args:
            session: where the tables are.
            settings: where the archive is, and when a day is closed.
            objects: the archive, where it is open already.
            clock_ms: Unix milliseconds.

        Raises:
            SettingsError: no archive is set, or one that cannot be opened.
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        objects = objects or Objects.open(settings)
        files, index = Files(objects), await ArchiveIndex.open(session)
        leases = await Leases.open(session, A_DAY)
        grace_ms = round(settings.archive_grace_hours * MS_IN_HOUR)
        optouts = await Optouts.open(session)
        exporter = Exporter(
            await Reader.open(session), files, index, leases, optouts=optouts, grace_ms=grace_ms, clock_ms=clock_ms
        )
        eraser = ArchiveEraser(exporter, index, objects, leases)
        directory, wanted = await Directory.open(session), await WantedChannels.open(session)
        return cls(session, files, index, exporter, eraser, directory, wanted, optouts, clock_ms)

    async def channel_ids(self) -> list[int]:
        """Give the channels whose days are exported.

        One for which a retention of its own is set stays in Cassandra: its lines are kept that long and no longer, or
        for ever.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        apart = await self.kept_apart()
        return [channel.channel_id for channel in await self.directory.channels() if channel.channel_id not in apart]

    async def kept_apart(self) -> frozenset[int]:
        """Give the channels that have a retention of their own, and so stay in Cassandra.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return frozenset(
            each.channel_id
            for each in await self.wanted.all()
            if each.retention_days is not None and each.channel_id is not None
        )

    async def run(self, tried: Callable[[Place], object] = lambda _: None) -> Exported:
        """Export what is to be exported.

        Args:
            tried: told of each day that was, or could not be.

        Raises:
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        outcome = await self.exporter.run(await self.channel_ids(), tried)
        if outcome.days or outcome.failed:
            log.info("archive.run", days=outcome.days, lines=outcome.lines, failed=len(outcome.failed))
        return outcome

    async def follow(self, every_seconds: float) -> None:
        """Export what is to be exported, again and again, until cancelled; say loudly when days have waited long."""
        while True:
            try:
                await self.run()
            except StoreUnavailable as error:
                log.warning("archive.unavailable", reason=str(error), again_in_seconds=every_seconds)
            except StoreError as error:
                log.error("archive.failed", reason=str(error), again_in_seconds=every_seconds)
            with contextlib.suppress(StoreError):
                await self.warn()
            await asyncio.sleep(every_seconds)

    async def standing(self) -> list[Standing]:
        """Give how each channel stands.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        logins = {channel.channel_id: channel.login for channel in await self.directory.channels()}
        exported = set(await self.channel_ids())
        channel_ids = sorted(exported | set(await self.index.channels()))
        found: list[Standing] = []
        for at in range(0, len(channel_ids), _AT_ONCE):
            some = channel_ids[at : at + _AT_ONCE]
            found += await asyncio.gather(
                *(self._standing(channel_id, logins.get(channel_id, ""), channel_id in exported) for channel_id in some)
            )
        return found

    async def _standing(self, channel_id: int, login: str, is_exported: bool) -> Standing:
        days = await self.index.days(channel_id)
        due = await self.exporter.due(channel_id) if is_exported else {}
        return Standing(
            channel_id,
            login,
            len(days),
            sum(day.lines for day in days),
            sum(day.size for day in days),
            days[0].place if days else None,
            days[-1].place if days else None,
            tuple(due),
            # A day that is there already and got late lines is not about to be lost.
            next((place for place, noted in due.items() if noted is None), None),
        )

    async def behind(self, standing: Iterable[Standing]) -> list[Behind]:
        """Give the channels that have days that should have been exported days ago.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        kept = (await Retention.of_tables(self.session)).seconds[CHANNEL.table]
        found = []
        for each in standing:
            if each.missing is None:
                continue
            closed_days = (self.clock_ms() - each.missing.day_ms) / MS_IN_DAY - 1
            if closed_days > _BEHIND_DAYS:
                left = None if kept == FOR_EVER else round(kept / 86_400 - closed_days - 1, 1)
                found.append(Behind(each.missing, len(each.due), left))
        return found

    async def warn(self) -> int:
        """Say which channels have days that should have been exported days ago, and how long those are still there.

        Returns:
            How many channels that are.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        behind = await self.behind(await self.standing())
        for each in behind:
            log.error("archive.behind", oldest=str(each.oldest), days=each.days, days_until_it_expires=each.left_days)
        return len(behind)
