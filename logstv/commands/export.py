"""`logstv export`: writes a log, or a range of it, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.names import Names
from app.times import parse_time
from logstv.commands.up import cluster
from logstv.dump import Dump, Form, dumping
from logstv.errors import CommandError
from logstv.lifecycle import run_to_the_end
from logstv.progress import Bar, time_reached
from store.reader import Log
from store.settings import StoreSettings
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.store import Store


def export(
    channel: Annotated[str, typer.Option(help="Whose log: a login, or id: and Twitch's number.")] = "",
    user: Annotated[str, typer.Option(help="Only what this user said; without --channel, everywhere.")] = "",
    from_: Annotated[
        str, typer.Option("--from", help="The first moment: RFC 3339, Unix seconds or milliseconds.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="The first moment that is no longer in it.")] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; one that ends in .gz is compressed. Default: standard output."),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Default: parquet for a file that is called so, else ndjson.")
    ] = None,
) -> None:
    """Write the log of a channel, of a user, or of a user in a channel, oldest first, as NDJSON or Parquet.

    What Cassandra and the archive have is one log. A line of NDJSON is what the API gives. The file is there when it is
    whole; one that was there before stays until then.
    """
    if not channel and not user:
        raise CommandError("name a channel or a user: --channel forsen, --user id:22484632, or both")
    try:
        from_ms, to_ms = (parse_time(text) if text else None for text in (from_, to))
    except ValueError as error:
        raise CommandError(f"--from and --to: {error}") from None
    if form is None:
        form = Form.PARQUET if output is not None and output.suffix == ".parquet" else Form.NDJSON
    console, counts = Console(stderr=True), list[int]()
    with cluster() as settings, dumping(output, form) as dump:
        with time_reached("Exporting") as bar:
            code = run_to_the_end(_export(settings, channel, user, (from_ms, to_ms), dump, bar, counts))
        if code:
            raise typer.Exit(code)  # stopped before it was whole
    console.print(f"{counts[0]:,} lines exported.", highlight=False)


async def _export(
    settings: StoreSettings,
    channel: str,
    user: str,
    span: tuple[int | None, int | None],
    dump: Dump,
    bar: Bar,
    counts: list[int],
) -> None:
    store, count = await Store.open(settings), 0
    try:
        names = Names(0, store.optouts.now)
        ids = [await names.channel(store.directory, channel)] if channel else []
        ids += [await names.user(store.directory, user)] if user else []
        shape = CHANNEL_USER if channel and user else CHANNEL if channel else USER
        log = Log(shape, tuple(ids), *span, newest_first=False)
        buckets = await store.reader.buckets(log)
        start = max(log.from_ms or 0, buckets[0].start_ms) if buckets else 0
        bar.total(min(log.to_ms or buckets[-1].end_ms, buckets[-1].end_ms) - start if buckets else 1)
        along = store.moderation.along(shape)
        async for piece in store.reader.stream(log):
            dump.add(piece, await along.removals(piece))
            count += len(piece)
            bar.reach((piece[-1].sent_ms or start) - start)
    finally:
        await store.close()
    counts.append(count)
