"""Opting out from the page: a code, where to say it, and that who said it is gone."""

from __future__ import annotations

import asyncio
import re
import time
import uuid

import pytest
from playwright.async_api import expect
from support import lines
from support.patience import patience

from ingest.said_optouts import SaidOptouts
from store.message import Message
from store.workers import Worker, Workers

CORNER_ID = 9004
SHY = {"channel_id": CORNER_ID, "channel": "corner", "user_id": 599, "login": "dee_shy"}


@pytest.fixture
async def corner(page_store, page_writer) -> None:
    """A chat that is being read, and in it one who would rather not be in a log."""
    await page_writer.write([Message.parse(lines.privmsg("I was here", number=3000, **SHY))])
    await page_writer.flush()
    now = time.time_ns() // 1_000_000
    worker, workers = (
        Worker("reads", uuid.uuid4(), now, now, reading={CORNER_ID}),
        await Workers.open(page_store.session),
    )
    await workers.beat(worker, 60)
    yield
    await workers.forget(worker)


async def test_who_says_the_code_of_the_form_is_gone(reader, corner, page_store, page_client):
    page = await reader.read("/?channel=corner&user=dee_shy")
    await page.get_by_role("button", name="Options").click()
    await page.get_by_role("link", name="opt out").click()
    form = page.get_by_role("dialog", name="Opt out")
    await expect(form).to_be_visible()
    await expect(page.get_by_role("dialog", name="Options")).to_be_hidden()
    await form.get_by_role("button", name="Get a code").click()
    said = form.get_by_role("status")
    await expect(said).to_contain_text("Read now: #corner.")
    sentence = await said.locator("code").text_content()
    code = sentence.removeprefix("!logstv optout ")
    # What the form says of a channel is of the same code.
    await form.get_by_label("my channel").check()
    await expect(said.locator("code")).to_have_text(f"!logstv optout channel {code}")
    await form.get_by_label("what I wrote").check()
    await expect(said.locator("code")).to_have_text(sentence)
    await expect(said.locator("time")).to_have_attribute("title", re.compile(r" UTC$"))
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await said.get_by_role("button", name="Copy").click()
    await expect(said.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == sentence

    heard = await SaidOptouts.open(page_store.session)
    await heard.hear(Message.parse(lines.privmsg(sentence, number=3001, **SHY)))
    async with patience():
        while (await page_client.get("/v1/channels/corner/users/dee_shy/messages")).status_code != 403:
            await asyncio.sleep(0.05)
    await page.reload()
    await expect(page.get_by_role("status")).to_contain_text("has opted out of being logged")
    await expect(page.locator(".line")).to_have_count(0)
    reader.complaints.clear()  # the console says once more what the answer's status was


async def test_the_form_has_an_address_and_keeps_no_old_code(reader):
    page = reader.page
    await page.goto("/?channel=moonbase#opt-out")
    form = page.get_by_role("dialog", name="Opt out")
    await form.get_by_role("button", name="Get a code").press("Enter")
    await expect(form.get_by_role("status")).to_contain_text("!logstv optout ")
    await page.keyboard.press("Escape")
    await expect(form).to_be_hidden()
    await expect(page).to_have_url(re.compile(r"/\?channel=moonbase$"))
    await page.goto("/")
    await page.get_by_role("link", name="Opt out").press("Enter")
    await expect(form).to_be_visible()
    await expect(form.get_by_role("status")).to_be_empty()
    await expect(page).to_have_url(re.compile("/$"))


async def test_a_service_that_cannot_give_a_code_says_so(reader, page_store):
    page = await reader.read("/?channel=moonbase#opt-out")
    await page.context.set_offline(True)
    await page.get_by_role("button", name="Get a code").click()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("The service cannot be reached.")
    await page.context.set_offline(False)
    await page.goto("about:blank")
    assert all("Failed to load" in said or "ERR_INTERNET" in said for said in reader.complaints)
    reader.complaints.clear()
