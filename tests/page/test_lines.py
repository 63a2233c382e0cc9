"""What lines look like: names, badges, emotes, events, removed lines, times; and that hostile ones are only text."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from support import page_chat
from support.browsing import Reader, settled

CONTRAST = """(names) => names.map((name) => {
  const parts = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const light = (color) => parts(color).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const both = [light(getComputedStyle(name).color), light(getComputedStyle(document.body).backgroundColor)];
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
})"""
"""The contrast of each name with the ground, as WCAG 2 reckons it."""


async def test_badges_are_words_with_a_title(reader):
    page = await reader.read("/?channel=moonbase")
    badges = page.locator(".line").first.locator(".badge")
    await expect(badges).to_have_text(["mod", "sub 7"])
    assert await badges.last.get_attribute("title") == "Subscriber, for 7 months"


async def test_emotes_are_found_by_code_points_and_are_text(reader):
    page = await reader.read("/?channel=moonbase")
    await expect(page.locator(".line").nth(1).locator(".emote")).to_have_text(["Kappa", "Kappa"])
    await expect(page.locator(".action .emote")).to_have_text("Kappa")
    assert await page.locator("img").count() == 0


async def test_emotes_become_pictures_when_the_reader_says_so(reader):
    page, asked = reader.page, []

    async def answer(route):
        asked.append(route.request)
        await route.fulfill(body=b"<svg xmlns='http://www.w3.org/2000/svg'/>", content_type="image/svg+xml")

    await page.route("https://static-cdn.jtvnw.net/**", answer)
    await reader.read("/?channel=moonbase")
    await page.get_by_role("button", name="Options").click()
    await page.get_by_label("Emotes as pictures").check()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("img", name="Kappa")).to_have_count(3)
    await page.wait_for_function("() => [...document.images].every((image) => image.complete)")
    assert {request.url for request in asked} == {"https://static-cdn.jtvnw.net/emoticons/v2/25/default/dark/1.0"}
    assert all("referer" not in request.headers for request in asked)
    reader.asked = [url for url in reader.asked if "jtvnw.net" not in url]


async def test_events_and_removed_lines_say_what_happened(reader):
    page = await reader.read("/?channel=moonbase")
    await expect(page.locator(".event .kind")).to_have_text(["sub", "announcement", "mod", "mod"])
    await expect(page.locator(".event").first).to_contain_text("Ada_Lift subscribed for 7 months!")
    await expect(page.locator(".event").first).to_contain_text("still here")
    await expect(page.locator(".removed .how")).to_have_text(["timed out", "deleted"])
    await expect(page.locator(".removed .text").first).to_have_text("this was removed")


async def test_notices_say_of_which_kind_they_are(reader):
    page = await reader.read("/?channel=harbour")
    await expect(page.locator(".event .kind")).to_have_text(list(page_chat.notices()))


async def test_links_lead_out_only_when_they_are_followed(reader):
    page = await reader.read("/?channel=moonbase")
    link = page.get_by_role("link", name="https://example.org/map")
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow ugc"


async def test_times_are_the_readers_and_utc_for_who_asks(reader):
    page = await reader.read("/?channel=moonbase")
    time = page.locator(".line time").first
    await expect(time).to_have_text("06:30:00")
    assert await time.get_attribute("title") == "2026-03-01 21:30:00.000 UTC"
    await expect(page.locator(".day")).to_have_text("Monday, 2 March 2026")


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_names_are_readable_on_dark_and_on_light(reader, scheme):
    await reader.page.emulate_media(color_scheme=scheme)
    page = await reader.read("/?channel=demo")
    assert min(await page.locator(".name").evaluate_all(CONTRAST)) >= 4.5
    page = await reader.read("/?channel=moonbase")  # pure blue and pure yellow
    assert min(await page.locator(".name").evaluate_all(CONTRAST)) >= 4.5


async def test_the_reader_can_choose_the_look(reader):
    page = await reader.read("/?channel=moonbase")
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("button", name="Options").click()
    await page.get_by_label("Look").select_option("light")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    await page.reload()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


async def test_hostile_lines_are_only_text(reader: Reader):
    page = await reader.read("/?channel=gremlins")
    await settled(page)
    await expect(page.locator(".line")).to_have_count(10)
    texts = await page.locator(".line .text").all_text_contents()
    assert texts[0] == "<img src=x onerror=\"document.title='owned'\">"
    assert texts[1] == "<script>document.title='owned'</script>"
    assert texts[6] == "😀" * 500
    assert await page.title() == "#gremlins · logstv"
    assert await page.locator("#rows").locator("img, script, svg, b, style, iframe").count() == 0
    assert await page.locator("#rows a[href*='evil'], #rows [onmouseover]").count() == 0
    # Nothing is wider than the page, and what is turned around stays in its place.
    assert await page.locator("#log").evaluate("(log) => log.scrollWidth <= log.clientWidth")
    for isolated in (".text", ".name bdi"):
        assert await page.locator(isolated).first.evaluate("(it) => getComputedStyle(it).unicodeBidi") == "isolate"
    heights = await page.locator(".line").evaluate_all("(lines) => lines.map((line) => getComputedStyle(line).contain)")
    assert set(heights) == {"content"}
    # A search in it marks, and still makes nothing of it.
    await reader.read("/?channel=gremlins&q=" + "%3Cscript%3E")
    assert "".join(await page.locator("mark").all_text_contents()).startswith("<script>")
