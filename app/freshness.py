"""Weak ETags of whole answers, and 304 for who has one already (RFC 9110, 8.8.3 and 13.1.2).

Answers may be kept but must be asked for again, so that an opt-out shows at once; where nothing changed, that costs no
bytes. A stream has no ETag.
"""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.dependencies import HEAD

_KEPT = ("etag", "cache-control", "vary", "link", "content-location", "date", "expires", "content-security-policy")
"""Headers of a 304. A browser takes them for those of what it kept, the policy of a page too (RFC 9111, 3.2)."""


class Freshness:
    """Gives whole answers a weak ETag, and answers 304 where the client has the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def with_etag(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
                return
            if start is not None:
                began, start = start, None
                # The body of a stream is left away where HEAD asks for it: that of all of them would be the same.
                is_stream = HEAD in scope and not message.get("body")
                if not message.get("more_body") and not is_stream:
                    message = _marked(Headers(scope=scope), began, message)
                await send(began)
            await send(message)

        await self._app(scope, receive, with_etag)


def _marked(asked: Headers, start: Message, message: Message) -> Message:
    """Mark the beginning of a whole answer; give its body, or an empty one where the client has it."""
    headers = MutableHeaders(scope=start)
    if headers.get("cache-control") == "no-store":
        return message
    if "etag" not in headers:
        digest = hashlib.blake2b(message.get("body", b""), digest_size=12).hexdigest()
        headers["etag"] = f'W/"{digest}"'
    if not known_to(asked.get("if-none-match", ""), headers["etag"]):
        return message
    start["status"] = 304
    start["headers"] = [(name, value) for name, value in start["headers"] if name.decode("latin-1").lower() in _KEPT]
    return {**message, "body": b""}


def known_to(known: str, etag: str) -> bool:
    """Say whether a list of ETags holds one, by the weak comparison."""
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
