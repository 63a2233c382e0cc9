"""How soon the page is there, what it weighs, and how a day of 300,000 lines scrolls.

    python -m bench.page [--lines 300000] [--seconds 30]

The service runs in a process of its own and a Chromium without a graphics card reads from it; both, and the node, share
the machine. First paint is that of ten readers who were never there, each with an empty cache: of the page, and of
its first line. Frames are counted while the log scrolls at 6,000 pixels a second, some 230 lines, faster than anyone
reads. Then all of the day is walked to its first line, and the heap is measured on the way, after a collection.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

from playwright.async_api import Browser, CDPSession, Page

from bench import ground
from bench.browser import chromium, path
from ingest.demo import DemoChat
from store.keys import MS_IN_DAY
from store.message import Message
from store.retention import Retention
from store.settings import StoreSettings
from store.store import Store
from store.writer import Writer

CHANNEL = "demo"
AT_ONCE = 500
READERS = 10
SPEED = 6000
STEPS = 3  # the heap is measured so many times on the way

WATCH = """() => new MutationObserver((_, watch) => {
  if (!document.querySelector(".line")) return;
  watch.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.firstLine = performance.now() }));
}).observe(document, { childList: true, subtree: true })"""
"""Notes when the first line is painted."""

PAINTED = """() => {
  const scripts = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".js"));
  const sum = (size) => scripts.reduce((all, script) => all + script[size], 0);
  return {
    paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    line: window.firstLine,
    bytes: sum("decodedBodySize"),
    sent: sum("transferSize"),
  };
}"""

SCROLL = """([speed, seconds]) => new Promise((done) => {
  const log = document.querySelector("#log");
  const frames = [];
  let [first, last] = [0, 0];
  const frame = (now) => {
    if (last) frames.push(now - last);
    first ||= now;
    log.scrollTop -= speed * (last ? now - last : 0) / 1000;
    last = now;
    if (now - first < seconds * 1000) requestAnimationFrame(frame);
    else done(frames);
  };
  requestAnimationFrame(frame);
})"""
"""Scrolls up at a speed; gives how long each frame took, in milliseconds."""

WALK = """async (most) => {
  const log = document.querySelector("#log");
  let lines = 0;
  const watch = new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) lines += node.querySelectorAll(".line").length;
  });
  watch.observe(document.querySelector("#rows"), { childList: true });
  const older = document.querySelector(".edge");
  while (lines < most && older.dataset.state !== "end") {
    log.scrollTop = 0;
    do await new Promise(requestAnimationFrame); while (log.getAttribute("aria-busy") === "true");
  }
  watch.disconnect();
  return lines;
}"""
"""Walks up until so many lines came; gives how many did."""


async def fill(settings: StoreSettings, lines: int) -> None:
    """Write yesterday, as the demo chat would have said it."""
    chat = DemoChat(channels=(CHANNEL,), rate=lines * 1000 / MS_IN_DAY, seed=7)
    start = (time.time_ns() // 1_000_000 // MS_IN_DAY - 1) * MS_IN_DAY
    store = await Store.open(settings)
    writer = await Writer.open(store.session, Retention.of(0))
    for first in range(0, lines, AT_ONCE):
        said = (chat.line(CHANNEL, number, start) for number in range(first, min(first + AT_ONCE, lines)))
        await writer.write([Message.parse(line, channel_id=chat.channel_id(CHANNEL)) for line in said])
    await writer.flush()
    await store.close()


async def opened(browser: Browser, address: str) -> Page:
    context = await browser.new_context(viewport={"width": 1200, "height": 800})
    page = await context.new_page()
    await page.add_init_script(f"({WATCH})()")
    await page.goto(address)
    await page.wait_for_function("() => window.firstLine")
    return page


async def heap(devtools: CDPSession) -> dict[str, float]:
    await devtools.send("HeapProfiler.collectGarbage")
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    found = {metric["name"]: metric["value"] for metric in metrics}
    return {"heap": found["JSHeapUsedSize"] / 2**20, "nodes": found["Nodes"]}


async def measure(port: int, lines: int, seconds: float) -> list[dict[str, Any]]:
    address = f"http://127.0.0.1:{port}/?channel={CHANNEL}"
    rows: list[dict[str, Any]] = []

    def row(what: str, value: float, unit: str, target: str = "") -> None:
        rows.append({"what": what, "measured": value, "unit": unit, "target": target})
        print(f"{what}: {value:,.1f} {unit}", file=sys.stderr)

    async with chromium() as browser:
        painted = []
        for _ in range(READERS):
            page = await opened(browser, address)
            painted.append(await page.evaluate(PAINTED))
            await page.context.close()
        for name, what, target in (("paint", "first paint", "1,000"), ("line", "first line", "")):
            times = [each[name] for each in painted]
            row(f"{what}, median", statistics.median(times), "ms", target)
            row(f"{what}, slowest of {READERS}", max(times), "ms", target)
        row("script", painted[-1]["bytes"] / 1000, "kB", "100")
        row("script as it is sent", painted[-1]["sent"] / 1000, "kB")

        page = await opened(browser, address)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        row("heap at the newest line", (await heap(devtools))["heap"], "MiB")
        frames = await page.evaluate(SCROLL, [SPEED, seconds])
        slowest = sorted(frames)
        row("frames a second", len(frames) * 1000 / sum(frames), "1/s", "50")
        row("frame, median", statistics.median(frames), "ms", "20")
        for share in (95, 99):
            row(f"frame, {share}th percentile", slowest[len(slowest) * share // 100], "ms")
        walked = 0
        for step in range(STEPS):
            begun = time.perf_counter()
            # The newest lines were there, and what scrolling passed is walked already.
            came = await page.evaluate(WALK, lines // STEPS if step + 1 < STEPS else lines)
            walked += came
            row(f"lines a second, after {walked:,} more lines", came / (time.perf_counter() - begun), "1/s")
            for name, value in (await heap(devtools)).items():
                row(f"{name}, after {walked:,} more lines", value, "MiB" if name == "heap" else "")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    if path() is None:
        print("No Chromium is in the PATH: the page is not measured.")
        return
    with ground.node() as local:
        settings = ground.store_settings(local, "page")
        asyncio.run(fill(settings, options.lines))
        with ground.service(settings) as service:
            rows = asyncio.run(measure(service.port, options.lines, options.seconds))
    ground.report("page", rows, f"A day of {options.lines:,} lines; node, service and Chromium on one machine.")


if __name__ == "__main__":
    main()
