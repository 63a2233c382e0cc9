"""The `logstv` command: one group or command a module of `logstv.commands`, put together here.

What goes wrong on purpose, or is the machine's doing, ends as one sentence on standard error and exit code 1; a
traceback is a fault of ours. docs/commands.md lists what each exit code says.
"""

from __future__ import annotations

import errno
import os
import sys

import typer
from pydantic import ValidationError

from app.errors import AppError
from ingest.errors import IngestError
from logstv.commands import archive, channels, erase, importing, node, optout, schema
from logstv.commands.api import api
from logstv.commands.completion import completion
from logstv.commands.demo_chat import demo_chat
from logstv.commands.doctor import doctor
from logstv.commands.export import export
from logstv.commands.ingest import ingest
from logstv.commands.replay import replay
from logstv.commands.status import status
from logstv.commands.up import up
from logstv.commands.workers import workers
from logstv.errors import LogstvError
from logstv.settings import sentences
from store.errors import StoreError

# The base of each room's errors: what they say is meant for people.
ROOM_ERRORS: tuple[type[Exception], ...] = (LogstvError, StoreError, IngestError, AppError)

app = typer.Typer(
    name="logstv",
    help="Chat logs of Twitch channels in Apache Cassandra: one table for each question.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog="Example: logstv up --channel moonbase")(up)
app.command(epilog="Example: logstv ingest --channel moonbase --channel demo")(ingest)
app.command(epilog="Example: LOGSTV_CONTACT_POINTS=10.0.0.1 logstv api --port 8025")(api)
app.command(epilog="Example: logstv replay --shift-to-now channel.txt.gz")(replay)
app.command(epilog="Example: logstv export --channel forsen --from 2026-11-01T00:00:00Z -o forsen.ndjson.gz")(export)
app.command("demo-chat", epilog="Example: logstv demo-chat --port 6667 --channel moonbase --rate 50")(demo_chat)
app.command(epilog="Example: logstv workers --json")(workers)
app.command(epilog="Example: logstv status --json")(status)
app.command(epilog="Example: logstv doctor")(doctor)
app.command(epilog="Example: source <(logstv completion bash)")(completion)
app.add_typer(channels.app, name="channels")
app.add_typer(optout.app, name="optout")
app.add_typer(erase.app, name="erase")
app.add_typer(archive.app, name="archive")
app.add_typer(importing.app, name="import")
app.add_typer(schema.app, name="schema")
app.add_typer(node.app, name="node")


def run() -> int:
    """Run the command; give what it exits with."""
    try:
        app(prog_name="logstv")
    except SystemExit as ended:
        return _flushed(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
    except ROOM_ERRORS as error:
        return _failed(str(error))
    except ValidationError as error:
        return _failed(sentences(error)[0])
    except OSError as error:
        return _failed(_of_machine(error))
    return 0


def _failed(sentence: str) -> int:
    print(f"logstv: {sentence}", file=sys.stderr)  # noqa: T201 - the command's last word
    return _flushed(1)


def _flushed(code: int) -> int:
    """Write out what waits for standard output; where that cannot be, have Python not try it again at its end.

    Who has stopped reading (`logstv ... | head -1`) is not told so.
    """
    if sys.stdout is None:  # it was closed from the start
        return code
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 1
    return code


def _of_machine(error: OSError) -> str:
    """Say what the machine would not do."""
    reason = (error.strerror or str(error)).lower()
    where = f"{error.filename}: " if error.filename else ""
    helps = {errno.ENOSPC: "make room", errno.EDQUOT: "make room", errno.EMFILE: "raise `ulimit -n`"}
    return where + reason + (f": {advice}" if (advice := helps.get(error.errno or 0)) else "")
