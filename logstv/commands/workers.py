"""`logstv workers`: who is there, and who reads what."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from logstv.commands.up import cluster
from logstv.lifecycle import set_up_logging
from store.session import Session
from store.settings import StoreSettings
from store.wanted import WantedChannels
from store.workers import Worker, Workers

_SHOWN = 8


def workers(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False) -> None:
    """Show the workers that live, how each one's channels stand, and which it reads."""
    set_up_logging()
    with cluster() as settings:
        found, logins = asyncio.run(_ask(settings))
    now_ms = time.time_ns() // 1_000_000
    if as_json:
        typer.echo(orjson.dumps([_record(worker, logins, now_ms) for worker in found]).decode())
    elif found:
        Console(soft_wrap=True, markup=False, highlight=False).print(_table(found, logins, now_ms))
    else:
        typer.echo("No worker is there: start one with `logstv ingest`.")


async def _ask(settings: StoreSettings) -> tuple[list[Worker], dict[int, str]]:
    """Give the workers, and the newest logins of the channels that are to be read, by id."""
    session = await Session.open(settings)
    try:
        standing = await (await WantedChannels.open(session)).standing()
        logins = {each.channel.channel_id: each.login for each in standing}
        return await (await Workers.open(session)).all(), {
            channel_id: login for channel_id, login in logins.items() if channel_id is not None and login is not None
        }
    finally:
        await session.close()


def _record(worker: Worker, logins: dict[int, str], now_ms: int) -> dict[str, object]:
    return {
        "name": worker.name,
        "incarnation": str(worker.incarnation),
        "upSeconds": round((now_ms - worker.since_ms) / 1000, 1),
        "heartbeatAgeSeconds": round((now_ms - worker.seen_ms) / 1000, 1),
        "leaving": worker.leaving,
        "wanted": worker.wanted,
        "joined": len(worker.reading),
        "failed": worker.failed,
        "lines": worker.figures.lines,
        "connections": worker.figures.connections,
        "waiting": worker.figures.waiting,
        "waitingBytes": worker.figures.waiting_bytes,
        "lagSeconds": worker.figures.lag_ms / 1000,
        "alarm": worker.figures.alarm,
        "failing": dict(worker.failing),
        "reads": [{"id": str(which), "login": logins.get(which)} for which in sorted(worker.reading)],
    }


def _table(found: list[Worker], logins: dict[int, str], now_ms: int) -> Table:
    headings = ("worker", "up", "heartbeat", "wanted", "joined", "failed", "lines", "reads")
    table = Table(*headings, box=None, header_style="")
    for worker in found:
        names = sorted(logins.get(which, f"id:{which}") for which in worker.reading)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        table.add_row(
            worker.name + (" (leaving)" if worker.leaving else ""),
            f"{(now_ms - worker.since_ms) / 1000:.0f} s",
            f"{(now_ms - worker.seen_ms) / 1000:.1f} s ago",
            str(worker.wanted),
            str(len(worker.reading)),
            str(worker.failed),
            f"{worker.figures.lines:,}",
            ", ".join(names[:_SHOWN]) + more,
        )
    return table
