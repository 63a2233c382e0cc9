"""The ingest worker: reads the channels that are assigned to it from the chat server into the store.

Which channels those are is `ingest.follow`'s to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry

from ingest.coverage import CoverageRecorder
from ingest.follow import Follower
from ingest.metrics import IngestMetrics
from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.remembered import RememberedChannels
from ingest.rules import ChannelRules
from ingest.said_optouts import SaidOptouts
from ingest.settings import IngestSettings
from ingest.source import ChatSource
from ingest.spool import Spool
from ingest.transport import open_source
from ingest.volume import Volume
from store.coverage import Coverage
from store.erasers import erasers_of
from store.erasing import Erasing
from store.errors import SettingsError, StoreError, StoreUnavailable
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
from store.wanted import WantedChannels
from store.widths import Thresholds
from store.workers import Figures
from store.writer import Writer

log = structlog.get_logger(__name__)

T = TypeVar("T")

_REPORT_SECONDS = 60.0
_RETENTION_SECONDS = 10.0
_CONNECT_PAUSE_SECONDS = 2.0
_DRAIN_SECONDS = 10.0
_ERASE_SECONDS = 2.0


async def connect(settings: StoreSettings) -> Session:
    """Connect to the cluster; while it cannot be reached, say so and try again.

    Raises:
        SettingsError: a setting makes no sense.
    """
    return await patiently(lambda: Session.open(settings))


async def patiently(opened: Callable[[], Awaitable[T]], passing: type[StoreError] = StoreUnavailable) -> T:
    """Open something of a cluster that can be reached but cannot answer yet, as too few of its nodes are up.

    Args:
        opened: opens it.
        passing: what goes by if it is waited for; a setting that makes no sense never does.

    Raises:
        SettingsError: a setting makes no sense.
    """
    while True:
        try:
            return await opened()
        except SettingsError:
            raise
        except passing as error:
            log.warning("store.unavailable", reason=str(error), again_in_seconds=_CONNECT_PAUSE_SECONDS)
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)


async def work(
    store_settings: StoreSettings,
    settings: IngestSettings,
    folder: Path,
    *,
    seeds_stay: bool = True,
    registry: CollectorRegistry | None = None,
) -> None:
    """Read what is assigned to this worker until cancelled; then hand it over, write what was read, and end.

    Lines are read, and wait on disk, also while Cassandra cannot be reached.

    Args:
        store_settings: where to write.
        settings: how to read, and which channels to add to those that are read.
        folder: where lines wait to be written, and where those without a place are kept.
        seeds_stay: whether the channels that were added are still to be read when this worker has ended.
        registry: where the worker's metrics are registered.

    Raises:
        StoreError: the tables are not there.
        SourceUrlError: the chat server's address makes no sense.
        TransportError: EventSub is to be read without what it needs.
        SpoolError: the folder cannot be used.
        WorkerNameTaken: another worker is called the same.
    """
    # What is wrong with the settings is said before anything is waited for. Which channels to read is followed.
    chat = open_source(settings.model_copy(update={"channels": ()}))
    async with (
        _connecting(store_settings) as session,
        Spool(folder / "spool", settings.spool_mebibytes << 20) as spool,
        chat as source,
    ):
        worker = _Worker(settings, session, spool, source, Quarantine(folder))
        if registry is not None:
            worker.pipeline.meter = IngestMetrics(registry, worker.pipeline.counts, spool, source)
        running = asyncio.create_task(worker.run())
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            spool.ending = True
            worker.leaving.set()
            await asyncio.wait({running}, timeout=settings.worker_handover + _DRAIN_SECONDS)
            raise
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            if not seeds_stay:
                await worker.unseed()


@contextlib.asynccontextmanager
async def _connecting(settings: StoreSettings) -> AsyncIterator[asyncio.Task[Session]]:
    """Give the session that will be there once Cassandra can be reached; close it in the end."""
    connecting = asyncio.create_task(connect(settings))
    try:
        yield connecting
    finally:
        connecting.cancel()
        await asyncio.wait([connecting])
        if not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().close()


class _Worker:
    """What one worker does side by side.

    Attributes:
        leaving: set when it is to hand over and end.
        pipeline: from the source's lines to acknowledged rows.
    """

    def __init__(
        self,
        settings: IngestSettings,
        session: asyncio.Task[Session],
        spool: Spool,
        source: ChatSource,
        quarantine: Quarantine,
    ) -> None:
        self.leaving = asyncio.Event()
        thresholds = Thresholds(hour=settings.hour_buckets_from, day=settings.day_buckets_from)
        self._volume = Volume(session, settings.worker, thresholds)
        self.pipeline = Pipeline(self._open_writer, quarantine, waiting=spool, written=self._volume.counted)
        self._settings = settings
        self._session = session
        self._spool = spool
        self._source = source
        self._remembered = RememberedChannels(spool.path)
        self._recorder = CoverageRecorder(source, settings.worker)
        self._rules_known = asyncio.Event()
        self._writer: Writer | None = None
        self._follower: Follower | None = None

    async def run(self) -> None:
        """Run until the source is stopped and all of it is written, or waits on disk."""
        server = self._settings.irc_url if self._settings.transport == "irc" else self._settings.eventsub_url
        log.info("ingest.reading", server=server, worker=self._settings.worker)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            beside = [
                group.create_task(self._recorder.run(self._opened(Coverage.open))),
                group.create_task(self._follow_retention()),
                group.create_task(self._remembered.keep(self._source, self.leaving)),
                group.create_task(self._volume.run()),
                group.create_task(self._erase()),
                group.create_task(self._report()),
                group.create_task(self._backfill()),
            ]
            await self.pipeline.run(self._source)
            for task in beside:
                task.cancel()
        with contextlib.suppress(StoreUnavailable):
            if self._session.done() and not self._session.cancelled():
                await self._recorder.finish(await Coverage.open(self._session.result()))

    async def unseed(self) -> None:
        """Have the channels that this worker added read no more."""
        with contextlib.suppress(StoreUnavailable):
            if self._follower is not None:
                await (await WantedChannels.open(self._session.result())).remove(self._follower.seeded)

    async def _follow(self) -> None:
        """Keep to the assignment; until Cassandra can be reached, read what was read the last time."""
        if not self._session.done():
            for login in self._remembered.logins() or self._settings.channels:
                self._source.join(login)
        opening = asyncio.create_task(self._opened(self._open_follower))
        leaving = asyncio.create_task(self.leaving.wait())
        try:
            await asyncio.wait({opening, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                self._follower = opening.result()
        finally:
            for task in (opening, leaving):
                task.cancel()
            await asyncio.wait({opening, leaving})
        if self._follower is not None:
            await self._follower.run()
        else:
            await self._source.stop()

    async def _open_follower(self, session: Session) -> Follower:
        said = await SaidOptouts.open(session)
        said.optouts.told = self._opted_out
        self.pipeline.optouts = said
        return await Follower.open(
            session,
            self._source,
            self._settings,
            figures=self._figures,
            obey=self._obey,
            optouts=said.optouts,
            leaving=self.leaving,
        )

    async def _backfill(self) -> None:
        """Fill gaps from a recent-messages service, if one is set."""
        if not self._settings.backfill_url:
            return
        # aiohttp takes a quarter of a second to load, which only those pay who ask such a service.
        from ingest.backfill import Backfill  # noqa: PLC0415
        from ingest.recent_messages import RecentMessages  # noqa: PLC0415

        async with RecentMessages(self._settings.backfill_url) as service:
            filling = Backfill(service, self._source, self._settings.worker, self.pipeline.take, self.pipeline.counts)
            await filling.run(self._opened(Coverage.open), self.leaving)

    def _figures(self) -> Figures:
        counts, spool = self.pipeline.counts, self._spool
        connections = int(self._source.figures["connections"])
        return Figures(counts.received, connections, spool.unsettled, spool.bytes, counts.lag_ms, spool.alarm)

    def _obey(self, rules: ChannelRules) -> None:
        self.pipeline.rules = rules
        self._rules_known.set()
        if self._writer is not None and self._writer.retention.channels != rules.seconds:
            self._writer.retention = replace(self._writer.retention, channels=rules.seconds)

    def _opted_out(self) -> None:
        """Take note that someone opted out or in."""
        if self._writer is not None:
            self._writer.forget_buckets()

    async def _erase(self) -> None:
        """Erase what is stored of those who opted out, if no other worker is at it."""
        await self._rules_known.wait()
        assert self.pipeline.optouts is not None
        session, erasing = self._session.result(), None
        while True:
            try:
                if erasing is None:
                    erasing = await Erasing.open(
                        session,
                        self.pipeline.optouts.optouts,
                        await erasers_of(session),
                        settled_seconds=self._settings.erase_after,
                    )
                await erasing.run()
            except StoreError as error:
                log.warning("erasing.broken_off", reason=str(error))
            except Exception:  # a fault of ours there must not end the reading of chat
                log.exception("erasing.failed")
            await asyncio.sleep(_ERASE_SECONDS)

    async def _open_writer(self) -> Writer:
        """Give the writer, once it is known what is to be kept, and whose is not: lines of before may wait."""
        writer = await self._opened(Writer.open)
        await self._rules_known.wait()
        writer.retention = replace(writer.retention, channels=self.pipeline.rules.seconds)
        self._writer = writer
        return writer

    async def _follow_retention(self) -> None:
        """Give new lines the retention that the tables have now."""
        while True:
            await asyncio.sleep(_RETENTION_SECONDS)
            if self._writer is None:
                continue
            with contextlib.suppress(StoreUnavailable):
                tables = await Retention.of_tables(self._session.result())
                self._writer.retention = replace(tables, channels=self._writer.retention.channels)

    async def _opened(self, opening: Callable[[Session], Awaitable[T]]) -> T:
        """Open something of the cluster, once it can be reached and can answer."""
        session = await asyncio.shield(self._session)  # it is everyone's: who is cancelled leaves it to the others
        return await patiently(lambda: opening(session))

    async def _report(self) -> None:
        """Now and then say how it goes."""
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            counts, channels = self.pipeline.counts, self._source.channels
            log.info(
                "ingest.progress",
                received=counts.received,
                written=counts.written,
                refused=counts.refused.total(),
                left_out=counts.left_out,
                waiting=self._spool.unsettled,
                channels_joined=sum(state.joined for state in channels),
                channels_failed=sum(bool(state.failure) for state in channels),
                connections=self._source.figures["connections"],
            )
