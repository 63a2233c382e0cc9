"""`logstv ingest`: one worker that reads channels into the store."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from ingest.settings import IngestSettings, channel_login
from ingest.worker import work
from logstv.errors import CommandError
from logstv.exporting import export_closed_days
from logstv.lifecycle import metrics_of, process_registry, run_until_stopped
from logstv.settings import NodeSettings, store_settings
from store.settings import StoreSettings

ChannelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--channel",
        "-c",
        help="A channel to add at the start to those that are read; may be given several times. "
        "Default: LOGSTV_CHANNELS.",
    ),
]


def ingest_settings(channels: list[str] | None, **more: object) -> IngestSettings:
    """Give the settings with the channels that were named on the command line.

    Raises:
        CommandError: one is no channel.
    """
    settings = IngestSettings()
    try:
        named = tuple(channel_login(name) for name in channels or ())
    except ValueError as error:
        raise CommandError(str(error)) from error
    return settings.model_copy(update={"channels": named or settings.channels, **more})


def ingest(channel: ChannelOption = None) -> None:
    """Read channels from the chat server into the store, until Ctrl-C.

    Several workers share the channels: `logstv channels` says which are read, `logstv workers` who reads them.
    """
    settings, registry = ingest_settings(channel), process_registry()
    with metrics_of(registry, settings.metrics_address):
        run_until_stopped(_ingest(store_settings(), settings, registry))


async def _ingest(store: StoreSettings, settings: IngestSettings, registry: CollectorRegistry) -> None:
    exporting = asyncio.create_task(export_closed_days(store, registry))
    try:
        await work(store, settings, NodeSettings().data_dir, registry=registry)
    finally:
        exporting.cancel()
        await asyncio.gather(exporting, return_exceptions=True)
