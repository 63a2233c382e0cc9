"""Takes the pictures of the page for the documentation: `python -m bench.pictures`.

It starts a node of its own, writes a made-up day of chat and serves it; a Chromium in the PATH looks at it.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from playwright.async_api import Browser

from app.server import serve
from app.settings import AppSettings
from bench.browser import chromium
from bench.ground import free_port, node, store_settings
from ingest.demo import DemoChat
from store.coverage import Span
from store.keys import MS_IN_DAY
from store.message import Message
from store.retention import Retention
from store.settings import StoreSettings
from store.store import Store
from store.workers import Worker, Workers
from store.writer import Writer

DOCS = Path(__file__).parents[1] / "docs"
CHAT = DemoChat(channels=("demo", "moonbase"), rate=0.5, seed=7)
SPARSE = DemoChat(channels=("demo",), rate=0.008, seed=8)
HOURS = 20
DAYS = 40
GAP_MS = (9_000_000, 7_800_000)  # before the end
ZONE, LANGUAGE = "UTC", "en-GB"
AT_ONCE = 500


def said(channel: str, end_ms: int) -> Iterator[Message]:
    """Yield a day that begins slowly, with a gap in it."""
    begin_ms = end_ms - HOURS * 3_600_000
    for number in CHAT.numbers_between(begin_ms, end_ms, begin_ms):
        at = CHAT.time_of(number, begin_ms)
        share = 0.15 + 0.85 * math.sin(math.pi * (at - begin_ms) / (end_ms - begin_ms) * 0.8) ** 2
        if number * 0.618 % 1 < share and not GAP_MS[1] < end_ms - at < GAP_MS[0]:
            yield Message.parse(CHAT.line(channel, number, begin_ms), channel_id=CHAT.channel_id(channel))


def earlier(channel: str, end_ms: int) -> Iterator[Message]:
    """Yield the weeks before that day, of which some were busier than others."""
    begin_ms = (end_ms // MS_IN_DAY - DAYS) * MS_IN_DAY
    for number in SPARSE.numbers_between(begin_ms, end_ms - HOURS * 3_600_000, begin_ms):
        day = (SPARSE.time_of(number, begin_ms) - begin_ms) // MS_IN_DAY
        if day % 9 != 4 and number * 0.618 % 1 < math.sin(day * 1.7) ** 2:
            yield Message.parse(SPARSE.line(channel, number, begin_ms), channel_id=SPARSE.channel_id(channel))


async def write(settings: StoreSettings, end_ms: int) -> None:
    store = await Store.open(settings)
    try:
        writer = await Writer.open(store.session, Retention.of(0))
        for channel in CHAT.channels:
            chat = [*(earlier(channel, end_ms) if channel in SPARSE.channels else ()), *said(channel, end_ms)]
            for start in range(0, len(chat), AT_ONCE):
                await writer.write(chat[start : start + AT_ONCE])
            await writer.flush()
            for span in (Span(0, end_ms - GAP_MS[0]), Span(end_ms - GAP_MS[1], end_ms + 3_600_000)):
                begin = max(span.from_ms, end_ms - HOURS * 3_600_000)
                await store.coverage.record(CHAT.channel_id(channel), Span(begin, span.to_ms), "worker")
        reading = frozenset(CHAT.channel_id(channel) for channel in CHAT.channels)
        now_ms = time.time_ns() // 1_000_000
        worker = Worker("pictures", uuid.uuid4(), now_ms, now_ms, reading=reading)
        await (await Workers.open(store.session)).beat(worker, 600)
    finally:
        await store.close()


async def look(browser: Browser, address: str) -> None:
    wide = await browser.new_context(
        viewport={"width": 1200, "height": 780}, color_scheme="dark", timezone_id=ZONE, locale=LANGUAGE
    )
    page = await wide.new_page()
    await page.goto(f"{address}/?channel=demo")
    await page.locator("#live").wait_for()
    await page.get_by_role("button", name="Activity").click()
    await page.locator("#activity svg a").first.wait_for()
    await page.wait_for_load_state()
    await page.get_by_role("log").focus()
    await page.screenshot(path=DOCS / "page.png")
    await page.get_by_role("button", name="Days", exact=True).click()
    days = page.get_by_role("dialog")
    await days.locator(".count").first.wait_for()
    await days.screenshot(path=DOCS / "page-days.png")
    await page.goto(f"{address}/?channel=demo#opt-out")
    await page.get_by_role("button", name="Get a code").click()
    await page.locator(".say").wait_for()
    await page.get_by_role("dialog").screenshot(path=DOCS / "page-optout.png")
    small = await browser.new_context(
        viewport={"width": 390, "height": 720}, color_scheme="light", timezone_id=ZONE, locale=LANGUAGE
    )
    page = await small.new_page()
    await page.goto(f"{address}/?channel=demo&q=kappa")
    await page.locator("mark").last.wait_for()
    await page.screenshot(path=DOCS / "page-phone.png")


async def take(settings: StoreSettings) -> None:
    await write(settings, time.time_ns() // 1_000_000)
    port, started = free_port(), asyncio.Event()
    serving = asyncio.create_task(serve(settings, AppSettings(port=port), started=started.set))
    await started.wait()
    async with chromium() as browser:
        await look(browser, f"http://127.0.0.1:{port}")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def main() -> None:
    with node("1G") as local:
        asyncio.run(take(store_settings(local, "pictures")))
    for picture in sorted(DOCS.glob("page*.png")):
        print(picture.name, f"{picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
