"""For everyone: without a mouse, with a screen reader, on a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect
from support.browsing import Reader, settled


async def violations(page) -> list[str]:
    found = (await Axe().run(page)).response["violations"]
    return [f"{each['id']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.fixture
async def phone(browser: Browser, address: str):
    context = await browser.new_context(
        base_url=address, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True, color_scheme="light"
    )
    yield Reader.of(await context.new_page())
    await context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_axe_finds_nothing_to_complain_about(reader, scheme):
    page = reader.page
    await page.emulate_media(color_scheme=scheme)
    await page.goto("/")
    await page.get_by_role("link", name="#moonbase").wait_for()
    assert await violations(page) == []
    await reader.read("/?channel=moonbase&q=kappa")
    assert await violations(page) == []
    await reader.read("/?channel=moonbase")
    await page.locator(".line").first.click()
    await page.get_by_role("button", name="Activity").click()
    await page.locator("#activity svg a").first.wait_for()
    assert await violations(page) == []
    await page.get_by_role("button", name="Days", exact=True).click()
    await page.locator(".count").first.wait_for()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Options").click()
    assert await violations(page) == []
    await page.get_by_role("link", name="opt out").click()
    await page.get_by_role("button", name="Get a code").click()
    await page.get_by_role("dialog").locator("code").wait_for()
    assert await violations(page) == []


async def test_everything_is_done_with_the_keyboard(reader):
    page = await reader.read("/?channel=moonbase")
    await settled(page)
    rows = page.locator(".line")
    await page.keyboard.press("j")
    await expect(rows.first).to_be_focused()
    await page.keyboard.press("j")
    await page.keyboard.press("ArrowDown")
    await expect(rows.nth(2)).to_be_focused()
    await page.keyboard.press("k")
    await page.keyboard.press("ArrowUp")
    await expect(rows.first).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**line={await rows.first.get_attribute('data-sent')}")
    await page.keyboard.press("Escape")
    await expect(page.locator("[aria-current=true]")).to_have_count(0)
    await page.keyboard.press("u")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Ada_Lift in #moonbase")
    await page.keyboard.press("/")
    await page.keyboard.type("evening")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("log")).to_be_focused()
    await page.keyboard.press("d")
    await expect(page.get_by_role("dialog", name="Go to a day")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", level=1)).to_have_text("#moonbase")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Options")).to_be_visible()


async def test_the_page_fits_a_phone(phone):
    page = await phone.read("/?channel=moonbase")
    await settled(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    log = await page.get_by_role("log").bounding_box()
    assert log["height"] > 780 / 2
    await page.get_by_role("link", name="Cy_Rude").tap()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cy_Rude in #moonbase")
    assert await violations(page) == []
    await page.get_by_role("button", name="Days", exact=True).tap()
    await page.locator(".count").first.wait_for()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_role("link", name="Channels").tap()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Channels")
    await page.get_by_role("link", name="Opt out").tap()
    await page.get_by_role("button", name="Get a code").tap()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_be_in_viewport(ratio=1)
    assert await violations(page) == []
    assert phone.complaints == []
