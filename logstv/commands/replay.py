"""`logstv replay`: reads raw IRC lines from files into the store."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingest.pipeline import IngestCounts, Pipeline
from ingest.quarantine import Quarantine
from ingest.replay import Replay, total_bytes
from ingest.said_optouts import SaidOptouts
from logstv.commands.up import cluster
from logstv.lifecycle import run_to_the_end
from logstv.progress import bytes_read
from logstv.settings import NodeSettings
from store.errors import StoreError
from store.optouts import Optouts
from store.retention import parse_duration
from store.session import Session
from store.settings import StoreSettings
from store.wanted import WantedChannels
from store.writer import Writer

_FOLLOW_SECONDS = 2.0


def replay(
    files: Annotated[list[Path], typer.Argument(help="Raw IRC lines, one a line; plain or gzip.")],
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times so that the newest line is said now.")
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Lines a second; default: as fast as it goes.")] = None,
    retention: Annotated[
        str | None,
        typer.Option(
            help="How long to keep these lines, as in 30d; 0 is for ever. Default: what is said of their channels."
        ),
    ] = None,
) -> None:
    """Write the chat lines of files into the store; doing so again changes nothing."""
    size = total_bytes(files)
    own = None if retention is None else parse_duration(retention)
    console = Console(stderr=True)
    with cluster(with_tables=True) as settings, bytes_read("Replaying", size) as bar:
        source = Replay(files, shift_to_now=shift_to_now, rate=rate, progress=bar.advance)
        counts = IngestCounts()
        code = run_to_the_end(_replay(settings, source, own, counts))
    _tell(console, source, counts)
    raise typer.Exit(code)


async def _replay(settings: StoreSettings, source: Replay, own: int | None, counts: IngestCounts) -> None:
    session = await Session.open(settings)

    async def opened() -> Writer:
        kept = await (await WantedChannels.open(session)).retention()
        writer = await Writer.open(session, replace(kept, own=own))
        said.optouts.told = writer.forget_buckets
        return writer

    try:
        said = await SaidOptouts.open(session)
        pipeline = Pipeline(opened, Quarantine(NodeSettings().data_dir), counts)
        pipeline.optouts = said
        await said.optouts.refresh()
        following = asyncio.create_task(_follow(said.optouts))
        try:
            await pipeline.run(source)
        finally:
            following.cancel()
    finally:
        await session.close()


async def _follow(optouts: Optouts) -> None:
    """Keep up with who opts out: files can take hours."""
    while True:
        await asyncio.sleep(_FOLLOW_SECONDS)
        with contextlib.suppress(StoreError):
            await optouts.refresh()


def _tell(console: Console, source: Replay, counts: IngestCounts) -> None:
    console.print(f"{counts.written:,} lines written.", highlight=False)
    if source.ignored:
        console.print(f"{source.ignored:,} lines that are no chat were left out.", highlight=False)
    for reason, count in counts.refused.most_common():
        console.print(f"{count:,} lines have no place: {reason}.", highlight=False)
    if any("older than the retention" in reason for reason in counts.refused):
        console.print("Keep old lines with --retention 0 (for ever), or move them with --shift-to-now.")
