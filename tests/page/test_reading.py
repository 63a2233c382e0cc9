from __future__ import annotations


async def test_smoke(reader):
    page = await reader.read("/?channel=demo")
    await page.wait_for_timeout(1500)
    await page.screenshot(path="/tmp/page_smoke1.png")
    await reader.read("/?channel=moonbase")
    await page.wait_for_timeout(700)
    await page.screenshot(path="/tmp/page_smoke2.png")
    await reader.read("/?channel=gremlins")
    await page.wait_for_timeout(700)
    await page.screenshot(path="/tmp/page_smoke3.png")
    await page.goto("/")
    await page.wait_for_timeout(700)
    await page.screenshot(path="/tmp/page_smoke4.png")
