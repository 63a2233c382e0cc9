"""Runs a coroutine until it ends or the process is asked to stop, and sets up what it logs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from logstv.errors import CommandError


def set_up_logging() -> None:
    """Log events as lines on standard error: readable in a terminal, JSON where a program reads them."""
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # The driver tells of each host and connection at WARNING; what matters of it comes to us as errors.
    logging.getLogger("cassandra").setLevel(logging.ERROR)
    # twitchio's words for an error may name the address asked, and with it the application's secret.
    logging.getLogger("twitchio").setLevel(logging.CRITICAL)


def process_registry() -> CollectorRegistry:
    """Give a registry that has the metrics of this process: its memory, its CPU, its open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


@contextlib.contextmanager
def metrics_of(registry: CollectorRegistry, address: str) -> Iterator[None]:
    """Serve metrics to Prometheus for as long as the block runs.

    Args:
        registry: whose.
        address: `host:port`; empty: do not.

    Raises:
        CommandError: nothing can listen there.
    """
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", registry)
    except (OSError, ValueError, OverflowError) as error:
        raise CommandError(
            f"LOGSTV_METRICS_ADDRESS={address} cannot be had ({error}): name another host:port"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ease_collector() -> None:
    """Have Python look for cyclic garbage less often: the many small objects of messages and rows hold no cycles.

    Takes a tenth off the time of a written message (bench/ingest.py). What it then finds at once takes 5 ms; five times
    as much would be seen in the slowest pages (bench/pages.py).
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until the work ends, or until Ctrl-C or SIGTERM cancels it; a second Ctrl-C does not wait."""
    run_to_the_end(work)


def run_to_the_end(work: Coroutine[Any, Any, None]) -> int:
    """Run as `run_until_stopped` what has an end of its own.

    Returns:
        What to exit with: 0 if it came to its end; if it was stopped, 128 and the number of the signal.
    """
    set_up_logging()
    ease_collector()
    stopped: list[signal.Signals] = []
    try:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(_cancelled_by_signal(work, stopped))
    except BaseExceptionGroup as group:
        # Tasks that run side by side fail as a group; what counts is why the first of them did.
        raise _first(group) from group
    return 128 + stopped[0] if stopped else 0


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def _cancelled_by_signal(work: Coroutine[Any, Any, None], stopped: list[signal.Signals]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)  # the next one ends the process at once
        stopped.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
