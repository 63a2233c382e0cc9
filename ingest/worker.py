"""The ingest worker: reads channels from the chat server into the store, and says which it reads."""

from __future__ import annotations

import asyncio
import contextlib
import math
from pathlib import Path

import structlog

from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.settings import IngestSettings
from ingest.transport import ChatSource, open_source
from store.directory import Directory
from store.errors import StoreUnavailable
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
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

    Args:
        store_settings: where to write.
        settings: what to read.
        folder: where lines without a place are kept.

    Raises:
        StoreError: the tables are not there.
        SourceUrlError: the chat server's address makes no sense.
        TransportError: EventSub is to be read without what it needs.
    """
    chat = open_source(settings)  # what is wrong with the settings is said before anything is waited for
    session = await connect(store_settings)
    try:
        writer = await Writer.open(session)
        directory = await Directory.open(session)
        pipeline = Pipeline(writer, Quarantine(folder))
        async with chat as source:
            server = settings.irc_url if settings.transport == "irc" else settings.eventsub_url
            log.info("ingest.reading", server=server, channels=len(settings.channels), worker=settings.worker)
            async with asyncio.TaskGroup() as group:
                group.create_task(_say_reading(source, directory, settings.worker))
                group.create_task(_follow_retention(writer, directory))
                group.create_task(_report(source, pipeline))
                await pipeline.run(source)
    finally:
        await session.close()


async def _say_reading(source: ChatSource, directory: Directory, worker: str) -> None:
    """Say of each channel that it is read, at once when it is joined and again before that expires."""
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


async def _follow_retention(writer: Writer, directory: Directory) -> None:
    """Give new lines the retention that the tables have now."""
    while True:
        await asyncio.sleep(_RETENTION_SECONDS)
        with contextlib.suppress(StoreUnavailable):
            writer.retention = await Retention.of_tables(directory.session)


async def _report(source: ChatSource, pipeline: Pipeline) -> None:
    """Now and then say how it goes."""
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        counts = pipeline.counts
        log.info(
            "ingest.progress",
            received=counts.received,
            written=counts.written,
            refused=counts.refused.total(),
            channels_joined=sum(state.joined for state in source.channels),
            channels_failed=sum(bool(state.failure) for state in source.channels),
            connections=source.counts.connections,
        )
