"""The `logstv` command: one group or command a module of `logstv.commands`, put together here.

What goes wrong on purpose ends as one sentence on standard error and exit code 1; a traceback is a fault of ours.
"""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from app.errors import AppError
from ingest.errors import IngestError
from logstv.commands import archive, channels, erase, importing, node, optout, schema
from logstv.commands.api import api
from logstv.commands.demo_chat import demo_chat
from logstv.commands.doctor import doctor
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
app.command("demo-chat", epilog="Example: logstv demo-chat --port 6667 --channel moonbase --rate 50")(demo_chat)
app.command(epilog="Example: logstv workers --json")(workers)
app.command(epilog="Example: logstv status --json")(status)
app.command(epilog="Example: logstv doctor")(doctor)
app.add_typer(channels.app, name="channels")
app.add_typer(optout.app, name="optout")
app.add_typer(erase.app, name="erase")
app.add_typer(archive.app, name="archive")
app.add_typer(importing.app, name="import")
app.add_typer(schema.app, name="schema")
app.add_typer(node.app, name="node")


def main() -> None:
    """Run the command."""
    try:
        app()
    except ROOM_ERRORS as error:
        _fail(str(error))
    except ValidationError as error:
        _fail(sentences(error)[0])
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(sentence: str) -> None:
    print(f"logstv: {sentence}", file=sys.stderr)  # noqa: T201 - the command's last word
    sys.exit(1)


if __name__ == "__main__":
    main()
