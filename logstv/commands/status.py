"""`logstv status`: how everything is, on one screen."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from ingest.settings import IngestSettings
from logstv.health import checks
from logstv.health.finding import Finding, is_well
from logstv.health.look import ArchiveLook, Picture, look
from logstv.health.words import moment, size, some, span
from logstv.lifecycle import set_up_logging
from logstv.settings import NodeSettings, store_settings
from store.workers import Worker

WELL, WRONG, UNREACHABLE = 0, 1, 2
"""What `status` and `doctor` exit with."""

_MOST_WORKERS = 12


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show how cluster, tables, workers, channels and archive are, and what is wrong now; nothing is started by it.

    Exits with 0 when all is well, 1 when something is wrong, 2 when the cluster cannot be reached; within seconds.
    """
    set_up_logging()
    picture = asyncio.run(look(store_settings(), NodeSettings(), IngestSettings().metrics_address))
    found = checks.findings(picture)
    if as_json:
        typer.echo(orjson.dumps(_record(picture, found)).decode())
    else:
        typer.echo("\n".join(_screen(picture, found)))
    raise typer.Exit(exit_code(picture, found))


def exit_code(picture: Picture, found: Sequence[Finding]) -> int:
    """Give what a command that told this exits with."""
    if picture.unreachable:
        return UNREACHABLE
    return WELL if is_well(found) else WRONG


def shown(found: Finding) -> str:
    """Give a finding as one line: how bad, which check, what is so, and what helps."""
    return f"{found.level:<8} {found.check:<12} {found.says}" + (f" -> {found.helps}" if found.helps else "")


def _screen(picture: Picture, found: list[Finding]) -> Iterator[str]:
    alarms = [shown(each) for each in checks.alarms(found)] or ["none"]
    parts = {
        "cluster": _cluster(picture),
        "schema": _schema(picture),
        "workers": _workers(picture),
        "channels": _channels(picture),
        "lag": _lag(picture),
        "archive": _archive(picture),
        "alarms": alarms,
    }
    for name, lines in parts.items():
        for at, line in enumerate(lines):
            yield f"{'' if at else name:<10}{line}"


def _cluster(picture: Picture) -> Iterator[str]:
    settings = picture.settings
    if picture.unreachable:
        yield picture.unreachable
        return
    nodes = picture.nodes or []
    up = [node for node in nodes if not node.down]
    versions = ", ".join(sorted({node.version for node in nodes}))
    where = "local node" if picture.local else ", ".join(settings.contact_points)
    yield f"{len(up)} of {len(nodes)} nodes up ({where}, port {settings.cql_port}), Cassandra {versions}"
    replicas = picture.facts.replicas if picture.facts else None
    if replicas is not None:
        yield f"keyspace {settings.keyspace}, replicas {', '.join(f'{dc}:{n}' for dc, n in replicas.items())}"
    for node in nodes if len(nodes) > 1 else ():
        state = f"down: {node.down}" if node.down else "up"
        yield f"{node.address}  {node.datacenter} {node.rack}  {node.version}  {state}"


def _schema(picture: Picture) -> Iterator[str]:
    if picture.changes is not None:
        there = [change for change in picture.changes if change.cql is not None or change.refused]
        yield f"{len(there)} differences from the files" if there else "as the files say"


def _workers(picture: Picture) -> Iterator[str]:
    for worker in (picture.workers or ())[:_MOST_WORKERS]:
        age = (picture.now_ms - worker.seen_ms) / 1000
        yield (
            f"{worker.name}{' (leaving)' if worker.leaving else ''}: heartbeat {span(max(age, 0))} ago, up "
            f"{span((picture.now_ms - worker.since_ms) / 1000)}, {len(worker.reading)} of {worker.wanted} channels, "
            f"{worker.figures.connections} connections"
        )
    if picture.workers is not None and (more := len(picture.workers) - _MOST_WORKERS) > 0:
        yield f"and {more} more: `logstv workers`"
    if picture.workers == []:
        yield "none"


def _channels(picture: Picture) -> Iterator[str]:
    if picture.channels is not None:
        unread = [each.login or each.channel.name for each in picture.channels if not each.readers]
        failed = sum(worker.failed for worker in picture.workers or ())
        yield (
            f"{len(picture.channels)} wanted, {len(picture.channels) - len(unread)} read, {failed} failed joins"
            + (f"; read by nobody: {some(unread)}" if unread else "")
        )


