"""Reading a log: picking it, scrolling, jumping, searching, and the address that leads back to what was seen."""

from __future__ import annotations

import asyncio
import re
import uuid

import pytest
from playwright.async_api import Locator, Page, expect
from support import lines, page_chat
from support.browsing import asks, query, scroll_to, settled
from support.serving import served, until_ready

from store.keys import timeuuid

FIRST = """() => {
  const top = document.querySelector("#log").getBoundingClientRect().top;
  const row = [...document.querySelectorAll(".line")].find((line) => line.getBoundingClientRect().top >= top - 1);
  return [row.dataset.sent, Math.round(row.getBoundingClientRect().top - top)];
}"""
"""The first line that is seen whole, and how far below the edge it begins."""


ADDRESSED = f"""() => {{
  const [sent] = ({FIRST})();
  const time = document.querySelector(`[data-sent="${{sent}}"] time`).dateTime;
  return new URLSearchParams(location.search).get("at") === time;
}}"""
"""Whether the address says which line that is."""

GONE = str(uuid.UUID(int=timeuuid(lines.EVENING_MS, 0x8000_0000_0000_BEEF)))


def field(page: Page, label: str) -> Locator:
    return page.locator("#pick").get_by_label(label)


async def test_a_reader_picks_a_channel_and_reads_its_newest_lines_at_the_bottom(reader):
    page = reader.page
    await page.goto("/")
    await page.get_by_role("link", name="#moonbase").click()
    await expect(page.locator(".line")).to_have_count(12)
    await asks(page, channel="moonbase")
    await expect(page.get_by_role("heading", level=1)).to_have_text("#moonbase")
    await field(page, "Channel").fill("DEMO")
    await field(page, "Channel").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("#demo")
    last = page.locator(".line").last
    await expect(last).to_be_in_viewport(ratio=1)
    assert await last.locator("time").evaluate("(time) => Date.parse(time.dateTime)") == page_chat.LONG_END_MS
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("#moonbase")


@pytest.mark.parametrize(
    ("asked", "count", "heading"),
    [
        ({"Channel": "moonbase", "User": "bo_nord"}, 4, "Bo_Nord in #moonbase"),
        ({"Channel": "id:9001", "User": "id:503"}, 2, "Cy_Rude in #moonbase"),
        ({"User": "@Bo_Nord"}, 4, "Bo_Nord everywhere"),
    ],
)
async def test_a_reader_picks_a_user_in_a_channel_or_everywhere(reader, asked, count, heading):
    page = reader.page
    await page.goto("/")
    for label, value in asked.items():
        await field(page, label).fill(value)
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    await expect(page.locator(".line")).to_have_count(count)
    assert await page.locator(".line .where").count() == (0 if "Channel" in asked else count)


async def test_what_is_not_there_is_said_in_a_sentence(reader):
    page = reader.page
    for address, sentence in (
        ("/?channel=nowhere", "no channel 'nowhere' has a log here"),
        ("/?channel=moonbase&user=nobody", "nobody was seen here"),
        ("/?channel=moonbase&line=x", "names no line"),
        ("/?channel=moonbase&q=never+said", "No such lines are here."),
        (f"/?channel=moonbase&line={GONE}", "it expired"),
    ):
        await page.goto(address)
        await expect(page.get_by_role("status")).to_contain_text(sentence)
    # The console says once more what the answers' status was.
    assert all("Failed to load resource" in said for said in reader.complaints)
    reader.complaints.clear()


async def test_lines_are_added_above_without_moving_what_is_seen(reader):
    page = await reader.read("/?channel=demo")
    await settled(page)
    oldest = await page.locator(".line").first.get_attribute("data-sent")
    await scroll_to(page, 600)
    seen = await page.evaluate(FIRST)
    await page.wait_for_function("(sent) => document.querySelector('.line').dataset.sent !== sent", arg=oldest)
    await settled(page)
    assert await page.evaluate(FIRST) == seen


async def test_the_address_leads_back_to_what_was_seen(reader):
    page = await reader.read("/?channel=demo")
    await settled(page)
    for _ in range(3):
        await scroll_to(page, 0)
        await settled(page)
    await scroll_to(page, 3000)
    await page.wait_for_function(ADDRESSED)
    seen, _ = await page.evaluate(FIRST)
    address = page.url
    await page.goto("about:blank")
    await reader.read(address)
    await settled(page)
    assert (await page.evaluate(FIRST))[0] == seen
    await expect(page).to_have_url(address)
    # From there it goes on to both sides.
    await scroll_to(page, 0)
    await settled(page)
    await scroll_to(page, 1_000_000)
    await settled(page)
    await page.get_by_role("button", name="Newest lines").click()
    await expect(page.locator(".line").last).to_be_in_viewport()
    await asks(page, channel="demo")


