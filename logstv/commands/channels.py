"""`logstv channels`: which channels are read, and what is kept of each for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from logstv.commands.up import cluster
from logstv.errors import CommandError
from logstv.lifecycle import set_up_logging
from store.message import STORED_TYPES
from store.session import Session
from store.wanted import AS_IS, AsIs, Standing, WantedChannel, WantedChannels, channel_name, rules_of

app = typer.Typer(
    help="The channels that are read; all workers follow a change within seconds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Names = Annotated[list[str], typer.Argument(help="Logins, or id: and Twitch's number, as in id:71092938.")]
_Result = TypeVar("_Result")


@app.command(epilog="Example: logstv channels add moonbase demo --retention-days 30 --without clearchat,clearmsg")
def add(
    names: Names,
    retention_days: Annotated[
        str | None,
        typer.Option(help="Days to keep new lines for; 0 is for ever, `table` is as long as the tables say."),
    ] = None,
    archive_days: Annotated[
        str | None,
        typer.Option(help="Days for which the archive keeps a day; 0 is for ever, `setting` is as the setting says."),
    ] = None,
    types: Annotated[
        str | None, typer.Option(help="The only types of message to keep, as in privmsg,usernotice; or `all`.")
    ] = None,
    without: Annotated[str | None, typer.Option(help="The types not to keep, as in clearchat,clearmsg.")] = None,
) -> None:
    """Have channels read; for one that is read already, change what is kept of it.

    What is not said stays as it is: at first all types, for as long as the tables say.
    """
    rules = rules_of(
        _days(retention_days, "--retention-days", "table"),
        _types(types),
        _types(without),
        _days(archive_days, "--archive-days", "setting"),
    )
    plain = [channel_name(name) for name in names]
    added = _ask(lambda wanted: wanted.add(plain, rules))
    typer.echo(f"To be read: {', '.join(channel.name for channel in added)}.")


@app.command(epilog="Example: logstv channels remove moonbase")
def remove(names: Names) -> None:
    """Have channels read no more; what was logged stays, for as long as was said of the channel.

    Added again, it has what was said of it, but for what is said anew. A channel that LOGSTV_CHANNELS or --channel
    names is added again when that worker starts the next time.
    """
    plain = [channel_name(name) for name in names]
    gone = _ask(lambda wanted: _remove(wanted, plain))
    typer.echo(f"No longer read: {', '.join(gone)}.")


@app.command("list", epilog="Example: logstv channels list --json")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False) -> None:
    """Show the channels that are to be read, what is kept of them, and who reads them."""
    channels = _ask(lambda wanted: wanted.standing())
    if as_json:
        typer.echo(orjson.dumps([_record(each) for each in channels]).decode())
    elif channels:
        Console(soft_wrap=True, markup=False, highlight=False).print(_table(channels))
    else:
        typer.echo("No channel is to be read: add some with `logstv channels add NAME`.")


async def _remove(wanted: WantedChannels, names: list[str]) -> list[str]:
    gone: list[str] = []
    for name in names:
        removed = await wanted.remove([name])
        if not removed:
            before = f"; {', '.join(gone)} removed" if gone else ""
            raise CommandError(f"{name!r} is not to be read anyway: `logstv channels list` shows what is{before}")
        gone += [channel.name for channel in removed]
    return gone


def _ask(question: Callable[[WantedChannels], Awaitable[_Result]]) -> _Result:
    async def ask() -> _Result:
        session = await Session.open(settings)
        try:
            return await question(await WantedChannels.open(session))
        finally:
            await session.close()

    set_up_logging()
    with cluster() as settings:
        return asyncio.run(ask())


def _days(text: str | None, option: str, default: str) -> int | AsIs | None:
    if text is None:
        return AS_IS
    if text == default:
        return None
    if not text.isdecimal():
        raise CommandError(f"{option} {text} is no number of days: write one, 0 for ever, or `{default}`")
    return int(text)


def _types(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return list(STORED_TYPES) if text == "all" else [name for name in text.split(",") if name]


def _record(each: Standing) -> dict[str, object]:
    channel = each.channel
    return {
        "name": channel.name,
        "id": None if channel.channel_id is None else str(channel.channel_id),
        "login": each.login,
        "retentionDays": channel.retention_days,
        "without": sorted(kind.name.lower() for kind in channel.without),
        "archiveDays": channel.archive_days,
        "readers": list(each.readers),
    }


def _table(channels: list[Standing]) -> Table:
    table = Table("channel", "id", "kept for", "without", "read by", box=None, header_style="")
    for each in channels:
        table.add_row(
            each.login or each.channel.name,
            str(each.channel.channel_id or "not known yet"),
            _kept(each.channel),
            ", ".join(sorted(kind.name.lower() for kind in each.channel.without)),
            ", ".join(each.readers) or "nobody",
        )
    return table


def _kept(channel: WantedChannel) -> str:
    """Say how long a channel's lines are kept, and how long its days are where that was said of it."""
    days = channel.retention_days
    kept = "as the tables say" if days is None else _days_or_ever(days)
    return kept if channel.archive_days is None else f"{kept}, archived for {_days_or_ever(channel.archive_days)}"


def _days_or_ever(days: int) -> str:
    return f"{days} days" if days else "ever"
