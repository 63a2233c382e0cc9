"""The service with a few chats on a real port, and a reader in Chromium before it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import httpx2
import pytest
from playwright.async_api import Browser, ViewportSize, expect
from support import page_chat
from support.browsing import Reader, chromium
from support.patience import PATIENCE_SECONDS
from support.serving import served, until_ready

from store.coverage import Span
from store.retention import Retention
from store.schema import apply
from store.settings import StoreSettings
from store.store import Store
from store.writer import Writer

AT_ONCE = 500
expect.set_options(timeout=PATIENCE_SECONDS * 1000)
WIDE: ViewportSize = {"width": 1200, "height": 800}


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
async def page_store(browser: Browser, cluster_settings: StoreSettings) -> AsyncIterator[Store]:
    """A store with the chats of tests/support/page_chat.py."""
    settings = cluster_settings.model_copy(update={"keyspace": f"test_{os.getpid()}_page"})
    await asyncio.to_thread(apply, settings)
    store = await Store.open(settings)
    writer = await Writer.open(store.session, Retention.of(0))
    said = [*page_chat.long_chat(), *page_chat.short_chat(), *page_chat.hostile_chat(), *page_chat.notices().values()]
    for start in range(0, len(said), AT_ONCE):
        await writer.write(said[start : start + AT_ONCE])
    await writer.flush()
    long_id, start = page_chat.LONG.channel_id("demo"), page_chat.LONG_START_MS
    for span in (Span(start, page_chat.LONG_GAP.from_ms), Span(page_chat.LONG_GAP.to_ms, start + 864_000_000)):
        await store.coverage.record(long_id, span, "worker")
    try:
        yield store
    finally:
        await store.session.execute(f"DROP KEYSPACE {settings.keyspace}")
        await store.close()


@pytest.fixture(scope="session")
async def page_writer(page_store: Store) -> Writer:
    return await Writer.open(page_store.session, Retention.of(0))


@pytest.fixture(scope="session")
async def page_client(page_store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the service that gives the page."""
    async with served(page_store.session.settings, live_seconds=0.1, optout_seconds=0.1) as client:
        await until_ready(client)
        yield client


@pytest.fixture(scope="session")
def address(page_client: httpx2.AsyncClient) -> str:
    """Where the page is."""
    return str(page_client.base_url).rstrip("/")


@pytest.fixture
async def reader(browser: Browser, address: str) -> AsyncIterator[Reader]:
    """A reader in another time zone, who must not have been given a reason to complain, nor have left the house."""
    context = await browser.new_context(
        base_url=address, viewport=WIDE, locale="en-GB", timezone_id="Asia/Tokyo", color_scheme="dark"
    )
    reader = Reader.of(await context.new_page())
    yield reader
    await context.close()
    assert reader.complaints == []
    assert [url for url in reader.asked if not url.startswith(address)] == []