async def test_days_that_exist_can_be_jumped_to(reader, page_client):
    page = await reader.read("/?channel=demo")
    await page.get_by_role("button", name="Days", exact=True).click()
    table = page.get_by_role("table")
    await expect(table).to_be_visible()
    days = (await page_client.get("/v1/channels/demo/days")).json()["days"]
    there = await table.locator("button:enabled").evaluate_all("(found) => found.map((each) => each.dataset.day)")
    assert sorted(there) == sorted(day for day in days if day.startswith("2026-03"))
    await page.get_by_role("button", name="Earlier month").click()
    await page.locator("[data-day='2026-02-28']").focus()
    await page.get_by_role("combobox", name="Month").select_option("March 2026")
    await expect(page.get_by_role("combobox", name="Month")).to_be_focused()
    await page.locator("[data-day='2026-03-02']").click()
    await page.wait_for_url("**at=2026-03-02T00:00:00.000Z")
    await settled(page)
    sent, offset = await page.evaluate(FIRST)
    first = page.locator(f"[data-sent='{sent}'] time")
    assert (await first.get_attribute("datetime")).startswith("2026-03-02T00:00:0")
    assert offset <= 1
    assert await page.locator("#day").text_content() == "Monday, 2 March 2026"


BUSY = """(buttons) => Object.fromEntries(buttons.map((button) =>
  [button.dataset.day, [button.ariaLabel.split(": ")[1], Number(button.style.getPropertyValue("--busy"))]]))"""
"""What each day says of how busy it was, and how dark it is."""


async def test_days_say_how_busy_they_were(reader, page_client):
    page = await reader.read("/?channel=demo")
    await page.get_by_role("button", name="Days", exact=True).click()
    asked = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    found = (await page_client.get("/v1/channels/demo/stats", params=asked)).json()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text(
        f"March 2026: {found['total']:,} lines."
    )
    totals = {period["start"][:10]: period["total"] for period in found["periods"]}
    assert len(totals) == 3
    shown = await page.get_by_role("table").locator("button:enabled").evaluate_all(BUSY)
    assert {day: said for day, (said, _) in shown.items()} == {day: f"{total:,} lines" for day, total in totals.items()}
    assert [round(share, 3) for _, share in shown.values()] == [
        round((total / max(totals.values())) ** 0.5, 3) for total in totals.values()
    ]
    await page.locator("[data-day='2026-03-01']").focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("[data-day='2026-03-02']")).to_be_focused()


async def test_days_that_take_long_to_count_are_counted_on_when_the_reader_says_so(reader, page_store):
    page = reader.page
    async with served(page_store.session.settings, stats_seconds=0.001) as client:
        await until_ready(client)
        await page.goto(f"{client.base_url}/?channel=demo")
        await page.locator(".line").first.wait_for()
        await page.get_by_role("button", name="Days", exact=True).click()
        status = page.get_by_role("dialog").get_by_role("status")
        await expect(status).to_contain_text("lines up to")
        # What was counted in part does not count yet.
        await expect(page.locator(".count")).to_have_count(1)
        await status.get_by_role("button", name="Count on").click()
        await expect(page.locator(".count")).to_have_count(3)
        await expect(status).to_have_text(re.compile(r"^March 2026: [\d,]+ lines\.$"))
        reader.asked = [url for url in reader.asked if not url.startswith(str(client.base_url))]
        await page.goto("about:blank")


async def test_a_time_of_the_readers_clock_can_be_jumped_to(reader):
    page = await reader.read("/?channel=demo")
    await page.get_by_role("button", name="Days", exact=True).click()
    time = page.get_by_label("Or to a time of your clock")
    await expect(time).to_have_value(re.compile("^2026-03-03T16:"))  # where the reader is, in Tokyo
    await time.fill("2026-03-01T12:30")
    await page.get_by_role("button", name="Go", exact=True).click()
    await page.wait_for_url("**at=2026-03-01T03:30:00.000Z")
    await settled(page)
    sent, _ = await page.evaluate(FIRST)
    await expect(page.locator(f"[data-sent='{sent}'] time")).to_have_text(re.compile("^12:30:"))