def _lag(picture: Picture) -> Iterator[str]:
    found = picture.workers or []
    if found:
        worst = max(worker.figures.lag_ms for worker in found) / 1000
        yield f"{span(worst)} from chat to Cassandra; {_waiting(found)}"
    if picture.last_sent_ms:
        ago = (picture.now_ms - max(picture.last_sent_ms.values())) / 1000
        yield f"the last line was said {span(max(ago, 0))} ago"
    if (worker := picture.metrics) is not None:
        lag = "more than was measured" if worker.lag_seconds is None else f"{span(worker.lag_seconds)} at most"
        yield (
            f"this machine's worker: {worker.waiting:,} lines ({size(worker.waiting_bytes)}) in its spool, "
            f"lag {lag} for 99 %"
        )


def _waiting(found: Sequence[Worker]) -> str:
    lines = sum(worker.figures.waiting for worker in found)
    return f"{lines:,} lines ({size(sum(worker.figures.waiting_bytes for worker in found))}) in spools"


def _archive(picture: Picture) -> Iterator[str]:
    if not picture.settings.archive_url:
        yield "none is set"
    if (found := picture.archive) is None:
        return
    days, lines, taken = _sums(found)
    yield f"{picture.settings.archive_url}: {days:,} days, {lines:,} lines, {size(taken)}"
    due = sum(len(each.due) for each in found.standing)
    oldest = min((each.due[0].date for each in found.standing if each.due), default=None)
    yield (
        f"{due} days to be exported"
        + (f", the oldest is {oldest}" if oldest else "")
        + (f"; {len(found.behind)} channels are behind" if found.behind else "")
    )
    if (failure := found.last_failure) is not None:
        since = "" if failure in found.failures else " (exported since)"
        yield f"last failure {moment(failure.failed_ms)}: {failure.place}: {failure.reason}{since}"


def _sums(found: ArchiveLook) -> tuple[int, int, int]:
    each = found.standing
    return sum(one.days for one in each), sum(one.lines for one in each), sum(one.bytes for one in each)


def _record(picture: Picture, found: list[Finding]) -> dict[str, object]:
    settings, facts = picture.settings, picture.facts
    state = {WELL: "well", WRONG: "wrong", UNREACHABLE: "unreachable"}[exit_code(picture, found)]
    return {
        "state": state,
        "at": _time(picture.now_ms),
        "cluster": {
            "reached": not picture.unreachable,
            "reason": picture.unreachable,
            "contactPoints": list(settings.contact_points),
            "port": settings.cql_port,
            "keyspace": settings.keyspace,
            "replicas": None if facts is None else facts.replicas,
            "nodes": [asdict(node) for node in picture.nodes or ()],
        },
        "schema": None if picture.changes is None else [change.what for change in picture.changes],
        "workers": None if picture.workers is None else [_worker(each, picture.now_ms) for each in picture.workers],
        "channels": None
        if picture.channels is None
        else [
            {"name": each.channel.name, "login": each.login, "readers": list(each.readers)} for each in picture.channels
        ],
        "archive": None if picture.archive is None else _archive_record(picture.archive),
        "metrics": None if picture.metrics is None else asdict(picture.metrics),
        "alarms": [asdict(each) for each in checks.alarms(found)],
        "untold": picture.untold,
    }


def _worker(worker: Worker, now_ms: int) -> dict[str, object]:
    return {
        "name": worker.name,
        "heartbeatAgeSeconds": round((now_ms - worker.seen_ms) / 1000, 1),
        "leaving": worker.leaving,
        "wanted": worker.wanted,
        "joined": len(worker.reading),
        "failing": dict(worker.failing),
        **asdict(worker.figures),
    }


def _archive_record(found: ArchiveLook) -> dict[str, object]:
    days, lines, taken = _sums(found)
    last = found.last_failure
    return {
        "days": days,
        "lines": lines,
        "bytes": taken,
        "due": sum(len(each.due) for each in found.standing),
        "oldestDue": min((str(each.due[0].date) for each in found.standing if each.due), default=None),
        "channelsBehind": [str(each.oldest.channel_id) for each in found.behind],
        "lastFailure": last
        and {
            "day": str(last.place.date),
            "channelId": str(last.place.channel_id),
            "at": _time(last.failed_ms),
            "reason": last.reason,
            "exportedSince": last not in found.failures,
        },
    }


def _time(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
