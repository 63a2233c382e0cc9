"""Following a channel: what is said appears, what is removed is marked, and nothing is missed."""

from __future__ import annotations

import asyncio
import time
from itertools import count

import pytest
from playwright.async_api import expect
from support import lines
from support.browsing import Reader, scroll_to
from support.cassandra import unused_ports
from support.serving import served, until_ready

from store.message import Message

_NUMBERS = count(1000)
STATION_ID = 9003


@pytest.fixture
async def say(page_writer):
    """Has something be said now, in a channel that nothing else reads."""

    async def say(*texts: str, user_id: int = 503, login: str = "cy_rude") -> None:
        for text in texts:
            number = next(_NUMBERS)
            line = lines.privmsg(
                text,
                number=number,
                sent_ms=time.time_ns() // 1_000_000,
                channel_id=STATION_ID,
                channel="station",
                user_id=user_id,
                login=login,
            )
            await page_writer.write([Message.parse(line)])
        await page_writer.flush()

    await say("it begins")
    return say


async def test_what_is_said_appears_and_is_read_out(reader, say):
    page = await reader.read("/?channel=station")
    await expect(page.locator("#live")).to_be_visible()
    await expect(page.get_by_role("log")).to_have_attribute("aria-live", "off")
    await say("first", "second")
    await expect(page.locator(".line .text").last).to_have_text("second")
    await expect(page.get_by_role("log")).to_have_attribute("aria-live", "polite")
    await expect(page.locator(".line").last).to_be_in_viewport(ratio=1)
    texts = await page.locator(".line .text").all_text_contents()
    assert texts[-3:] == ["it begins", "first", "second"]


async def test_who_reads_further_up_is_not_moved_but_told(reader, say):
    await say(*(f"line {number}" for number in range(40)))
    page = await reader.read("/?channel=station")
    await expect(page.locator("#live")).to_be_visible()
    await scroll_to(page, 0)
    top = await page.locator("#log").evaluate("(log) => log.scrollTop")
    await say("news")
    button = page.get_by_role("button", name="1 new line")
    await expect(button).to_be_visible()
    await expect(page.get_by_role("log")).to_have_attribute("aria-live", "off")
    assert await page.locator("#log").evaluate("(log) => log.scrollTop") == top
    await button.click()
    await expect(page.locator(".line").last).to_be_in_viewport()
    await expect(page.locator(".line .text").last).to_have_text("news")
    await expect(button).to_be_hidden()


async def test_what_a_moderator_removes_is_marked_at_once(reader, say, page_writer):
    await say("something rude")
    page = await reader.read("/?channel=station")
    rude = page.locator(".line", has_text="something rude").last
    await expect(rude).to_be_visible()
    await expect(page.locator("#live")).to_be_visible()
    ban = lines.clearchat("cy_rude", sent_ms=time.time_ns() // 1_000_000, user_id=503)
    ban = ban.replace(f"room-id={lines.CHANNEL_ID}", f"room-id={STATION_ID}").replace("#moonbase", "#station")
    await page_writer.write([Message.parse(ban)])
    await page_writer.flush()
    await expect(rude.locator(".how")).to_have_text("timed out")


async def test_a_filter_holds_for_live_lines(reader, say):
    page = await reader.read("/?channel=station&user=id:503&type=usernotice,privmsg")
    await expect(page.locator("#live")).to_be_visible()
    await say("said by the user")
    await expect(page.locator(".line .text").last).to_have_text("said by the user")
    await page.goto("/?channel=station&user=ada_lift")
    await expect(page.get_by_role("status")).to_have_text("No such lines are here.")
    await expect(page.locator("#live")).to_be_visible()
    await say("said by someone else")
    await say("and by the user", user_id=501, login="ada_lift")
    await expect(page.locator(".line .text")).to_have_text(["and by the user"])
    await expect(page.get_by_role("status")).to_have_text("")


async def test_nothing_is_missed_while_the_service_is_away(browser, page_store, say):
    (port,) = unused_ports(1)
    settings = page_store.session.settings
    context = await browser.new_context()
    reader = Reader.of(await context.new_page())
    async with served(settings, port=port, live_seconds=0.1) as client:
        await until_ready(client)
        page = await reader.read(f"http://127.0.0.1:{port}/?channel=station")
        await expect(page.locator("#live")).to_be_visible()
    await expect(page.locator("#live")).to_be_hidden()
    await say("said while nobody could hear it")
    async with served(settings, port=port, live_seconds=0.1) as client:
        await until_ready(client)
        await expect(page.locator(".line .text").last).to_have_text("said while nobody could hear it")
        await expect(page.locator("#live")).to_be_visible(timeout=20_000)
        await say("and this is live again")
        await expect(page.locator(".line .text").last).to_have_text("and this is live again")
        await context.close()


@pytest.mark.parametrize("asked", ["", "&type=privmsg", "&user=id:503"])
async def test_what_was_said_and_removed_before_the_stream_began_is_counted_and_marked(reader, say, page_writer, asked):
    await say(*(f"rude {number}" for number in range(40)))
    number, page, begins = next(_NUMBERS) - 1, reader.page, asyncio.Event()

    async def late(route):
        await begins.wait()
        await route.continue_()

    await page.route("**/live", late)
    await reader.read(f"/?channel=station{asked}")
    rude = page.locator(".line", has_text="rude 39").last
    await expect(rude).to_be_visible()
    await scroll_to(page, 0)
    await say("said meanwhile", "and this")
    deleted = lines.clearmsg(lines.message_id(number), sent_ms=time.time_ns() // 1_000_000, login="cy_rude")
    await page_writer.write([Message.parse(deleted.replace("#moonbase", "#station"), channel_id=STATION_ID)])
    await page_writer.flush()
    begins.set()
    await expect(rude.locator(".how")).to_have_text("deleted")
    await expect(page.get_by_role("button", name=f"{2 if asked else 3} new lines")).to_be_visible()