async def test_a_users_days_in_a_channel_and_months_everywhere_can_be_jumped_to(reader):
    page = await reader.read("/?channel=moonbase&user=bo_nord")
    await page.get_by_role("button", name="Days", exact=True).click()
    days = page.get_by_role("table").locator("button:enabled")
    await expect(days).to_have_count(1)
    await expect(days).to_have_accessible_name("Sunday, 1 March 2026: 4 lines")
    await days.click()
    await page.wait_for_url("**at=2026-03-01T00:00:00.000Z")
    await reader.read("/?user=bo_nord")
    await page.get_by_role("button", name="Days", exact=True).click()
    await page.get_by_role("button", name="March 2026").click()
    await page.wait_for_url("**at=2026-03-01T00:00:00.000Z")


async def test_a_click_on_a_line_gives_its_permalink_and_what_was_said_around_it(reader):
    page = await reader.read("/?channel=demo&q=lantern")
    found = page.locator(".line").nth(-20)
    sent = await found.get_attribute("data-sent")
    await found.locator(".text").click()
    await page.wait_for_url(f"**/?channel=demo&line={sent}")
    chosen = page.locator("[aria-current=true]")
    await expect(chosen).to_have_attribute("data-sent", sent)
    await expect(chosen).to_be_in_viewport(ratio=1)
    assert await page.locator(".line").count() >= 100
    await settled(page)
    # Another one in sight: only the address and the mark change.
    other = page.locator(f"[data-sent='{(await page.evaluate(FIRST))[0]}']")
    await other.locator("time").click()
    await expect(page.locator("[aria-current=true]")).to_have_attribute(
        "data-sent", await other.get_attribute("data-sent")
    )
    await asks(page, channel="demo", line=await other.get_attribute("data-sent"))
    await page.go_back()
    await expect(page.locator("[aria-current=true]")).to_have_attribute("data-sent", sent)
    await page.go_back()
    await expect(page.locator("mark").last).to_be_visible()
    # Scrolled out of sight, it is the address no more.
    await page.go_forward()
    await expect(page.locator("[aria-current=true]")).to_be_in_viewport()
    await settled(page)
    await scroll_to(page, 0)
    await page.wait_for_url(lambda url: query(url).keys() == {"channel", "at"})


async def test_a_line_can_be_pointed_at_in_a_users_log_too(reader):
    page = await reader.read("/?channel=moonbase&user=bo_nord")
    sent = await page.locator(".line").nth(1).get_attribute("data-sent")
    await reader.read(f"/?channel=moonbase&user=bo_nord&line={sent}")
    await expect(page.locator("[aria-current=true]")).to_have_attribute("data-sent", sent)
    await expect(page.locator("[aria-current=true]")).to_be_focused()
    await expect(page.locator(".line")).to_have_count(4)


async def test_a_name_leads_to_the_users_log_and_escape_back(reader):
    page = await reader.read("/?channel=moonbase")
    await page.get_by_role("link", name="Cy_Rude").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cy_Rude in #moonbase")
    await asks(page, channel="moonbase", user="id:503")
    await page.locator("#log").press("Escape")
    await expect(page.get_by_role("heading", level=1)).to_have_text("#moonbase")


async def test_what_was_searched_for_is_marked_in_any_case(reader):
    page = await reader.read("/?channel=moonbase&q=STRASSE")
    await expect(page.locator(".line")).to_have_count(1)
    await expect(page.locator("mark")).to_have_text("Straße")
    await page.keyboard.press("/")
    await expect(field(page, "Search")).to_be_focused()
    await page.keyboard.type("kappa")
    await page.keyboard.press("Enter")
    await expect(page.locator("mark")).to_have_text(["Kappa", "Kappa", "Kappa"])
    await asks(page, channel="moonbase", q="kappa")


@pytest.mark.parametrize(("choice", "count"), [("with removed", 12), ("without removed", 10), ("removed only", 2)])
async def test_removed_lines_are_shown_hidden_or_alone(reader, choice, count):
    page = await reader.read("/?channel=moonbase")
    await field(page, "Removed").select_option(choice)
    await expect(page.locator(".line")).to_have_count(count)
    await field(page, "Lines").select_option("chat")
    await expect(page.locator(".line.event")).to_have_count(0)


