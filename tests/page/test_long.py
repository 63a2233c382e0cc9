"""Scrolling through the whole of a long log: every line is seen once and in order, and the document stays small."""

from __future__ import annotations

from playwright.async_api import Page
from support import page_chat
from support.browsing import settled

MOST_ROWS = 1100  # what the page keeps, and a page that was just added

WALK = """async ([up, most]) => {
  const log = document.querySelector("#log");
  const frame = () => new Promise(requestAnimationFrame);
  const seen = new Map();
  let rows = 0;
  const note = () => {
    const lines = document.querySelectorAll(".line");
    rows = Math.max(rows, lines.length);
    for (const line of lines) seen.set(line.dataset.sent, line.querySelector("time").dateTime);
    return lines;
  };
  const watch = new MutationObserver(note);
  watch.observe(document.querySelector("#rows"), { childList: true });
  note();
  for (let at = NaN, still = 0; still < 3 && seen.size < most;) {
    log.scrollTop = up ? 0 : log.scrollHeight;
    do { await frame(); } while (log.getAttribute("aria-busy") === "true");
    const lines = note();
    const edge = (up ? lines[0] : lines[lines.length - 1]).dataset.sent;
    still = edge === at ? still + 1 : 0;
    at = edge;
  }
  watch.disconnect();
  const times = [...document.querySelectorAll(".line time")].map((time) => time.dateTime);
  const sorted = times.every((time, at) => !at || times[at - 1] <= time);
  return { count: seen.size, rows, sorted };
}"""


async def walk(page: Page, *, up: bool, most: int = 1_000_000) -> dict[str, int]:
    return await page.evaluate(WALK, [up, most])


async def heap(page: Page) -> float:
    """Give how many bytes the page's objects take, without what nothing refers to."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("HeapProfiler.collectGarbage")
    return (await devtools.send("Runtime.getHeapUsage"))["usedSize"]


async def test_a_long_log_is_walked_up_and_down_with_few_rows(reader):
    page = await reader.read("/?channel=demo")
    await settled(page)
    there = len(page_chat.long_chat())
    before = await heap(page)
    walked = await walk(page, up=True)
    assert walked["count"] == there
    assert walked["rows"] <= MOST_ROWS
    assert walked["sorted"]
    assert await page.locator("#rows *").count() < MOST_ROWS * 12
    assert await heap(page) < before + 5_000_000  # all lines would take some 40 MB
    await page.get_by_text("Nothing older is here.").wait_for()
    walked = await walk(page, up=False, most=2400)
    assert walked["count"] >= 2400
    assert walked["rows"] <= MOST_ROWS
    assert walked["sorted"]
