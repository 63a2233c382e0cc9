"""Serves the application with uvicorn until cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from prometheus_client import CollectorRegistry

from app.errors import PortTaken
from app.protocol import BoundedProtocol
from app.service import create_app, end_streams
from app.settings import AppSettings
from store.settings import StoreSettings

_GRACE_SECONDS = 5
_IDLE_SECONDS = 75
"""A connection stays open for so long between two requests. uvicorn's 5 s are shorter than what a proxy in front keeps
its own for (nginx: 60 s), and what it sends on one that has just been closed is lost."""
_UNREAD_MS = 60_000


class _Server(uvicorn.Server):
    """Leaves the signals to whoever runs it, and says when it answers."""

    started_callback: Callable[[], None] = staticmethod(lambda: None)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_callback()


async def serve(
    store_settings: StoreSettings,
    settings: AppSettings,
    *,
    started: Callable[[], None] = lambda: None,
    registry: CollectorRegistry | None = None,
) -> None:
    """Serve until cancelled; then answer what is under way, and end.

    Args:
        store_settings: where the logs are.
        settings: where to listen.
        started: called when the service answers.
        registry: where its metrics are registered; None: in one of its own.

    Raises:
        PortTaken: the port cannot be listened on.
    """
    listening = _listen(settings)
    app = create_app(store_settings, settings, registry)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe those of whoever connects from this machine; app.limits reads them
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        http=BoundedProtocol,
    )
    server = _Server(config)
    server.started_callback = started
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        end_streams(app)
        server.should_exit = True
        await serving
        raise


def _listen(settings: AppSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named (CPython 3.11, base_events._set_nodelay);
    # left on, it holds back a body for 40 ms after its headers.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A client that reads nothing, or is gone without a word, does not keep its connection (Linux's tcp(7)).
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise PortTaken(
            f"port {settings.port} on {settings.host} cannot be had ({error.strerror}): "
            "stop what uses it, or choose another with LOGSTV_PORT"
        ) from error
    return listening
