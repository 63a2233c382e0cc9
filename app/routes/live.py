"""The live route of a channel: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Send

from app.dependencies import OnlyDocumented, SharedDependency, is_head
from app.given import LONGEST_CURSOR, Given
from app.problems import declared
from app.routes.logs import ChannelPath

router = APIRouter(prefix="/v1", tags=["logs"], dependencies=[OnlyDocumented])

EVENTS = "text/event-stream"
_MOST_LAST = 500
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events whose data is a line as in a log and whose id is a cursor; it has no end.",
        "content": {EVENTS: {"schema": {"type": "string"}}},
    },
    **declared(400, 403, 404, 503),
}


class _Events(StreamingResponse):
    """A stream that is closed when its client is gone, not when the collector finds it."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        # nginx holds back what it is not told to pass on.
        super().__init__(events, media_type=EVENTS, headers={"x-accel-buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        async with contextlib.AsyncExitStack() as stack:
            if hasattr(self.body_iterator, "aclose"):
                stack.push_async_callback(self.body_iterator.aclose)
            await super().stream_response(send)


@router.get("/channels/{channel}/live", summary="A channel, live", response_class=Response, responses=_DOCUMENTED)
async def live(
    request: Request,
    shared: SharedDependency,
    channel: ChannelPath,
    cursor: Annotated[
        str | None,
        Query(min_length=1, max_length=LONGEST_CURSOR, description="The id of an event, to go on after it."),
    ] = None,
    last: Annotated[
        int, Query(ge=0, le=_MOST_LAST, description="Without a cursor: begin with so many of the newest lines.")
    ] = 0,
    last_event_id: Annotated[
        str | None,
        Header(max_length=LONGEST_CURSOR, description="Instead of `cursor`: what a browser sends by itself."),
    ] = None,
) -> Response:
    """Stream what is said in a channel, as it becomes visible; with a cursor, after all that was missed since."""
    channel_id = await shared.names.channel(shared.open_store().directory, channel)
    # A browser that connects again sends the address it had, with its old cursor.
    after = last_event_id or cursor
    given = Given.from_cursor(after, channel_id) if after else None
    await shared.live.check(channel_id)
    if is_head(request):
        return Response(media_type=EVENTS)
    return _Events(shared.live.events(channel_id, given, last=last))
