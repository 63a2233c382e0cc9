"""`logstv node`: the local Cassandra node by hand. `logstv up` starts and stops it by itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from logstv.node import LocalNode, NodeStatus
from logstv.settings import NodeSettings

app = typer.Typer(
    help="The local Cassandra node, for a machine that has no cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_STOPPED = 3  # what a service's status commonly exits with when the service does not run (LSB)


@app.command(epilog="Example: LOGSTV_NODE_HEAP=2G logstv node start")
def start() -> None:
    """Start the node and leave it running until `logstv node stop`.

    The first start fetches Cassandra's jars (66 MiB). A node that runs already is left running when its users end.
    """
    node = LocalNode(NodeSettings())
    started = node.start(detached=True)
    status = node.status()
    typer.echo(
        f"Cassandra {'answers' if started else 'was running already; it answers'} on "
        f"{status.address}:{status.cql_port} (process {status.pid}), its files are in {status.folder}."
    )


@app.command(epilog="Example: logstv node stop")
def stop(
    force: Annotated[bool, typer.Option("--force", help="Stop it even while others use it.")] = False,
) -> None:
    """Drain the node and stop it, whoever started it."""
    stopped = LocalNode(NodeSettings()).stop(force=force)
    typer.echo("Stopped." if stopped else "No node was running.")


@app.command(epilog="Example: logstv node status --json")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether the node runs, where, and what it takes; exit with 3 when it does not run."""
    found = LocalNode(NodeSettings()).status()
    if as_json:
        typer.echo(orjson.dumps(asdict(found)).decode())
    else:
        Console(soft_wrap=True).print(_table(found))
    if not found.running:
        raise typer.Exit(_STOPPED)


@app.command(
    epilog="Example: logstv node nodetool tablestats logstv",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def nodetool(
    arguments: Annotated[list[str] | None, typer.Argument(help="As nodetool takes them; none: its own help.")] = None,
) -> None:
    """Run Cassandra's nodetool against the node."""
    answer = LocalNode(NodeSettings()).nodetool(arguments or ["help"])
    raise typer.Exit(answer.returncode)


def _table(status: NodeStatus) -> Table:
    table = Table(show_header=False, box=None)
    rows = {"state": _state(status), "CQL": f"{status.address}:{status.cql_port}", "folder": status.folder}
    if status.pid is not None:
        rows["process"] = str(status.pid)
    if status.memory_bytes is not None:
        rows["memory"] = f"{status.memory_bytes / 2**20:.0f} MiB"
    if status.up_seconds is not None:
        rows["up"] = f"{status.up_seconds:.0f} s"
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _state(status: NodeStatus) -> str:
    if not status.running:
        return "stopped"
    if status.stopping:
        return "stopping"
    word = "running" if status.answering else "starting"
    if status.detached:
        return f"{word}, until `logstv node stop`"
    return f"{word}, while it is used" if status.used else word
