"""`logstv api`: the HTTP API alone."""

from __future__ import annotations

from typing import Annotated

import typer

from app.server import serve
from app.settings import AppSettings
from logstv.lifecycle import run_until_stopped
from store.settings import StoreSettings


def api(
    host: Annotated[str | None, typer.Option(help="Where to listen. Default: LOGSTV_HOST, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen. Default: LOGSTV_PORT, or 8025.")] = None,
) -> None:
    """Serve the API, until Ctrl-C; it waits for a Cassandra that is not there yet."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = AppSettings().model_copy(update=given)
    where = f"http://{settings.host}:{settings.port}"
    run_until_stopped(serve(StoreSettings(), settings, started=lambda: typer.echo(f"The API is on {where}", err=True)))
