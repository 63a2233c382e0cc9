"""The ingest worker: reads channels from the chat server into the store, and says which it reads."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import structlog

from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.transport import ChatSource, open_source
from ingest.volume import Volume
from store.directory import Directory
from store.errors import StoreUnavailable
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
from store.widths import Thresholds
from store.writer import Writer

log = structlog.get_logger(__name__)

_SAY_SECONDS = 10.0
_REPORT_SECONDS = 60.0
_RETENTION_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_CONNECT_PAUSE_SECONDS = 2.0


async def connect(settings: StoreSettings) -> Session:
    """Connect to the cluster; while it cannot be reached, say so and try again.

    Raises:
        SettingsError: a setting makes no sense.
    """
    while True:
        try:
            return await Session.open(settings)
        except StoreUnavailable as error:
            log.warning("store.unavailable", reason=str(error), again_in_seconds=_CONNECT_PAUSE_SECONDS)
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)


async def work(
    store_settings: StoreSettings,
    settings: IngestSettings,
    folder: Path,
) -> None:
    """Read the channels until cancelled; then write what was read, and end.

    Lines are read, and wait on disk, also while Cassandra cannot be reached.

    Args:
        store_settings: where to write.
        settings: what to read.
        folder: where lines wait to be written, and where those without a place are kept.

    Raises:
        StoreError: the tables are not there.
        SourceUrlError: the chat server's address makes no sense.
        TransportError: EventSub is to be read without what it needs.
        SpoolError: the folder cannot be used.
    """
    chat = open_source(settings)  # what is wrong with the settings is said before anything is waited for
    async with _sessions(store_settings) as session, Spool(folder / "spool", settings.spool_mebibytes << 20) as spool:

        async def open_writer() -> Writer:
            writer = await Writer.open(await session)
            group.create_task(_follow_retention(writer, await session))
            return writer

        thresholds = Thresholds(hour=settings.hour_buckets_from, day=settings.day_buckets_from)
        volume = Volume(session, settings.worker, thresholds)
        pipeline = Pipeline(open_writer, Quarantine(folder), waiting=spool, written=volume.counted)
        async with chat as source, asyncio.TaskGroup() as group:
            server = settings.irc_url if settings.transport == "irc" else settings.eventsub_url
            log.info("ingest.reading", server=server, channels=len(settings.channels), worker=settings.worker)
            group.create_task(_say_reading(source, session, settings.worker))
            group.create_task(volume.run())
            group.create_task(_report(source, pipeline, spool))
            await pipeline.run(source)


@contextlib.asynccontextmanager
async def _sessions(settings: StoreSettings) -> AsyncIterator[asyncio.Task[Session]]:
    """Give the session that will be there once Cassandra can be reached; close it in the end."""
    connecting = asyncio.create_task(connect(settings))
    try:
        yield connecting
    finally:
        connecting.cancel()
        await asyncio.wait([connecting])
        if not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().close()


async def _say_reading(source: ChatSource, session: Awaitable[Session], worker: str) -> None:
    """Say of each channel that it is read, at once when it is joined and again before that expires."""
    directory = await Directory.open(await session)
    clock = asyncio.get_running_loop().time
    said: dict[int, float] = {}
    while True:
        for state in source.channels:
            channel_id = state.channel_id
            if not state.joined or channel_id is None or clock() - said.get(channel_id, -math.inf) < _SAY_SECONDS:
                continue
            with contextlib.suppress(StoreUnavailable):
                await directory.say_reading(channel_id, worker)
                said[channel_id] = clock()
        await asyncio.sleep(_LOOK_SECONDS)


async def _follow_retention(writer: Writer, session: Session) -> None:
    """Give new lines the retention that the tables have now."""
    while True:
        await asyncio.sleep(_RETENTION_SECONDS)
        with contextlib.suppress(StoreUnavailable):
            writer.retention = await Retention.of_tables(session)


async def _report(source: ChatSource, pipeline: Pipeline, spool: Spool) -> None:
    """Now and then say how it goes."""
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        counts = pipeline.counts
        log.info(
            "ingest.progress",
            received=counts.received,
            written=counts.written,
            refused=counts.refused.total(),
            waiting=spool.unsettled,
            channels_joined=sum(state.joined for state in source.channels),
            channels_failed=sum(bool(state.failure) for state in source.channels),
            connections=source.counts.connections,
        )
