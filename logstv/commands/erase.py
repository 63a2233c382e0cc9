"""`logstv erase`: erases at once what workers erase by themselves."""

from __future__ import annotations

import asyncio
import time

import typer
from rich.console import Console

from logstv.commands.up import cluster
from logstv.errors import CommandError
from logstv.lifecycle import set_up_logging
from store.erasers import erasers_of
from store.erasing import SETTLED_SECONDS, Erasing
from store.optouts import Optout, Optouts
from store.session import Session
from store.settings import StoreSettings

app = typer.Typer(
    help="The erasure of what is stored of those who opted out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """Keep `run` a word of its own: typer takes a group's only command for the group."""


@app.command(epilog="Example: logstv erase run")
def run() -> None:
    """Erase what is stored of those who opted out, now; broken off, it goes on where it was when it is run again."""
    set_up_logging()
    with cluster() as settings:
        left = asyncio.run(_run(settings))
    if left:
        raise CommandError(
            f"{len(left)} could not be erased whole, since they have lines that claim to be from the future: "
            "run it again when that is over"
        )


async def _run(settings: StoreSettings) -> list[Optout]:
    """Erase what is due, and give those of whom something is left.

    Raises:
        CommandError: another process is at it.
    """
    session = await Session.open(settings)
    try:
        optouts = await Optouts.open(session)
        await optouts.refresh()
        wanted = [row for row in optouts.rows if not row.is_erased]
        newest_ms = max((row.since_ms for row in wanted), default=0)
        # Workers may have lines of who opted out a moment ago in hand.
        await asyncio.sleep(max(newest_ms / 1000 + SETTLED_SECONDS + 0.1 - time.time(), 0))
        with Console(stderr=True).status(f"Erasing what is stored of {len(wanted)} ..."):
            erased = await (await Erasing.open(session, optouts, await erasers_of(session))).run()
        if erased is None:
            raise CommandError("a worker is erasing right now: `logstv optout list` shows how far it is")
        for row in erased:
            typer.echo(f"Erased: the {row.kind} id:{row.id}.")
        if not wanted:
            typer.echo("There is nothing to erase: `logstv optout list` shows who has opted out.")
        return [row for row in optouts.rows if not row.is_erased and row.id in {each.id for each in wanted}]
    finally:
        await session.close()
