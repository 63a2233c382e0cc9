"""A thread of replies in a channel, by the line with which it begins.

There is no table for it: a thread is a search through some hours of the channel's log, and bounded as a search is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from app import pages
from app.dependencies import OnlyDocumented, SharedDependency
from app.errors import BadRequest
from app.params import MOST_MESSAGES, THREAD, Format, LogParams, RangeParams
from app.problems import declared
from app.routes.logs import ChannelPath, answer
from store.keys import message_uuid
from store.shapes import CHANNEL

router = APIRouter(prefix="/v1", tags=["logs"], dependencies=[OnlyDocumented])

_EXAMPLE = "5eed0000-0000-4001-8000-000000001eef"


class ThreadParams(RangeParams):
    """Where a thread is looked for, and how it is written."""

    limit: int = Field(default=100, ge=1, le=MOST_MESSAGES, description="Lines on a page.")
    cursor: str | None = Field(
        default=None, min_length=1, max_length=200, description="`next` or `previous` of an earlier answer, as it is."
    )
    format: Format | None = Field(default=None, description="As for a log; a page in any case.")


@router.get(
    "/channels/{channel}/threads/{thread}",
    summary="A thread of replies",
    responses={200: pages.DOCUMENTED, **declared(400, 403, 404, 503)},
)
async def thread(
    request: Request,
    shared: SharedDependency,
    channel: ChannelPath,
    thread: Annotated[str, Path(description="`id` of the line with which it begins.", examples=[_EXAMPLE])],
    params: Annotated[ThreadParams, Query()],
) -> Response:
    """Give a line and the replies to it, oldest first, as far as they lie within the range: a day where none is given.

    With `from` at the time of the first line, the search begins where the thread does; without a range, it looks
    through the last 24 hours.
    """
    if message_uuid(thread) is None:
        raise BadRequest(f"{thread[:60]!r} is no id of a message: it is a UUID, as in {_EXAMPLE}")
    key = (await shared.names.channel(shared.open_store().directory, channel),)
    # A cursor carries the range of its walk.
    from_ms, to_ms = params.within(THREAD) if params.cursor is None else (params.from_, params.to)
    asked = LogParams.model_construct(
        from_=from_ms, to=to_ms, limit=params.limit, cursor=params.cursor, order=None, format=params.format
    )
    whole = replace(asked.log(CHANNEL, key), newest_first=False)
    return await answer(request, shared, asked, whole, thread=thread)
