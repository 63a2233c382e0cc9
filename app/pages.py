"""Writes a page of a log in the format that is asked for, with its cursors in `Link` headers.

What a single line looks like is `app.render`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from app import render
from app.gaps import gaps_of
from app.json import dump
from app.models import PageBody
from app.params import Format
from store.cursor import Cursor
from store.message import Message
from store.reader import Log, Page
from store.removals import Removals
from store.store import Store

NDJSON = "application/x-ndjson"
BY_ACCEPT = {"vary": "accept"}
DOCUMENTED: dict[str, Any] = {
    "description": "A page; of a log with `format=ndjson` and neither `limit` nor `cursor`, the whole range, streamed.",
    "model": PageBody,
    "headers": {"Link": {"description": "`next` and `prev` (RFC 8288)", "schema": {"type": "string"}}},
    "content": {
        NDJSON: {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    },
}
"""What OpenAPI says of an answer that is a page."""


def links_of(request: Request) -> str:
    """Give the address to which the cursors of a log's page belong: the one that was asked, but for the cursor."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return address(request.url.path, kept)


def address(path: str, query: Iterable[tuple[str, str]]) -> str:
    """Give a path and query to which a cursor can be added."""
    kept = urlencode(list(query))
    return f"{path}?{kept}&" if kept else f"{path}?"


@dataclass(frozen=True, slots=True)
class Written:
    """A page as it is sent, but for the addresses that lead on from it.

    Attributes:
        body: in the format that was asked for.
        media_type: of the body.
        next: the cursor of the page after it; None if nothing follows now.
        previous: the cursor of the page before it; None if nothing goes before.
    """

    body: bytes
    media_type: str
    next: str | None
    previous: str | None

    def response(self, links: str) -> Response:
        """Give the answer, with cursors added to an address as `address` gives it."""
        linked = ", ".join(
            f'<{links}{urlencode({"cursor": cursor})}>; rel="{relation}"'
            for relation, cursor in (("next", self.next), ("prev", self.previous))
            if cursor is not None
        )
        headers = {**BY_ACCEPT, "link": linked} if linked else BY_ACCEPT
        return Response(self.body, media_type=self.media_type, headers=headers)


async def written(store: Store, log: Log, page: Page, form: Format, cursor: Cursor | None = None) -> Written:
    """Write a page, with which of its lines were removed and when nobody listened, where the format has a place for it.

    Args:
        store: where that is looked up.
        log: what was asked for.
        page: what was read.
        form: how to write it.
        cursor: what it was asked with.

    Raises:
        StoreUnavailable: Cassandra cannot answer.
    """
    removals: Removals = {}
    gaps: list[dict[str, str]] = []
    if form is Format.JSON:
        removals, gaps = await asyncio.gather(
            store.moderation.removals(log.shape, page.messages), gaps_of(store.coverage, log, page, cursor)
        )
    elif form is Format.NDJSON:
        removals = await store.moderation.removals(log.shape, page.messages)
    return _write(page, form, removals, gaps)


def _write(page: Page, form: Format, removals: Removals, gaps: list[dict[str, str]]) -> Written:
    if form is Format.JSON:
        cursors = {"next": page.next, "previous": page.previous}
        body = dump({"messages": _objects(page.messages, removals), "page": cursors, "gaps": gaps})
        return Written(body, "application/json", page.next, page.previous)
    if form is Format.NDJSON:
        return Written(records(page.messages, removals), NDJSON, page.next, page.previous)
    if form is Format.RAW:
        lines = [render.as_raw(message) for message in page.messages]
    else:
        lines = [render.as_text(message).encode() for message in page.messages]
    body = b"".join([line + b"\r\n" for line in lines])
    return Written(body, "text/plain; charset=utf-8", page.next, page.previous)


def records(messages: list[Message], removals: Removals) -> bytes:
    """Write messages as one JSON object a line."""
    return b"".join([dump(shown) + b"\n" for shown in _objects(messages, removals)])


def _objects(messages: list[Message], removals: Removals) -> list[dict[str, Any]]:
    if not removals:
        return [render.as_json(message) for message in messages]
    return [render.as_json(message, removals.get(message.position)) for message in messages]


def format_of(request: Request, asked: Format | None) -> Format:
    """Choose a format by the parameter, else by `Accept`; JSON for whoever has no wish that we can meet."""
    if asked is not None:
        return asked
    for part in request.headers.get("accept", "").lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in ("application/x-ndjson", "application/jsonl"):
            return Format.NDJSON
        if kind == "text/plain":
            return Format.TEXT
        if kind in ("application/json", "*/*"):
            return Format.JSON
    return Format.JSON
