"""The FastAPI application: its routes, its shared parts, and the connection to the store that it keeps trying."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from app import problems
from app.compatible.declared import plainly
from app.compatible.doorway import CAPABILITIES_HEADER, Doorway
from app.dependencies import HEAD, Shared
from app.freshness import Freshness
from app.limits import Limits
from app.metrics import CassandraMetrics, DamagedDays, RequestMetrics
from app.models import CompatibleLines
from app.pages import NDJSON
from app.problems import ProblemBody
from app.routes import (
    admin,
    admin_optouts,
    compatible,
    compatible_admin,
    coverage,
    directory,
    health,
    lines,
    live,
    logs,
    metrics,
    moderation,
    optout,
    page,
    stats,
    threads,
)
from app.routes.live import EVENTS
from app.settings import AppSettings
from store.errors import StoreError, StoreUnavailable
from store.settings import StoreSettings
from store.store import Store

log = structlog.get_logger(__name__)

_SECURITY = (
    # Answers show what strangers wrote: nothing in them may run, load or be framed. The page of the routes has a style.
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "cross-origin"),
)
_AGAIN_SECONDS = (0.5, 5.0)
_DESCRIPTION = (
    "Chat logs of Twitch channels. Three logs take the same parameters: of a channel, of a user in a channel, of a "
    "user everywhere. Pages have cursors in both directions; a range is [from, to). Errors are problem+json. "
    "The routes that are not under /v1 are those of justlog, rustlog and recent-messages."
)


def create_app(
    store_settings: StoreSettings, settings: AppSettings, registry: CollectorRegistry | None = None
) -> FastAPI:
    """Make the application.

    It starts without Cassandra, answers 503 until that is reached, and recovers by itself.

    Args:
        store_settings: where the logs are.
        settings: what the service allows.
        registry: where the metrics are registered, beside those of others in the process; None: in one of its own.
    """
    registry = registry or CollectorRegistry()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        shared = Shared(settings, registry)
        app.state.shared = shared
        CassandraMetrics(registry, shared.requests)
        connecting = asyncio.create_task(_keep_open(shared, store_settings))
        try:
            yield
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await shared.live.close()
            await shared.reads.close()
            if shared.store is not None:
                await shared.store.close()

    app = FastAPI(
        title="logstv",
        description=_DESCRIPTION,
        version=version("logstv"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    for router in (
        logs.router,
        lines.router,
        live.router,
        directory.router,
        coverage.router,
        stats.router,
        moderation.router,
        threads.router,
        optout.router,
        admin.router,
        admin_optouts.router,
        compatible_admin.router,
        health.router,
        page.router,
        metrics.router,
        *compatible.ROUTERS,
    ):
        app.include_router(router)
    # The last one is the outermost: an ETag is that of the plain answer.
    app.add_middleware(Freshness)
    _compress(app)
    app.add_middleware(Limits, per_minute=settings.rate_limit, trusted_hops=settings.trusted_hops)
    app.add_middleware(problems.Faults)
    app.add_middleware(_Headers)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET"],
        allow_headers=["*"],
        expose_headers=["Link", "Retry-After", "ETag", CAPABILITIES_HEADER],
    )
    app.add_middleware(RequestMetrics, registry=registry)
    DamagedDays(registry, lambda: _damaged(app))
    app.add_middleware(Doorway)
    _declare_shapes(app)
    return app


def _compress(app: FastAPI) -> None:
    """Compress answers for who takes it, quickly rather than small: a page is written for one client."""
    add_compress_type(NDJSON, streaming=True)
    add_compress_type(problems.MEDIA_TYPE)
    # What is live is small and must leave at once.
    remove_compress_type(EVENTS)
    app.add_middleware(CompressMiddleware, minimum_size=1000, zstd_level=1, brotli_quality=1, gzip_level=1)


def end_streams(app: FastAPI) -> None:
    """End the live streams, for which a server that stops would wait in vain."""
    shared: Shared | None = getattr(app.state, "shared", None)
    if shared is not None:
        shared.live.stop()


def _damaged(app: FastAPI) -> int:
    """Say how many days of the archive could not be given."""
    shared: Shared | None = getattr(app.state, "shared", None)
    return 0 if shared is None or shared.store is None else shared.store.reader.cold.damaged


async def _keep_open(shared: Shared, settings: StoreSettings) -> None:
    """Open the store, and keep up with who opts out."""
    await _connect(shared, settings)
    optouts = shared.open_store().optouts
    while True:
        await asyncio.sleep(shared.settings.optout_seconds)
        try:
            await optouts.refresh()
        except StoreUnavailable:
            pass  # who was out stays out; what is asked now is answered 503
        except Exception as error:
            log.error("app.fault", exc_info=error)


async def _connect(shared: Shared, settings: StoreSettings) -> None:
    """Try to open the store until it is open: who has opted out is known then, before anything is answered."""
    pause, longest = _AGAIN_SECONDS
    while shared.store is None:
        try:
            shared.store = await Store.open(settings)
        except Exception as error:
            shared.trouble = str(error)
            unexpected = None if isinstance(error, StoreError) else error
            log.warning("store.unavailable", reason=str(error), again_in_seconds=pause, exc_info=unexpected)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)


class _Headers:
    """Adds what every answer carries, and answers HEAD as GET without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = scope

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if "route" in answered:  # who counts the requests stands outside, and looks there
                    scope["route"] = answered["route"]
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                for name, value in _SECURITY:
                    headers.setdefault(name, value)
                # Answers may be kept but must be asked for again, so that an opt-out shows at once.
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # The server keeps the body of an answer to HEAD to itself, and knows by its own scope that it is one; a
            # stream is ended after its first piece.
            answered = {**scope, "method": "GET", HEAD: True}
        await self._app(answered, receive, with_headers)


_SCHEMA = "#/components/schemas/{model}"


def _declare_shapes(app: FastAPI) -> None:
    """Put the shapes of problems and lines where the routes' declarations point, and leave out FastAPI's problems."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        document = make()
        schemas = document["components"]["schemas"]
        if "ProblemBody" not in schemas:
            schemas["ProblemBody"] = ProblemBody.model_json_schema(ref_template=_SCHEMA)
            lines = CompatibleLines.model_json_schema(ref_template=_SCHEMA)
            schemas |= lines.pop("$defs") | {"CompatibleLines": lines}
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for methods in document["paths"].values():
                for operation in methods.values():
                    operation["responses"].pop("422", None)
                    theirs = operation.get("tags") == ["compatible"]
                    of_all = (plainly if theirs else problems.declared)(*problems.OF_EVERY_ROUTE)
                    operation["responses"] |= {str(status): meaning for status, meaning in of_all.items()}
        return document

    app.openapi = openapi  # type: ignore[method-assign]
