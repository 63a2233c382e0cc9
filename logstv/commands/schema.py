"""`logstv schema`: brings the tables into line with the CQL files, and shows where they differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from logstv.lifecycle import set_up_logging
from store import schema
from store.errors import StoreError
from store.schema import Change
from store.settings import StoreSettings

app = typer.Typer(help="The tables, and the CQL files that say how they are tuned.", no_args_is_help=True,
                  rich_markup_mode=None)  # fmt: skip

_DIFFERENT = 1
_TROUBLE = 2  # as diff(1) has it


@app.command(epilog="Example: edit schema/channel_messages.cql, then: logstv schema apply")
def apply(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another who applies the schema.")] = 120,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the CQL that would be carried out.")] = False,
) -> None:
    """Create what is missing and bring the options of the tables into line with the files.

    Keys, types and columns that hold lines are never touched: a file that asks for that is refused, and then nothing
    is changed. An option that a file does not name is left as it is.
    """
    set_up_logging()
    settings = StoreSettings()
    if dry_run:
        for change in schema.allowed(schema.diff(settings)):
            typer.echo(f"-- {change.what}{_consequence(change)}" + (f"\n{change.cql};" if change.cql else ""))
        return
    if not schema.apply(settings, wait, on_change=lambda change: typer.echo(f"settled: {change.what}")):
        typer.echo("Nothing to do: the tables are as the files say.")


@app.command(epilog="Example: logstv schema diff --json")
def diff(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False) -> None:
    """Show where the tables differ from the files; exit with 1 if they do, with 2 if that cannot be told.

    Only what a file names is compared: its columns, its key and its options.
    """
    set_up_logging()
    try:
        changes = schema.diff(StoreSettings())
    except StoreError as error:
        typer.echo(f"logstv: {error}", err=True)
        raise typer.Exit(_TROUBLE) from error
    if as_json:
        typer.echo(orjson.dumps([asdict(change) for change in changes]).decode())
    else:
        for change in changes:
            typer.echo(f"{change.what}{_consequence(change)}")
        if not changes:
            typer.echo("The tables are as the files say.")
    if changes:
        raise typer.Exit(_DIFFERENT)


def _consequence(change: Change) -> str:
    if change.refused:
        return " (the schema is not applied while this stands)"
    return "" if change.cql else " (left alone)"
