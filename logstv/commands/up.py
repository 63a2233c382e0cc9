"""`logstv up`: node, schema, ingest and API in one process, with a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from app.settings import AppSettings
from ingest.demo import DemoChat, DemoChatServer
from ingest.settings import IngestSettings
from ingest.worker import work
from logstv.commands.demo_chat import DEMO_CHANNELS
from logstv.commands.ingest import ChannelOption, ingest_settings
from logstv.exporting import export_closed_days
from logstv.lifecycle import process_registry, run_until_stopped
from logstv.node import LocalNode
from logstv.settings import NodeSettings, store_settings
from store import schema
from store.settings import StoreSettings


@contextlib.contextmanager
def cluster(*, with_tables: bool = False) -> Iterator[StoreSettings]:
    """Give the cluster that is set, or the local node, started if it does not run.

    Args:
        with_tables: make what is missing of the tables also in a cluster that is set. Without it a mistyped keyspace is
            not made by a look at it. Those of the local node are made in any case.
    """
    settings = store_settings()
    node = None if settings.contact_points else LocalNode(NodeSettings())
    try:
        if node is not None:
            node.start()
            # One that ran already may listen elsewhere than our settings say.
            status = node.status()
            settings = settings.model_copy(update={"contact_points": (status.address,), "cql_port": status.cql_port})
        if with_tables or node is not None:
            schema.apply(settings)
        yield settings
    finally:
        if node is not None:
            node.leave(wait=True)


def up(
    channel: ChannelOption = None,
    demo: Annotated[bool, typer.Option("--demo", help="Read a built-in, made-up chat instead of Twitch.")] = False,
    rate: Annotated[float, typer.Option(min=0.01, help="With --demo: lines a second in each channel.")] = 5.0,
) -> None:
    """Run node, ingest and API in one process, until Ctrl-C; no node where LOGSTV_CONTACT_POINTS names a cluster."""
    settings = ingest_settings(channel)
    if demo and not settings.channels:
        settings = settings.model_copy(update={"channels": DEMO_CHANNELS})
    with cluster(with_tables=True) as store_settings:
        run_until_stopped(_up(store_settings, settings, AppSettings(), rate if demo else None))


async def _up(store: StoreSettings, ingest: IngestSettings, api: AppSettings, demo_rate: float | None) -> None:
    from app.server import serve  # noqa: PLC0415 - FastAPI takes half of the time in which any command starts

    async with contextlib.AsyncExitStack() as stack:
        if demo_rate is not None:
            chat = DemoChat(channels=ingest.channels, rate=demo_rate)
            server = await stack.enter_async_context(DemoChatServer(chat))
            ingest = ingest.model_copy(update={"irc_url": f"irc://127.0.0.1:{server.port}", "transport": "irc"})
        registry = process_registry()
        async with asyncio.TaskGroup() as group:
            started = functools.partial(_say_where_to_look, api, ingest)
            group.create_task(serve(store, api, started=started, registry=registry))
            group.create_task(export_closed_days(store, registry))
            # What was made up is not asked of Twitch the next time.
            seeds_stay = demo_rate is None
            group.create_task(work(store, ingest, NodeSettings().data_dir, seeds_stay=seeds_stay, registry=registry))


def _say_where_to_look(api: AppSettings, ingest: IngestSettings) -> None:
    root = f"http://{api.host}:{api.port}"
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"\nlogstv is up: {root}  (Ctrl-C stops it)")
    for login in ingest.channels[:3]:
        console.print(f"  read {login}:  {root}/?channel={login}")
    for login in ingest.channels[:1]:
        console.print(f"  the log of {login}:  {root}/v1/channels/{login}/messages?limit=10")
    if not ingest.channels:
        console.print("  add a channel to read:  logstv channels add NAME")
    if ingest.irc_url.startswith("irc://127.0.0.1"):
        where = ingest.irc_url.removeprefix("irc://")
        console.print(f"  say something:  printf 'NICK you\\r\\nPRIVMSG #{ingest.channels[0]} :hello\\r\\n' | nc -q1 "
                      f"{where.replace(':', ' ')}")  # fmt: skip
    console.print(f"  what it can be asked:  {root}/docs\n")
