"""The service on a real port, in the loop of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2

from app.server import serve
from app.settings import AppSettings
from store.settings import StoreSettings
from support.cassandra import unused_ports
from support.patience import PATIENCE_SECONDS, patience


@asynccontextmanager
async def served(store_settings: StoreSettings, **settings: object) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve on a free port, and give a client of it.

    Unless settings say else, names are looked up anew each time, and there is time enough for searches and statistics.
    """
    (port,) = unused_ports(1)
    started = asyncio.Event()
    usual = {"port": port, "names_seconds": 0, "search_seconds": 60, "stats_seconds": 60}
    chosen = AppSettings(**(usual | settings))  # type: ignore[arg-type]
    serving = asyncio.create_task(serve(store_settings, chosen, started=started.set))
    try:
        await asyncio.wait_for(started.wait(), PATIENCE_SECONDS)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{chosen.port}", timeout=PATIENCE_SECONDS) as client:
            yield client
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def until_ready(client: httpx2.AsyncClient, status: int = 200) -> httpx2.Response:
    """Wait until /readyz answers with a status."""
    async with patience():
        while True:
            answer = await client.get("/readyz")
            if answer.status_code == status:
                return answer
            await asyncio.sleep(0.1)
