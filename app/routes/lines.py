"""One line of a channel's log, with the lines around it: where a link to a line leads."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from app import pages
from app.dependencies import OnlyDocumented, SharedDependency
from app.errors import BadRequest, NotFound
from app.params import Format
from app.problems import declared
from app.routes.logs import ChannelPath
from store import keys
from store.reader import Log
from store.shapes import CHANNEL

router = APIRouter(prefix="/v1", tags=["logs"], dependencies=[OnlyDocumented])

_MOST_AROUND = 500
_UUID_LENGTH = 36
_EXAMPLE = "40ed3eb0-c972-11f0-8000-000000001eef"

SentPath = Annotated[str, Path(description="`sent` of the line: a timeuuid.", examples=[_EXAMPLE])]


@router.get(
    "/channels/{channel}/messages/{sent}",
    summary="One line and what was said around it",
    responses={200: pages.DOCUMENTED, **declared(400, 403, 404, 503)},
)
async def line(
    request: Request,
    shared: SharedDependency,
    channel: ChannelPath,
    sent: SentPath,
    before: Annotated[int, Query(ge=0, le=_MOST_AROUND, description="Lines before it.", examples=[20])] = 0,
    after: Annotated[int, Query(ge=0, le=_MOST_AROUND, description="Lines after it.", examples=[20])] = 0,
    format_: Annotated[Format | None, Query(alias="format", description="As for a log; one page at most.")] = None,
) -> Response:
    """Give a line by its `sent`, oldest first with the lines around it; the cursors lead on from there."""
    store = shared.open_store()
    position = _position(sent)
    key = (await shared.names.channel(store.directory, channel),)
    page = await store.reader.around(Log(CHANNEL, key), position, before=before, after=after)
    if page is None:
        raise NotFound(f"the channel {channel!r} has no line {sent}: it expired, or `sent` is of another channel")
    log_path = request.url.path.rpartition("/")[0]
    links = pages.address(log_path, [("format", format_)] if format_ is not None else [])
    form = pages.format_of(request, format_)
    written = await pages.written(store, Log(CHANNEL, key, newest_first=False), page, form)
    return written.response(links)


def _position(sent: str) -> keys.Position:
    """Read the key of a line.

    Raises:
        BadRequest: it is none.
    """
    try:
        if len(sent) == _UUID_LENGTH:  # uuid.UUID also takes other spellings, which a cache would keep apart
            return keys.position(uuid.UUID(sent).int)
    except ValueError:
        pass
    raise BadRequest(f"{sent[:60]!r} names no line: take `sent` of a message as it is, as in {_EXAMPLE}")
