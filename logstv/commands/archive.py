"""`logstv archive`: exports closed days to the archive, and looks after what is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import orjson
import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from ingest.settings import IngestSettings
from logstv.commands.up import cluster
from logstv.errors import CommandError
from logstv.exporting import ArchiveMetrics
from logstv.lifecycle import metrics_of, process_registry, run_to_the_end, run_until_stopped, set_up_logging
from logstv.progress import counted
from store.archive import upkeep
from store.archive.archive import Archive, Standing
from store.archive.restoring import Restorer
from store.archive.upkeep import Finding
from store.settings import StoreSettings

app = typer.Typer(help="Closed days, kept as gzip files for as long as you like.", no_args_is_help=True,
                  rich_markup_mode=None)  # fmt: skip

ChannelId = Annotated[int | None, typer.Option("--channel-id", min=1, help="Only this channel, by Twitch's number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]


@app.command(epilog="Example: LOGSTV_ARCHIVE_URL=s3://logs/chat logstv archive run --once")
def run(once: Annotated[bool, typer.Option("--once", help="Export what is closed now, and end.")] = False) -> None:
    """Export days that are closed, until Ctrl-C; several may run, each day is exported by one.

    A day is closed some hours after its end (LOGSTV_ARCHIVE_GRACE_HOURS). Days to which lines came later are exported
    once more. Days that the archive keeps no longer (LOGSTV_ARCHIVE_DAYS, or what is said of a channel) are removed. A
    day that cannot be exported is named, holds up no other, and is tried again; with --once, exit 1 then.
    """
    failed: list[str] = []
    if once:
        with cluster() as settings:
            code = run_to_the_end(_run(settings, failed))
        if code:
            raise typer.Exit(code)
    else:
        registry = process_registry()
        with metrics_of(registry, IngestSettings().metrics_address), cluster() as settings:
            run_until_stopped(_follow(settings, registry))
    if failed:
        raise CommandError("; ".join(failed))


@app.command(epilog="Example: logstv archive verify")
def verify(
    channel_id: ChannelId = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Have what is wrong exported once more, as far as Cassandra still has it.")
    ] = False,
) -> None:
    """Read every byte of the archive against its checksums; name what is damaged, missing or not recorded, and exit 1.

    Damaged days are never given as chat: whoever asks for them is told.
    """

    async def walk(archive: Archive) -> AsyncIterator[Finding]:
        async for found in upkeep.verify(archive.files, archive.index, archive.exporter, channel_id):
            if mend and found.problem is not None:
                await archive.index.note(found.place)
            yield found

    _go_through(walk, "sound")


@app.command(epilog="Example: logstv archive reindex")
def reindex(channel_id: ChannelId = None) -> None:
    """Make what Cassandra knows of the archive again from the files alone; on empty tables, all routes answer again.

    Names and channels are learnt from the lines, and lines that Cassandra should still have and has not are written to
    it. Files that justlog wrote are taken in: copy its tree into the archive, then do this. What files have of those
    who opted out is taken out of them.
    """

    async def walk(archive: Archive) -> AsyncIterator[Finding]:
        restorer = await Restorer.open(archive)
        async for found in upkeep.reindex(archive.files, archive.index, archive.exporter, channel_id, restorer):
            yield found

    _go_through(walk, "recorded")


@app.command(epilog="Example: logstv archive show --json")
def show(as_json: AsJson = False) -> None:
    """Show which days of each channel are in the archive, and which wait to be exported."""
    set_up_logging()
    with cluster() as settings:
        found = asyncio.run(_standing(settings))
    if as_json:
        typer.echo(orjson.dumps([_record(each) for each in found]).decode())
    elif found:
        Console(soft_wrap=True, markup=False, highlight=False).print(_table(found))
    else:
        typer.echo("There is no channel yet.")


@contextlib.asynccontextmanager
async def opened(settings: StoreSettings) -> AsyncIterator[Archive]:
    """Give the archive that is set, for as long as the block runs.

    Raises:
        CommandError: none is set.
    """
    if not settings.archive_url:
        raise CommandError("no archive is set: name one with LOGSTV_ARCHIVE_URL, as in file:///var/lib/logstv/archive")
    async with Archive.opened(settings) as archive:
        yield archive


async def _follow(settings: StoreSettings, registry: CollectorRegistry) -> None:
    async with opened(settings) as archive:
        ArchiveMetrics(registry, archive)
        await archive.follow(settings.archive_every_minutes * 60)


async def _run(settings: StoreSettings, failed: list[str]) -> None:
    async with opened(settings) as archive:
        due = (await archive.look()).due
        with counted("Exporting days", due) as bar:
            outcome = await archive.run(lambda _: bar.advance(1))
        await archive.forget_old()
        failed += [f"{place}: {reason}" for place, reason in outcome.failed.items()]
        typer.echo(f"{outcome.days:,} days with {outcome.lines:,} lines were exported.")


def _go_through(walk: Callable[[Archive], AsyncIterator[Finding]], sound: str) -> None:
    """Print what is wrong with each day that a walk gives, and how many are as they should be."""
    set_up_logging()

    async def go() -> tuple[int, int, int]:
        good = bad = lines = 0
        async with opened(settings) as archive:
            async for found in walk(archive):
                bar.advance(1)
                if found.problem is None:
                    good, lines = good + 1, lines + found.lines
                else:
                    bad += 1
                    typer.echo(f"{found.place}: {found.problem}")
        return good, bad, lines

    with cluster() as settings, counted("Reading days") as bar:
        good, bad, lines = asyncio.run(go())
    typer.echo(f"{good:,} days with {lines:,} lines are {sound}" + (f", {bad:,} are not." if bad else "."))
    if bad:
        raise typer.Exit(1)


async def _standing(settings: StoreSettings) -> list[Standing]:
    async with opened(settings) as archive:
        return await archive.standing()


def _record(each: Standing) -> dict[str, object]:
    return {
        "id": str(each.channel_id),
        "login": each.login,
        "days": each.days,
        "lines": each.lines,
        "bytes": each.bytes,
        "first": each.first and str(each.first.date),
        "last": each.last and str(each.last.date),
        "due": [str(place.date) for place in each.due],
    }


def _table(found: list[Standing]) -> Table:
    table = Table("channel", "days", "from", "to", "lines", "MiB", "to be exported", box=None, header_style="")
    for each in found:
        table.add_row(
            each.login or f"id:{each.channel_id}",
            str(each.days),
            str(each.first.date) if each.first else "",
            str(each.last.date) if each.last else "",
            f"{each.lines:,}",
            f"{each.bytes / (1 << 20):,.1f}",
            f"{len(each.due)} from {each.due[0].date}" if each.due else "",
        )
    return table
