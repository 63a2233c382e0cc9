"""What justlog's and rustlog's clients are used to of any answer: forgiven paths, a header, errors as they read them.

It looks at the routes that those services have and leaves all others, /v1 above all, as they are.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.json import dump
from app.problems import ERROR_SHAPE

CAPABILITIES = ("arbitrary-range-query", "search", "stats", "namehistory")
CAPABILITIES_HEADER = "x-rustlog-capabilities"

_THEIRS = re.compile(
    r"/+(?:channel|channelid|channels|list|namehistory|capabilities|optout|admin)(?:/|$)", re.IGNORECASE
)
_RECENT = re.compile(r"/+api/+v2/+recent-messages(?:/|$)")
_SLASHES = re.compile("/{2,}")

_RECENT_CODES = {
    "invalid_request": "invalid_query",
    "forbidden": "channel_ignored",
    "opted_out": "channel_ignored",
    "unavailable": "internal_server_error",
    "internal_error": "internal_server_error",
}


class Doorway:
    """Receives the requests to the compatible routes: doubled and trailing slashes in their paths do not count."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Prepare the scope of a request that is one of theirs, and put the header on its answer."""
        shape = None
        if scope["type"] == "http":
            shape = plain if _THEIRS.match(scope["path"]) else recent if _RECENT.match(scope["path"]) else None
        if shape is None:
            await self._app(scope, receive, send)
            return

        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CAPABILITIES_HEADER] = ",".join(CAPABILITIES)
            await send(message)

        # In the scope itself, not in a copy: what answers a fault of ours stands outside and looks there, too.
        scope["path"] = _SLASHES.sub("/", scope["path"]).rstrip("/")
        scope[ERROR_SHAPE] = shape
        await self._app(scope, receive, with_header)


def plain(status: int, _code: str, detail: str) -> tuple[bytes, str]:
    """Write an error as rustlog does: a line of text, the same for everything that is not there."""
    text = {400: f"Invalid param: {detail}", 404: "Not found"}.get(status, detail)
    return text.encode("utf-8", "replace"), "text/plain; charset=utf-8"


def recent(status: int, code: str, detail: str) -> tuple[bytes, str]:
    """Write an error as the recent-messages service does."""
    shown = {
        "status": status,
        "status_message": HTTPStatus(status).phrase,
        "error": detail,
        "error_code": _RECENT_CODES.get(code, code),
    }
    return dump(shown), "application/json"
