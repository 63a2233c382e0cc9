"""The ingest worker: reads the channels that are assigned to it from the chat server into the store.

Which channels those are is `ingest.follow`'s to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import structlog

from ingest.follow import Follower
from ingest.irc import IrcSource
from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.rules import ChannelRules
from ingest.settings import IngestSettings
from store.errors import StoreUnavailable
from store.retention import Retention
from store.session import Session
from store.settings import StoreSettings
from store.wanted import WantedChannels
from store.writer import Writer

log = structlog.get_logger(__name__)

_REPORT_SECONDS = 60.0
_RETENTION_SECONDS = 10.0
_CONNECT_PAUSE_SECONDS = 2.0
_DRAIN_SECONDS = 10.0


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
    *,
    seeds_stay: bool = True,
) -> None:
    """Read what is assigned to this worker until cancelled; then hand it over, write what was read, and end.

    Args:
        store_settings: where to write.
        settings: how to read, and which channels to add to those that are read.
        folder: where lines without a place are kept.
        seeds_stay: whether the channels that were added are still to be read when this worker has ended.

    Raises:
        StoreError: the tables are not there.
        SourceUrlError: the chat server's address makes no sense.
        WorkerNameTaken: another worker is called the same.
    """
    # What is wrong with the address is said before anything is waited for. Which channels to read is followed.
    irc = IrcSource(settings.model_copy(update={"channels": ()}))
    session = await connect(store_settings)
    try:
        writer = await Writer.open(session)
        pipeline = Pipeline(writer, Quarantine(folder))

        def obey(rules: ChannelRules) -> None:
            pipeline.rules = rules
            writer.retention = replace(writer.retention, channels=rules.seconds)

        async with irc as source:
            follower = await Follower.open(session, source, settings, lines=lambda: pipeline.counts.received, obey=obey)
            log.info("ingest.reading", server=settings.irc_url, worker=settings.worker)
            reading = asyncio.create_task(_read(source, pipeline, follower, writer, session))
            try:
                await asyncio.shield(reading)
            except asyncio.CancelledError:
                follower.leave()
                await asyncio.wait({reading}, timeout=settings.worker_handover + _DRAIN_SECONDS)
                raise
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                if not seeds_stay:
                    await _remove(session, follower.seeded)
    finally:
        await session.close()


async def _read(source: IrcSource, pipeline: Pipeline, follower: Follower, writer: Writer, session: Session) -> None:
    """Run what one worker does side by side, until its source is stopped and all of it is written."""
    async with asyncio.TaskGroup() as group:
        group.create_task(follower.run())
        beside = [
            group.create_task(_follow_retention(writer, session)),
            group.create_task(_report(source, pipeline)),
            # One that records in which intervals each of source.channels was joined (coverage) has its place here.
        ]
        await pipeline.run(source)
        for task in beside:
            task.cancel()


async def _follow_retention(writer: Writer, session: Session) -> None:
    """Give new lines the retention that the tables have now."""
    while True:
        await asyncio.sleep(_RETENTION_SECONDS)
        with contextlib.suppress(StoreUnavailable):
            tables = await Retention.of_tables(session)
            writer.retention = replace(tables, channels=writer.retention.channels)


async def _report(source: IrcSource, pipeline: Pipeline) -> None:
    """Now and then say how it goes."""
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        counts = pipeline.counts
        log.info(
            "ingest.progress",
            received=counts.received,
            written=counts.written,
            refused=counts.refused.total(),
            left_out=counts.left_out,
            channels_joined=sum(state.joined for state in source.channels),
            channels_failed=sum(bool(state.failure) for state in source.channels),
            connections=source.counts.connections,
        )


async def _remove(session: Session, names: list[str]) -> None:
    with contextlib.suppress(StoreUnavailable):
        await (await WantedChannels.open(session)).remove(names)
