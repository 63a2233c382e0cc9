"""What a client may ask at all: how long a request may be, and how many in a minute from one address."""

from __future__ import annotations

import ipaddress
import math
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.problems import shaped

_MOST_QUERY = 4096
_MOST_PATH = 8192
_MOST_HEADERS = 16 * 1024
_MOST_ADDRESSES = 50_000
_UNLIMITED = ("/healthz", "/readyz")
_FROM_MEMORY = "/page/"  # a reader's first look at the page asks for all of its files at once
_MINUTE = 60.0
_WITH_PORT = re.compile(r"(?:\[(.*)\]|([\d.]+))(?::\d+)?")


class Limits:
    """Refuses requests that are too long, and those of an address that asks too often.

    Args:
        app: what answers the others.
        per_minute: requests of one address; 0: as many as it likes.
        trusted_hops: how many proxies of ours are in front.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int, trusted_hops: int) -> None:
        self._app = app
        self._hops = trusted_hops
        self._buckets = Buckets(per_minute) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            refused = _too_long(scope) or self._too_often(scope)
            if refused is not None:
                status, code, title, detail, headers = refused
                await shaped(scope, status, code, title, detail, headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _too_often(self, scope: Scope) -> _Refused | None:
        path = scope["path"]
        if self._buckets is None or path in _UNLIMITED or path.startswith(_FROM_MEMORY):
            return None
        wait = self._buckets.take(client_address(scope, self._hops), time.monotonic())
        if not wait:
            return None
        detail = f"from one address {self._buckets.per_minute} requests a minute are answered: ask again later"
        return 429, "too_many_requests", "Too many requests", detail, {"retry-after": str(math.ceil(wait))}


_Refused = tuple[int, str, str, str, dict[str, str]]


def _too_long(scope: Scope) -> _Refused | None:
    title = "The request is too long"
    if len(scope["query_string"]) > _MOST_QUERY or len(scope.get("raw_path") or b"") > _MOST_PATH:
        detail = f"a query has at most {_MOST_QUERY} bytes, a path {_MOST_PATH}"
        return 414, "uri_too_long", title, detail, {}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > _MOST_HEADERS:
        return 431, "headers_too_long", title, f"the headers of a request have at most {_MOST_HEADERS} bytes", {}
    return None


class Buckets:
    """A bucket of requests for each address, which fills up again within a minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left: dict[str, tuple[float, float]] = {}  # what was left, and when; the address seen last is at the end

    def take(self, address: str, now: float) -> float:
        """Take a request out; give the seconds until there is one again, 0 if there was."""
        left, since = self._left.pop(address, (float(self.per_minute), now))
        left = min(left + (now - since) * self.per_minute / _MINUTE, self.per_minute)
        there = left >= 1
        self._left[address] = (left - there, now)
        while len(self._left) > _MOST_ADDRESSES:
            del self._left[next(iter(self._left))]
        return 0.0 if there else (1 - left) * _MINUTE / self.per_minute


def client_address(scope: Scope, trusted_hops: int) -> str:
    """Give the address of who asks.

    Args:
        scope: the request.
        trusted_hops: how many proxies of ours are in front; each adds the address that it was asked from at the end of
            X-Forwarded-For, and what stands before those is what the client says of itself.
    """
    address = scope["client"][0] if scope.get("client") else ""
    if trusted_hops:
        hops = [hop.strip() for hop in ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")]
        if len(hops) >= trusted_hops:
            address = hops[-trusted_hops]
    # Some proxies write the port too, which is another one for each connection.
    bare = _WITH_PORT.fullmatch(address)
    try:
        parsed = ipaddress.ip_address(bare[1] or bare[2] if bare else address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:  # as a socket that listens for both gives who connects by IPv4
        return str(parsed.ipv4_mapped)
    # One subscriber has a whole /64.
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
