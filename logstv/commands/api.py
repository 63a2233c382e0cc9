"""`logstv api`: the HTTP API alone."""

from __future__ import annotations

import functools
from typing import Annotated

import typer

from app.settings import AppSettings
from logstv.lifecycle import process_registry, run_until_stopped
from logstv.settings import store_settings


def api(
    host: Annotated[str | None, typer.Option(help="Where to listen. Default: LOGSTV_HOST, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen. Default: LOGSTV_PORT, or 8025.")] = None,
) -> None:
    """Serve the API, until Ctrl-C; it waits for a Cassandra that is not there yet."""
    from app.server import serve  # noqa: PLC0415 - FastAPI takes half of the time in which any command starts

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = AppSettings().model_copy(update=given)
    where = f"http://{settings.host}:{settings.port}"
    started = functools.partial(typer.echo, f"The API is on {where}", err=True)
    run_until_stopped(serve(store_settings(), settings, started=started, registry=process_registry()))
