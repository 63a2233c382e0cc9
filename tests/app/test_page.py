"""How the page is served: small, whole, cached by ETag, and under a policy that lets it run nothing but itself."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

PAGE = files("app").joinpath("page")
NAMES = sorted(file.name for file in PAGE.iterdir())
SCRIPTS = [name for name in NAMES if name.endswith(".js")]


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in NAMES)])
async def test_every_file_is_served_under_the_policy_and_has_an_etag(client, path):
    answer = await client.get(path)
    assert answer.status_code == 200
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' https://static-cdn.jtvnw.net"
    assert answer.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    # A browser takes the headers of a 304 for those of what it kept.
    assert again.headers["content-security-policy"] == answer.headers["content-security-policy"]


async def test_what_the_page_has_not_is_said(client):
    for name in ("nothing.js", "..%2fservice.py", "__init__.py"):
        answer = await client.get(f"/page/{name}")
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


def test_the_scripts_are_small_and_all_are_asked_for_at_once():
    assert sum(len(PAGE.joinpath(name).read_bytes()) for name in SCRIPTS) <= 100_000
    page = PAGE.joinpath("index.html").read_text()
    assert sorted(re.findall(r'"/page/([a-z]+\.js)"', page)) == SCRIPTS


def test_no_text_can_become_markup():
    for name in SCRIPTS:
        source = PAGE.joinpath(name).read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|Function\(", source
        )
    page = PAGE.joinpath("index.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|https?:", page)
