"""`logstv schema`: brings the tables into line with the CQL files, and shows where they differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from store import schema
from store.schema import Change
from store.settings import StoreSettings

app = typer.Typer(help="The tables, and the CQL files that say how they are tuned.", no_args_is_help=True,
                  rich_markup_mode=None)  # fmt: skip


@app.command(epilog="Example: edit schema/channel_messages.cql, then: logstv schema apply")
def apply(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another who applies the schema.")] = 120,
) -> None:
    """Create what is missing and bring the options of the tables into line with the files.

    Keys, types and columns that hold lines are never touched: a file that asks for that is refused.
    """
    changes = schema.apply(StoreSettings(), wait)
    for change in changes:
        typer.echo(f"done: {change.what}")
    if not changes:
        typer.echo("Nothing to do: the tables are as the files say.")


@app.command(epilog="Example: logstv schema diff --json")
def diff(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False) -> None:
    """Show where the tables differ from the files; exit with 1 if they do."""
    changes = schema.diff(StoreSettings())
    if as_json:
        typer.echo(orjson.dumps([asdict(change) for change in changes]).decode())
    else:
        for change in changes:
            typer.echo(f"{change.what}{_consequence(change)}")
        if not changes:
            typer.echo("The tables are as the files say.")
    if changes:
        raise typer.Exit(1)


def _consequence(change: Change) -> str:
    if change.refused:
        return " (the schema is not applied while this stands)"
    return "" if change.cql else " (left alone)"
