"""`logstv import`: takes in what other programs have logged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingest.import_pool import Plan, Work, carry_out, look
from ingest.importing import Imported, Tree
from ingest.justlog import JustlogTree
from ingest.known_ids import read_ids
from ingest.lines import Progress
from ingest.overrustle import OverrustleTree
from logstv.commands.archive import opened
from logstv.commands.up import cluster
from logstv.errors import CommandError
from logstv.lifecycle import run_to_the_end
from logstv.progress import bytes_read
from logstv.settings import NodeSettings

app = typer.Typer(help="Take in what other programs have logged.", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path, typer.Argument(help="The folder that holds the files, at its top or below.")]
Jobs = Annotated[
    int | None, typer.Option(min=1, max=256, help="Processes that work side by side; default: as many as cores.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done; nothing is stored.")]
Again = Annotated[bool, typer.Option("--again", help="Also take in what was taken in before.")]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", help="Where to write which lines could not be taken in, as JSON lines; default: beside "
                 "what is remembered, in LOGSTV_DATA_DIR."),
]  # fmt: skip


@app.command(epilog="Example: logstv import justlog /var/lib/justlog/logs --dry-run")
def justlog(
    folder: Folder, jobs: Jobs = None, dry_run: DryRun = False, again: Again = False, report: ReportFile = None
) -> None:
    """Take in the days of channels that justlog wrote, plain or gzip; begun again, it goes on where it ended.

    Days older than the tables keep any go to the archive, newer ones to Cassandra; each is merged with what is there.
    Files of users hold nothing that those of channels do not, and are read for the days whose channel file is missing.
    """
    _run("justlog", JustlogTree(folder.resolve()), folder, jobs, report, dry_run=dry_run, again=again)


@app.command(epilog="Example: logstv import overrustle /srv/logs --ids ids.txt")
def overrustle(
    folder: Folder,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="A file with a login and Twitch's number a line, as `forsen 22484632`.")
    ] = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    again: Again = False,
    report: ReportFile = None,
) -> None:
    """Take in the text logs of OverRustleLogs, plain, gzip or zstd; begun again, it goes on where it ended.

    They say when, to the second, who, by login, and what; that is kept, and nothing is made up. Ids are those that
    --ids names, or that our own logs saw with the login before and after. A channel whose id is not known is left out
    and named; lines of a user whose id is not known stand in the channel's log alone, until they are taken in --again.
    """
    tree = OverrustleTree(folder.resolve(), {} if ids is None else read_ids(ids))
    _run("overrustle", tree, folder, jobs, report, dry_run=dry_run, again=again)


def _run(
    kind: str, tree: Tree, folder: Path, jobs: int | None, report: Path | None, *, dry_run: bool, again: bool
) -> None:
    name = f"{kind}-{hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()}"
    remembered = NodeSettings().data_dir / "imported"
    console, works = Console(stderr=True), list[Work]()
    report = report or remembered / f"{name}.unread.ndjson"
    with cluster(with_tables=True) as settings, bytes_read("Looking" if dry_run else "Importing") as bar:
        plan = Plan(
            tree, settings, remembered / f"{name}.txt", report, jobs or os.cpu_count() or 1, dry=dry_run, again=again
        )
        code = run_to_the_end(_import(plan, works, bar.total, bar.advance))
    if works:
        _tell(console, works[0].outcome, report, dry=dry_run)
    raise typer.Exit(code or bool(works and works[0].outcome.failed))


async def _import(plan: Plan, works: list[Work], total: Callable[[float], None], progress: Progress) -> None:
    async with opened(plan.settings) as archive:
        work = await look(plan, archive)
        if not (work.todo or work.outcome.before or work.outcome.failed):
            raise CommandError(f"there is nothing to be taken in: {plan.tree.wanted}")
        total(work.size)
        works.append(work)
    await carry_out(plan, work, progress)


def _tell(console: Console, outcome: Imported, report: Path, *, dry: bool) -> None:
    def say(sentence: str) -> None:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    would = "would be " if dry else ""
    say(f"{outcome.parts:,} days, or months of users: {outcome.archived:,} lines {would}archived, "
        f"{outcome.written:,} {would}written to Cassandra.")  # fmt: skip
    if outcome.before:
        say(f"{outcome.before:,} were taken in before.")
    if outcome.nameless:
        say(f"{outcome.nameless:,} lines are in the logs of their channels alone: whose they are is not known.")
    for reason, count in outcome.refused.most_common():
        say(f"{count:,} lines have no place: {reason}.")
    if report.exists():
        say(f"Which lines those are is in {report}.")
    for failure in outcome.failed:
        say(f"Not taken in: {failure}")
