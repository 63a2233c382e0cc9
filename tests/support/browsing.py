"""A Chromium that is on the machine, driven by Playwright; it asks nothing on its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the machine's Chromium; without one, what needs it is skipped."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no Chromium is on this machine: none of {', '.join(NAMES)} is in the PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Reader:
    """Someone who reads the page.

    Attributes:
        page: the tab.
        asked: the addresses that it asked for.
        complaints: what the console said, and errors that nobody caught.
    """

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Reader:
        """Watch a tab from its beginning."""
        reader = cls(page)
        page.on("request", lambda request: reader.asked.append(request.url))
        page.on("console", lambda said: said.type in ("error", "warning") and reader.complaints.append(said.text))
        page.on("pageerror", lambda error: reader.complaints.append(str(error)))
        return reader

    async def read(self, address: str) -> Page:
        """Go to an address of the page, and wait for its first line."""
        await self.page.goto(address)
        await self.page.locator(".line").first.wait_for()
        return self.page


def query(url: str) -> dict[str, str]:
    """Give what an address of the page asks for."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


async def asks(page: Page, **asked: str) -> None:
    """Wait until the address asks for this and nothing else; the page may lead it there a moment after what is seen."""
    await page.wait_for_url(lambda url: query(url) == asked)


_SETTLED = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const log = document.querySelector("#log");
  do { await frame(); await frame(); } while (log.getAttribute("aria-busy") === "true");
}"""


async def settled(page: Page) -> None:
    """Wait until the page reads nothing more for where the reader is."""
    await page.evaluate(_SETTLED)


async def scroll_to(page: Page, top: int) -> None:
    """Scroll to so many pixels below the first row."""
    await page.locator("#log").evaluate("(log, top) => { log.scrollTop = top }", top)
    await settled(page)
