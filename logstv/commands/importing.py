"""`logstv import`: takes in what other programs have logged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingest.justlog import Imported, JustlogImport, files_of
from logstv.commands.archive import opened
from logstv.commands.up import cluster
from logstv.errors import CommandError
from logstv.lifecycle import run_to_the_end
from logstv.progress import bytes_read
from logstv.settings import NodeSettings
from store.horizon import Horizon
from store.settings import StoreSettings
from store.shapes import CHANNEL
from store.writer import Writer

app = typer.Typer(help="Take in what other programs have logged.", no_args_is_help=True, rich_markup_mode=None)


@app.command(epilog="Example: logstv import justlog /var/lib/justlog/logs")
def justlog(
    folder: Annotated[Path, typer.Argument(help="Holds {channel id}/{year}/{month}/{day}/channel.txt.")],
) -> None:
    """Take in the days of channels that justlog wrote, plain or gzip; begun again, it goes on where it ended.

    Days older than the tables keep any go to the archive, newer ones to Cassandra; each is merged with what is there.
    Files of users hold nothing that those of channels do not, and are left out.
    """
    files = list(files_of(folder))
    if not files:
        raise CommandError(f"{folder} holds no {{channel id}}/{{year}}/{{month}}/{{day}}/channel.txt, plain or gzip")
    name = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()
    done = NodeSettings().data_dir / "imported" / f"justlog-{name}.txt"
    console, outcome = Console(stderr=True), Imported()
    size = sum(file.path.stat().st_size for file in files)
    with cluster(with_tables=True) as settings, bytes_read("Importing", size) as advance:
        code = run_to_the_end(_import(settings, folder, done, outcome, advance))
    _tell(console, outcome)
    raise typer.Exit(code or bool(outcome.failed))


async def _import(
    settings: StoreSettings, folder: Path, done: Path, outcome: Imported, progress: Callable[[int], None]
) -> None:
    async with opened(settings) as archive:
        writer = await Writer.open(archive.session)
        horizon_ms = await (await Horizon.open(archive.session)).of(CHANNEL)
        work = JustlogImport(folder, done, archive, writer, horizon_ms, progress)
        work.outcome = outcome
        await work.run()


def _tell(console: Console, outcome: Imported) -> None:
    def say(sentence: str) -> None:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    say(f"{outcome.files:,} files: {outcome.archived:,} lines archived, {outcome.written:,} written to Cassandra.")
    if outcome.before:
        say(f"{outcome.before:,} files were taken in before.")
    for reason, count in outcome.refused.most_common():
        say(f"{count:,} lines have no place: {reason}.")
    for failure in outcome.failed:
        say(f"Not taken in: {failure}")
