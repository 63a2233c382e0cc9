from __future__ import annotations

import logging

import pytest
from support import lines
from support.cassandra import unused_ports
from support.flaky import Door
from support.serving import served, until_ready

from app.problems import ProblemBody
from store.directory import Directory
from store.message import Message

LOG = "/v1/channels/moonbase/messages"
FIRST = str(Message.parse(lines.privmsg("line 0", number=0)).sent)
FILLED = {"channel": "moonbase", "user": "ada_lift", "login": "ada_lift", "sent": FIRST, "thread": lines.message_id(0)}


def assert_problem(answer, status: int, code: str) -> None:
    """The one shape of everything that goes wrong."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = ProblemBody.model_validate_json(answer.content, extra="forbid")
    assert (body.type, body.status, body.code) == ("about:blank", status, code)
    assert len(body.title) > 5
    assert len(body.detail) > 15
    assert "Traceback" not in body.detail
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def routes(client) -> list[str]:
    document = (await client.get("/openapi.json")).json()
    paths = [
        path
        for path, methods in document["paths"].items()
        if path.startswith("/v1") and not path.startswith("/v1/admin") and "get" in methods
    ]
    return [path.format(**FILLED) for path in paths]


async def test_every_route_refuses_what_it_does_not_know_in_one_shape(client):
    asked = await routes(client)
    assert len(asked) == 16
    for route in asked:
        assert_problem(await client.get(route, params={"nonsense": "1"}), 400, "invalid_request")
        wrong = await client.delete(route)
        assert_problem(wrong, 405, "method_not_allowed")
        assert wrong.headers["allow"] == "GET"
        assert_problem(await client.get(route + "/nothing/at/all/here"), 404, "not_found")
    for route in ("/v2", "/v1", "/v1/", "/favicon.ico", "/healthz/", "/%ff"):
        assert_problem(await client.get(route), 404, "not_found")


async def test_a_fault_of_ours_tells_nothing_of_the_inside(client, monkeypatch, caplog):
    async def broken(_self):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(Directory, "channels", broken)
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
        answer = await client.get("/v1/channels")
    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    counted = (await client.get("/metrics")).text
    assert 'logstv_http_requests_total{route="/v1/channels",status="500"} 1.0' in counted
    assert 'logstv_cassandra_requests_total{table="optouts"}' in counted


@pytest.mark.parametrize("path", ["/v1/channels", "/channels", "/api/v2/recent-messages/moonbase"])
async def test_a_fault_of_ours_carries_what_every_answer_carries(client, monkeypatch, caplog, path):
    async def broken(*_args):
        raise RuntimeError

    there = await client.get("/healthz", headers={"origin": "https://elsewhere.example"})
    monkeypatch.setattr(Directory, "channels", broken)
    monkeypatch.setattr(Directory, "readers", broken)
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
        answer = await client.get(path, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == "*"
    for name in ("content-security-policy", "referrer-policy", "x-frame-options", "cross-origin-resource-policy"):
        assert answer.headers[name] == there.headers[name]


async def test_the_user_log_is_for_whom_the_policy_says(module_store, client):
    settings = module_store.session.settings
    for policy, allowed in (("off", False), ("admin", True)):
        async with served(settings, user_log=policy, admin_key="let-me-in") as other:
            await until_ready(other)
            for route in ("/v1/users/ada_lift/messages", "/v1/users/ada_lift/months", "/v1/users/nobody/months"):
                assert_problem(await other.get(route), 403, "forbidden")
                assert_problem(await other.get(route, headers={"x-api-key": "guess"}), 403, "forbidden")
            answer = await other.get("/v1/users/ada_lift/months", headers={"x-api-key": "let-me-in"})
            assert answer.status_code == (200 if allowed else 403)
            assert (await other.get("/v1/channels/moonbase/users/ada_lift/messages")).status_code == 200
    async with served(settings, user_log="admin") as keyless:
        await until_ready(keyless)
        assert_problem(await keyless.get("/v1/users/ada_lift/months", headers={"x-api-key": ""}), 403, "forbidden")


async def test_without_cassandra_it_says_so_and_recovers_by_itself(module_store, client):
    (port,) = unused_ports(1)
    settings = module_store.session.settings
    door = Door(settings.contact_points[0], settings.cql_port, port)
    through = settings.model_copy(update={"contact_points": ("127.0.0.1",), "cql_port": port, "request_timeout": 10})
    async with served(through) as cut_off:
        for _ in range(2):  # first it was never there, then it goes and comes back
            assert (await cut_off.get("/healthz")).json() == {"status": "alive"}
            asked = ["/readyz", *await routes(cut_off)]
            for route in asked:
                answer = await cut_off.get(route)
                assert_problem(answer, 503, "unavailable")
                assert int(answer.headers["retry-after"]) > 0
            assert "Cassandra" in (await cut_off.get("/readyz")).json()["detail"]
            await door.open()
            await until_ready(cut_off)
            there = await client.get(LOG)
            assert (await cut_off.get(LOG)).content == there.content
            # A live stream has no end; HEAD begins none.
            assert {(await cut_off.head(route)).status_code for route in asked} == {200}
            await door.shut()
            await until_ready(cut_off, 503)


async def test_tables_that_are_not_there_are_named_by_readyz(module_store, client):
    settings = module_store.session.settings.model_copy(update={"keyspace": "nobody_made_this"})
    async with served(settings) as empty:
        answer = await until_ready(empty, 503)
        assert_problem(answer, 503, "unavailable")
        assert_problem(await empty.get("/v1/channels"), 503, "unavailable")
