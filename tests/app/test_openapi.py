from __future__ import annotations

import re

from app.problems import OF_EVERY_ROUTE
from app.service import create_app
from app.settings import AppSettings
from store.settings import StoreSettings

DOCUMENT = create_app(StoreSettings(contact_points=("127.0.0.1",)), AppSettings()).openapi()
OPERATIONS = [(path, operation) for path, methods in DOCUMENT["paths"].items() for operation in methods.values()]


def references(part) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_every_route_says_what_it_does_and_how_it_goes_wrong():
    assert {path for path, _ in OPERATIONS} == {
        "/admin/channels",
        "/api/v2/recent-messages/{login}",
        "/capabilities",
        "/channels",
        "/healthz",
        "/list",
        "/namehistory/{user_id}",
        "/readyz",
        "/optout",
        "/v1/admin/channels",
        "/v1/admin/optouts",
        "/v1/channels",
        "/v1/channels/{channel}/coverage",
        "/v1/channels/{channel}/days",
        "/v1/channels/{channel}/live",
        "/v1/channels/{channel}/messages",
        "/v1/channels/{channel}/messages/{sent}",
        "/v1/channels/{channel}/stats",
        "/v1/channels/{channel}/threads/{thread}",
        "/v1/channels/{channel}/users/{user}/messages",
        "/v1/channels/{channel}/users/{user}/moderation",
        "/v1/channels/{channel}/users/{user}/stats",
        "/v1/channels/{channel}/users/{user}/months",
        "/v1/logins/{login}",
        "/v1/optout",
        "/v1/users/{user}/messages",
        "/v1/users/{user}/months",
        "/v1/users/{user}/names",
        "/{channel_by}/{channel}",
        "/{channel_by}/{channel}/random",
        "/{channel_by}/{channel}/stats",
        "/{channel_by}/{channel}/{user_by}/{user}",
        "/{channel_by}/{channel}/{user_by}/{user}/random",
        "/{channel_by}/{channel}/{user_by}/{user}/search",
        "/{channel_by}/{channel}/{user_by}/{user}/stats",
        "/{channel_by}/{channel}/{user_by}/{user}/{year}/{month}",
        "/{channel_by}/{channel}/{year}/{month}/{day}",
    }
    for path, operation in OPERATIONS:
        assert operation["summary"]
        assert operation["description"]
        declared = set(operation["responses"])
        assert "422" not in declared
        if path.startswith("/v1"):
            assert {"200", "400", "503"} <= declared
            assert ("404" in declared) == ("{" in path)
            assert "403" in declared or "{" not in path
        elif operation["tags"] == ["compatible"]:
            assert path == "/capabilities" or {"200", "503"} <= declared
            of_no_route = ("404", *map(str, OF_EVERY_ROUTE))
            other = {status: answer for status, answer in operation["responses"].items() if status not in of_no_route}
            assert "application/problem+json" not in str(other)
        if "admin" in path:
            assert {"400", "403", "503"} <= declared
            assert ("requestBody" in operation) == (operation is not DOCUMENT["paths"][path].get("get"))


def test_every_parameter_is_described_and_every_reference_leads_somewhere():
    for path, operation in OPERATIONS:
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])
    for reference in references(DOCUMENT):
        assert reference.removeprefix("#/components/schemas/") in DOCUMENT["components"]["schemas"]


def test_there_are_examples():
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["MessageBody"]["examples"][0]["type"] == "privmsg"
    assert schemas["ProblemBody"]["examples"][0]["code"] == "not_found"


async def test_the_page_of_the_routes_loads_nothing_and_names_every_parameter(client):
    page = await client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"<script|<link|<img|src=|@import|url\(", page.text)
    for path, operation in OPERATIONS:
        assert f"<code>{path}</code>" in page.text
        for parameter in operation.get("parameters", []):
            assert f"<code>{parameter['name']}</code>" in page.text
