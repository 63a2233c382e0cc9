"""The archive as one thing to open: what exports, records and erases, and the loop that exports day by day."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from store.archive.eraser import ArchiveEraser
from store.archive.exporter import Exporter
from store.archive.files import Files
from store.archive.index import ArchiveIndex
from store.archive.lease import A_DAY, name_of
from store.archive.objects import Objects, Place
from store.archive.outcomes import Exported
from store.archive.renewal import Renewal
from store.directory import Directory
from store.errors import ArchiveError, StoreError, StoreUnavailable
from store.horizon import Horizon
from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.lease import Leases
from store.optouts import Optouts
from store.reader import Reader
from store.retention import FOR_EVER, Retention
from store.session import Session
from store.settings import StoreSettings
from store.shapes import CHANNEL
from store.wanted import WantedChannel, WantedChannels, archive_days
from store.writer import Writer

log = structlog.get_logger(__name__)

_BEHIND_DAYS = 3
"""An exporter is behind when a day has been closed for so long, or for a quarter of the time that lines are kept."""
_RENEWED_SECONDS = 2 * 86_400
"""A day that expires sooner and is not exported is kept for longer; twice as long as between two looks at the most."""

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


@dataclass(slots=True)
class Lag:
    """How far behind the archive is, as of the last look.

    Attributes:
        open: days with lines that are not closed yet, of all channels.
        due: days that are closed and are to be exported.
        missing: those of them that are not there at all.
        seconds: for how long the oldest of these has been closed.
        behind: how many channels have one that should have been exported days ago.
        renewed: lines that were kept for longer, since the archive was opened.
    """

    open: int = 0
    due: int = 0
    missing: int = 0
    seconds: float = 0.0
    behind: int = 0
    renewed: int = 0


@dataclass(slots=True)
class Archive:
    """An open archive.

    Attributes:
        files: what lies there.
        index: what Cassandra knows of it.
        exporter: brings days there.
        eraser: takes lines away.
        optouts: whose lines are not kept.
        renewal: keeps in Cassandra what would expire before it is exported.
        kept_days: for how many days it keeps a day of a channel of which nothing else is said; 0 is for ever.
        lag: how far behind it is.
    """

    session: Session
    files: Files
    index: ArchiveIndex
    exporter: Exporter
    eraser: ArchiveEraser
    directory: Directory
    wanted: WantedChannels
    optouts: Optouts
    renewal: Renewal
    leases: Leases
    clock_ms: Callable[[], int]
    kept_days: int = 0
    lag: Lag = field(default_factory=Lag)

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
        reader = await Reader.open(session)
        exporter = Exporter(
            reader,
            files,
            index,
            leases,
            optouts=optouts,
            horizon=await Horizon.open(session),
            grace_ms=grace_ms,
            clock_ms=clock_ms,
        )
        eraser = ArchiveEraser(exporter, index, objects, leases)
        directory, wanted = await Directory.open(session), await WantedChannels.open(session)
        renewal = await Renewal.open(session, reader, wanted)
        return cls(
            session,
            files,
            index,
            exporter,
            eraser,
            directory,
            wanted,
            optouts,
            renewal,
            leases,
            clock_ms,
            settings.archive_days,
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, settings: StoreSettings) -> AsyncIterator[Archive]:
        """Give what the settings name, with a session of its own, for as long as the block runs.

        Raises:
            SettingsError: no archive is set, or one that cannot be opened.
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        session = await Session.open(settings)
        try:
            yield await cls.open(session, settings)
        finally:
            await session.close()

    async def writer(self) -> Writer:
        """Give what writes lines that others have kept, for as long as the tables say, or what is said of a channel.

        It heeds who opts out, as of each `optouts.refresh`; of several, the one that was given last does.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        writer = await Writer.open(self.session, await self.wanted.retention())
        self.optouts.told = writer.forget_buckets
        return writer

    async def channel_ids(self) -> list[int]:
        """Give the channels whose days are exported.

        One for which a retention of its own is set stays in Cassandra: its lines are kept that long and no longer, or
        for ever; also when it is read no more.

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
        told = [each for each in await self.wanted.said() if each.retention_days is not None]
        newest = [await self.directory.user_id(login) for login in _logins_alone(told)]
        return frozenset(each for each in [*newest, *(each.channel_id for each in told)] if each is not None)

    async def run(self, tried: Callable[[Place], object] = lambda _: None) -> Exported:
        """Export what is to be exported.

        Args:
            tried: told of each day that was, or could not be.

        Raises:
            StoreUnavailable: Cassandra or the archive cannot answer.
        """
        channel_ids = await self.channel_ids()
        outcome = await self.exporter.run(channel_ids, await self.since(channel_ids), tried)
        if outcome.days or outcome.failed:
            log.info("archive.run", days=outcome.days, lines=outcome.lines, failed=len(outcome.failed))
        return outcome

    async def since(self, channel_ids: Iterable[int]) -> dict[int, int]:
        """Give from which day on the archive keeps the days of channels, Unix milliseconds; 0: all.

        While it is not known which channel was meant by a login, all days are kept of each that it may be.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        said = [each for each in await self.wanted.said() if each.archive_days is not None]
        meant = [known.user_id for login in _logins_alone(said) for known in await self.directory.users_of(login)]
        told = dict.fromkeys(meant, 0) | archive_days(said)
        today, found = self.clock_ms() // MS_IN_DAY * MS_IN_DAY, {}
        for channel_id in channel_ids:
            days = told.get(channel_id, self.kept_days)
            found[channel_id] = today - days * MS_IN_DAY if days else 0
        return found

    async def forget_old(self) -> int:
        """Remove the days that the archive no longer keeps; give how many lines they had. A damaged one stays.

        Raises:
            StoreUnavailable: Cassandra or the archive cannot answer; doing it again is right.
        """
        gone = 0
        for channel_id, since_ms in (await self.since(await self.index.channels())).items():
            for day in await self.index.days(channel_id, to_ms=since_ms):
                async with self.leases.held(name_of(day.place)) as lease:
                    if lease is None:
                        continue
                    try:
                        lines = await self.exporter.rewrite(day.place, lambda _: None, lease)
                    except ArchiveError as error:
                        log.error("archive.failed", day=str(day.place), reason=str(error))
                    else:
                        log.info("archive.forgotten", day=str(day.place), lines=lines)
                        gone += lines
        return gone

    async def follow(self, every_seconds: float) -> None:
        """Export what is to be exported, again and again, until cancelled; say loudly when days have waited long."""
        while True:
            try:
                await self.look()  # first: it tells how it stood when whoever exports had been away
                await self.run()
                await self.forget_old()
                await self._measure()
            except StoreUnavailable as error:
                log.warning("archive.unavailable", reason=str(error), again_in_seconds=every_seconds)
            except StoreError as error:
                log.error("archive.failed", reason=str(error), again_in_seconds=every_seconds)
            except Exception:
                log.exception("archive.failed", again_in_seconds=every_seconds)
            await asyncio.sleep(every_seconds)

    async def standing(self) -> list[Standing]:
        """Give how each channel stands.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        logins = {channel.channel_id: channel.login for channel in await self.directory.channels()}
        exported = set(await self.channel_ids())
        channel_ids = sorted(exported | set(await self.index.channels()))
        since = await self.since(exported)
        found: list[Standing] = []
        for at in range(0, len(channel_ids), _AT_ONCE):
            some = channel_ids[at : at + _AT_ONCE]
            found += await asyncio.gather(
                *(self._standing(channel_id, logins.get(channel_id, ""), since.get(channel_id)) for channel_id in some)
            )
        return found

    async def _standing(self, channel_id: int, login: str, since_ms: int | None) -> Standing:
        """Give how a channel stands, whose days are exported from a time on; None: they are not."""
        days = await self.index.days(channel_id)
        waiting = None if since_ms is None else await self.exporter.waiting(channel_id, since_ms)
        return Standing(
            channel_id,
            login,
            len(days),
            sum(day.lines for day in days),
            sum(day.size for day in days),
            days[0].place if days else None,
            days[-1].place if days else None,
            tuple(waiting.due) if waiting else (),
            waiting.missing[0] if waiting and waiting.missing else None,
        )

    async def behind(self, standing: Iterable[Standing]) -> list[Behind]:
        """Give the channels that have days that should have been exported days ago.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        most = await self._longest()
        return [
            Behind(each.missing, len(each.due), await self._days_left(each.missing))
            for each in standing
            if each.missing is not None and self._closed_seconds(each.missing) > most
        ]

    async def _longest(self) -> float:
        """Give the seconds for which a day may have been closed and not be exported."""
        kept = (await Retention.of_tables(self.session)).seconds[CHANNEL.table]
        return _BEHIND_DAYS * 86_400 if kept == FOR_EVER else min(_BEHIND_DAYS * 86_400, kept / 4)

    def _closed_seconds(self, place: Place) -> float:
        return (self.clock_ms() - place.day_ms - MS_IN_DAY) / 1000

    async def _days_left(self, place: Place) -> float | None:
        """Give for how many days the lines of a day are still in Cassandra; None: for ever."""
        left = await self.renewal.seconds_left(place)
        return None if left is None else round(left / 86_400, 1)

    async def look(self) -> Lag:
        """Look how far behind the archive is; say loudly which channels are, and keep what would expire for longer.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        for missing in await self._measure():
            days = await self._days_left(missing[0])
            log.error("archive.behind", oldest=str(missing[0]), days=len(missing), days_until_it_expires=days)
            for place in missing:
                await self._renew(place)
        return self.lag

    async def _measure(self) -> list[Sequence[Place]]:
        """Measure how far behind the archive is; give what is missing of each channel that is behind."""
        most = await self._longest()
        now, behind = Lag(renewed=self.lag.renewed), list[Sequence[Place]]()
        for channel_id, since_ms in (await self.since(await self.channel_ids())).items():
            waiting = await self.exporter.waiting(channel_id, since_ms)
            now.open += waiting.open
            now.due += len(waiting.due)
            now.missing += len(waiting.missing)
            if waiting.missing:
                closed = self._closed_seconds(waiting.missing[0])
                now.seconds = max(now.seconds, closed)
                if closed > most:
                    behind.append(waiting.missing)
        now.behind = len(behind)
        self.lag = now
        return behind

    async def _renew(self, place: Place) -> None:
        """Keep a day for longer if it expires soon."""
        left = await self.renewal.seconds_left(place)
        if left is None or left > _RENEWED_SECONDS:
            return
        async with self.leases.held(name_of(place)) as lease:
            if lease is None:
                return
            lines = await self.renewal.renew(place)
        log.error("archive.renewed", day=str(place), lines=lines, hours_that_were_left=left // 3600)
        self.lag.renewed += lines


def _logins_alone(channels: Iterable[WantedChannel]) -> list[str]:
    """Give the logins of channels that are known by nothing else."""
    return [channel.name for channel in channels if channel.channel_id is None]
