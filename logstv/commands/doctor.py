"""`logstv doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError

from app.settings import AppSettings
from ingest.settings import IngestSettings
from logstv.commands.status import WRONG, exit_code, shown
from logstv.health import checks, machine
from logstv.health.finding import Finding, wrong
from logstv.health.look import Picture, look
from logstv.lifecycle import set_up_logging
from logstv.settings import ROOMS, NodeSettings, sentences, store_settings


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False) -> None:
    """Look for what is wrong with this machine, the settings and the cluster; one line a check, with what helps.

    Nothing is started or changed. Exits within seconds: with 0 when nothing is wrong (a warning is not), 1 when
    something is, 2 when the cluster cannot be reached.
    """
    set_up_logging()
    found = [*_settings(), *machine.environment(os.environ)]
    code = WRONG
    if not any(each.check == "settings" for each in found):
        picture, more = asyncio.run(_look())
        found += more
        code = exit_code(picture, found)
    if as_json:
        typer.echo(orjson.dumps([asdict(each) for each in found]).decode())
    else:
        typer.echo("\n".join(map(shown, found)))
    raise typer.Exit(code)


def _settings() -> list[Finding]:
    """Give what is wrong with single settings; nothing else can be looked at then."""
    said: dict[str, None] = {}
    for room in ROOMS:
        try:
            room()
        except ValidationError as error:
            said |= dict.fromkeys(sentences(error))  # a setting that two rooms have is said once
    return [wrong("settings", sentence, "docs/settings.md says what it takes") for sentence in said]


async def _look() -> tuple[Picture, list[Finding]]:
    store, node, ingest, app = store_settings(), NodeSettings(), IngestSettings(), AppSettings()

    def here() -> list[Finding]:
        return [
            *machine.programs(store, node),
            *machine.disk(node, ingest),
            *machine.ports(store, node, app),
            *machine.folders(node),
            *machine.settings(store, app),
        ]

    of_machine, of_archive, picture = await asyncio.gather(
        asyncio.to_thread(here), machine.archive(store), look(store, node, ingest.metrics_address)
    )
    return picture, [*of_machine, *of_archive, *checks.findings(picture)]
