from __future__ import annotations

import socket

import httpx2
import pytest
from support.serving import served, until_ready

from app.limits import Buckets, client_address

LOG = "/v1/channels/moonbase/messages"


def scope(client: str, *forwarded: str) -> dict:
    return {"type": "http", "client": (client, 1), "headers": [(b"x-forwarded-for", f.encode()) for f in forwarded]}


@pytest.mark.parametrize(
    ("hops", "client", "forwarded", "found"),
    [
        (0, "192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        (1, "192.0.2.1", ["198.51.100.7"], "198.51.100.7"),
        (1, "192.0.2.1", ["10.9.9.9, 198.51.100.7"], "198.51.100.7"),  # what a client claims stands before
        (2, "192.0.2.1", ["10.9.9.9, 198.51.100.7", "192.0.2.2"], "198.51.100.7"),
        (2, "192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # it did not come through our proxies
        (1, "192.0.2.1", [], ""),
        (0, "2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        (1, "192.0.2.1", ["[2001:db8:1:2::9]"], "2001:db8:1:2::/64"),
        # With the port, and as a socket that listens for IPv6 and IPv4 says it.
        (1, "192.0.2.1", ["198.51.100.7:40001"], "198.51.100.7"),
        (1, "192.0.2.1", ["[2001:db8:1:2::9]:40001"], "2001:db8:1:2::/64"),
        (0, "::ffff:198.51.100.7", [], "198.51.100.7"),
        (1, "::1", ["[::ffff:198.51.100.7]:40001"], "198.51.100.7"),
        (0, "fe80::1:2:3:4%eth0", [], "fe80::/64"),
        (1, "192.0.2.1", ["unknown"], "unknown"),
    ],
)
def test_the_client_is_who_the_last_trusted_proxy_was_asked_by(hops, client, forwarded, found):
    assert client_address(scope(client, *forwarded), hops) == found


def test_a_bucket_is_empty_after_its_requests_and_fills_up_again():
    buckets = Buckets(60)
    assert not any(buckets.take("a", 100.0) for _ in range(60))
    assert buckets.take("a", 100.0) == 1.0
    assert buckets.take("b", 100.0) == 0
    assert buckets.take("a", 100.5) == 0.5
    assert buckets.take("a", 101.0) == 0
    assert not any(buckets.take("a", 1000.0) for _ in range(60))
    assert buckets.take("a", 1000.0) > 0


def test_addresses_are_forgotten_oldest_first(monkeypatch):
    monkeypatch.setattr("app.limits._MOST_ADDRESSES", 2)
    buckets = Buckets(1)
    for address in ("a", "b", "c"):
        buckets.take(address, 0.0)
    assert buckets.take("c", 0.0) > 0
    assert buckets.take("a", 0.0) == 0


async def test_who_asks_too_often_is_told_when_to_come_back(module_store, client):
    async with served(module_store.session.settings, rate_limit=3, trusted_hops=1) as limited:
        await until_ready(limited)  # which does not count
        for address in ("198.51.100.7", "198.51.100.8"):
            headers = {"x-forwarded-for": address}
            answers = [await limited.get(LOG, headers=headers) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[-1].json()["code"] == "too_many_requests"
            assert 0 < int(answers[-1].headers["retry-after"]) <= 20
            # The page's files come all at once, and from memory.
            assert (await limited.get("/page/main.js", headers=headers)).status_code == 200
        assert (await limited.get("/healthz", headers=headers)).status_code == 200


async def test_without_proxies_of_ours_nobody_says_an_address_of_their_own(module_store, client):
    async with served(module_store.session.settings, rate_limit=1) as limited:
        await until_ready(limited)
        asked = [limited.get(LOG, headers={"x-forwarded-for": address}) for address in ("198.51.100.7", "198.51.100.8")]
        assert [(await answer).status_code for answer in asked] == [200, 429]


async def test_what_is_too_long_is_a_problem(client):
    for asked, status, code in (
        ({"params": {"q": "x" * 5000}}, 414, "uri_too_long"),
        ({"headers": {"x-long": "x" * 17_000}}, 431, "headers_too_long"),
    ):
        answer = await client.get(LOG, **asked)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.json()["code"] == code
    assert (await client.get("/v1/" + "x" * 9000)).status_code == 414


async def test_answers_let_nothing_in_them_run_or_be_framed(client):
    for route in (LOG, "/docs", "/nothing"):
        headers = (await client.get(route)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine speaks no IPv6")
async def test_who_comes_by_ipv4_to_a_socket_for_both_has_a_bucket_of_its_own(module_store, client):
    async with served(module_store.session.settings, rate_limit=1, host="::") as limited:
        await until_ready(limited)
        assert (await limited.get(LOG)).status_code == 200
        assert (await limited.get(LOG)).status_code == 429
        transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx2.AsyncClient(base_url=limited.base_url, transport=transport, timeout=30) as other:
            assert (await other.get(LOG)).status_code == 200