async def test_a_search_that_finds_nothing_for_long_asks_whether_to_go_on(reader, page_store):
    page = reader.page
    async with served(page_store.session.settings, search_seconds=0.001) as client:
        await until_ready(client)
        await page.goto(f"{client.base_url}/?channel=demo&q=never+said")
        button = page.get_by_role("button", name="Look further back")
        await button.wait_for()
        asked = len(reader.asked)
        await button.click()
        await button.wait_for()
        assert len(reader.asked) > asked
        reader.asked = [url for url in reader.asked if not url.startswith(str(client.base_url))]
        await page.goto("about:blank")


async def test_gaps_are_shown_where_nobody_listened(reader):
    page = await reader.read("/?channel=demo&at=2026-02-28T12:03:00Z")
    shown = page.locator(".gap")
    await expect(shown).to_have_count(1)
    await expect(shown).to_be_in_viewport(ratio=1)
    await expect(shown).to_contain_text("Nobody listened for 5 min")
    await expect(shown.locator("span")).to_have_attribute(
        "title", "2026-02-28 12:00:00.000 UTC to 2026-02-28 12:05:00.000 UTC"
    )


async def test_the_activity_of_a_channel_leads_to_its_hours_and_its_chatters(reader):
    page = await reader.read("/?channel=demo&at=2026-03-01T03:00:00Z")
    await page.get_by_role("button", name="Activity").click()
    bars = page.locator("#activity svg a")
    await expect(bars).to_have_count(24)
    # The day of a reader in Tokyo begins at 15:00 UTC.
    await page.get_by_role("link", name="00:00: 288 lines").click()
    await page.wait_for_url("**at=2026-02-28T15:00:00.000Z")
    await page.get_by_role("button", name="30 days").click()
    await expect(bars).not_to_have_count(24)
    await page.locator(".chatters a").first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(" in #demo")


async def test_what_was_asked_for_a_chart_is_withdrawn_when_another_is_asked_for(reader):
    page = reader.page
    asked, answer = asyncio.Event(), asyncio.Event()

    async def late(route):
        asked.set()
        await answer.wait()
        await route.continue_()

    await page.route("**/stats?*by=hour*", late)
    await reader.read("/?channel=demo&at=2026-03-01T03:00:00Z")
    await page.get_by_role("button", name="Activity").click()
    await asked.wait()
    async with page.expect_event("requestfailed", lambda request: "by=hour" in request.url):
        await page.get_by_role("button", name="30 days").click()
    answer.set()
    await expect(page.get_by_role("group", name="by day")).to_be_visible()


async def test_a_reply_leads_to_the_line_that_it_answers(reader):
    page = await reader.read("/?channel=moonbase&user=bo_nord")
    await page.get_by_role("button", name="Ada_Lift: good evening").click()
    chosen = page.locator("[aria-current=true]")
    await expect(chosen).to_contain_text("good evening")
    await page.wait_for_url(lambda url: query(url).keys() == {"channel", "line"})
    await page.get_by_role("button", name="Ada_Lift: good evening").click()
    await expect(chosen).to_be_focused()
    assert lines.CHANNEL in page.url


async def test_who_goes_to_the_newest_lines_points_at_none(reader):
    page = await reader.read("/?channel=demo")
    await settled(page)
    chosen, line = page.locator("[aria-current=true]"), page.locator(".line")
    await line.last.locator(".text").click()
    await expect(chosen).to_have_count(1)
    await page.keyboard.press("G")
    await expect(chosen).to_have_count(0)
    await line.nth(-2).locator(".text").click()
    await expect(chosen).to_have_attribute("data-sent", await line.nth(-2).get_attribute("data-sent"))


async def test_a_chart_that_could_not_be_counted_says_why_and_is_done(reader):
    async def fail(route):
        await route.fulfill(status=503, json={"detail": "Cassandra cannot answer."})

    await reader.page.route("**/stats?*", fail)
    page = await reader.read("/?channel=demo")
    await page.get_by_role("button", name="Activity").click()
    chart = page.locator("#activity-chart")
    await expect(chart).to_have_text("Cassandra cannot answer.")
    await expect(chart).not_to_have_attribute("aria-busy", "true")
    await page.unroute("**/stats?*")
    await page.get_by_role("button", name="30 days").click()
    await expect(page.get_by_role("group", name="by day")).to_be_visible()
    assert all("Failed to load resource" in said for said in reader.complaints)
    reader.complaints.clear()
