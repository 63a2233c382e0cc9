"""`logstv optout`: who has opted out, and who opts in again."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from logstv.commands.up import cluster
from logstv.errors import CommandError
from logstv.lifecycle import set_up_logging
from store.optouts import Kind, Optout, Optouts, Way
from store.session import Session

app = typer.Typer(
    help="Users and channels that are neither logged nor shown; all follow a change within seconds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Names = Annotated[list[str], typer.Argument(help="Logins, or id: and Twitch's number, as in id:501.")]
OfChannels = Annotated[bool, typer.Option("--channel", help="They are channels, not users.")]
_Result = TypeVar("_Result")


@app.command(epilog="Example: logstv optout add ada_lift id:502; logstv optout add --channel moonbase")
def add(names: Names, channel: OfChannels = False) -> None:
    """Opt users out, or channels: they are not shown any more, not logged, and what is stored is erased by a worker.

    `logstv erase run` erases at once, also where no worker runs.
    """
    kind = Kind.CHANNEL if channel else Kind.USER

    async def change(optouts: Optouts) -> list[Optout]:
        return await optouts.add(kind, await optouts.ids(kind, names), Way.ADMIN)

    typer.echo(f"Opted out: {_shown(_ask(change))}.")


@app.command(epilog="Example: logstv optout remove ada_lift")
def remove(names: Names, channel: OfChannels = False) -> None:
    """Opt users in again, or channels: lines are kept from now on; what was said before stays away."""
    kind = Kind.CHANNEL if channel else Kind.USER

    async def change(optouts: Optouts) -> list[Optout]:
        gone = await optouts.remove(kind, await optouts.ids(kind, names))
        if not gone:
            raise CommandError(f"none of these {kind}s has opted out: `logstv optout list` shows who has")
        return gone

    typer.echo(f"Opted in again: {_shown(_ask(change))}.")


@app.command("list", epilog="Example: logstv optout list --json")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False) -> None:
    """Show who has opted out, also those who opted in again, and whether what was stored is erased."""

    async def read(optouts: Optouts) -> tuple[Optout, ...]:
        await optouts.refresh()
        return optouts.rows

    rows = _ask(read)
    if as_json:
        typer.echo(orjson.dumps([_record(row) for row in rows]).decode())
    elif rows:
        Console(soft_wrap=True, markup=False, highlight=False).print(_table(rows))
    else:
        typer.echo("Nobody has opted out.")


def _ask(question: Callable[[Optouts], Awaitable[_Result]]) -> _Result:
    async def ask() -> _Result:
        session = await Session.open(settings)
        try:
            return await question(await Optouts.open(session))
        finally:
            await session.close()

    set_up_logging()
    with cluster() as settings:
        return asyncio.run(ask())


def _shown(rows: list[Optout]) -> str:
    return ", ".join(f"the {row.kind} id:{row.id}" + _known_as(row) for row in rows)


def _known_as(row: Optout) -> str:
    return f" ({', '.join(sorted(row.logins))})" if row.logins else ""


def _record(row: Optout) -> dict[str, object]:
    return {
        "kind": row.kind.value,
        "id": str(row.id),
        "logins": sorted(row.logins),
        "since": _time(row.since_ms),
        "until": None if row.until_ms is None else _time(row.until_ms),
        "way": row.way.value,
        "erased": row.is_erased,
    }


def _table(rows: tuple[Optout, ...]) -> Table:
    table = Table("kind", "id", "logins", "out since", "until", "by", "erased", box=None, header_style="")
    for row in rows:
        table.add_row(
            row.kind.value,
            str(row.id),
            ", ".join(sorted(row.logins)),
            _time(row.since_ms),
            "" if row.until_ms is None else _time(row.until_ms),
            row.way.value,
            "yes" if row.is_erased else "not yet",
        )
    return table


def _time(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
