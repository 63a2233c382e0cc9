"""Answers made of lines: as a stream whose memory does not grow, or as a page with a cursor in its `Link` header."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from app.compatible.as_it_lies import whole_day
from app.compatible.params import Form, LinesParams
from app.compatible.render import WRITINGS, Writing
from app.dependencies import is_head
from app.errors import BadRequest, NotFound
from app.params import MOST_MESSAGES
from app.streams import BEGINNING, FIRST_SECONDS, Begun, Pieces
from store.cursor import Cursor
from store.message import Message
from store.reader import Log
from store.store import Store

_AT_ONCE = 100  # lines written before others have their turn


async def lines(request: Request, store: Store, asked: Log, params: LinesParams) -> Response:
    """Answer with the lines of a range that are asked for.

    Up to a thousand lines, where a limit or a cursor is given, are a page with the next cursor in `Link`; all else
    streams. What `offset` leaves out is not read but counted (`store.counts`), so that it is right over any range.

    Raises:
        BadRequest: the cursor is not of this walk.
        NotFound: there are none.
    """
    form = params.form(request.headers.get("content-type", ""))
    cursor, skipped = None, 0
    if params.cursor is not None:
        cursor = _checked(Cursor.decode(params.cursor, asked.shape, asked.key), asked, params)
    elif params.offset and store.optouts.current.unerased:
        # A count would take in what is not shown, until it is erased.
        skipped = params.offset
    elif params.offset:
        cursor = await store.counts.skip(asked, params.offset)
        if cursor is None:
            raise NotFound("there are fewer lines than the offset leaves out")
    limit = params.limit
    if limit is None and params.cursor is not None:
        limit = MOST_MESSAGES
    if limit == 0:
        raise NotFound("no lines are asked for")
    # Of those who opted out, and of what others quote of them, nothing may be sent as it lies.
    if form is Form.RAW and limit is None and cursor is None and not skipped and not store.optouts.now():
        as_it_lies = await whole_day(request, store, asked)
        if as_it_lies is not None:
            return as_it_lies
    if limit is None or limit > MOST_MESSAGES or skipped:
        return await streamed(request, at_most(store.reader.stream(asked, cursor=cursor), limit, skipped), form)
    page = await store.reader.page(asked, limit=limit, cursor=cursor)
    headers = {} if page.next is None else {"link": f'<{_with_cursor(request, page.next)}>; rel="next"'}
    return written(page.messages, form, headers)


def written(messages: list[Message], form: Form, headers: dict[str, str] | None = None) -> Response:
    """Answer with lines that are there.

    Raises:
        NotFound: there are none.
    """
    if not messages:
        raise NotFound("there are no lines")
    writing = WRITINGS[form]
    body = writing.head + writing.between.join(map(writing.line, messages)) + writing.tail
    return Response(body, media_type=writing.media_type, headers=headers)


async def streamed(request: Request, pieces: Pieces, form: Form) -> Response:
    """Answer with lines as they come; what goes wrong before the first is still a proper answer.

    Raises:
        NotFound: there are none.
    """
    begun = await Begun.of(pieces, FIRST_SECONDS)
    if begun.is_empty:
        raise NotFound("there are no lines")
    writing = WRITINGS[form]
    if is_head(request):
        await begun.close()
        return StreamingResponse(iter(()), media_type=writing.media_type)
    return StreamingResponse(_body(begun, writing), media_type=writing.media_type)


async def at_most(pieces: Pieces, limit: int | None, offset: int = 0) -> Pieces:
    """Yield the lines after so many of them, up to a limit."""
    left = limit
    async for piece in pieces:
        if offset >= len(piece):
            offset -= len(piece)
            continue
        wanted = piece[offset:] if left is None else piece[offset : offset + left]
        offset = 0
        if wanted:
            yield wanted
        if left is not None:
            left -= len(wanted)
            if left <= 0:
                return


async def _body(begun: Begun, writing: Writing) -> AsyncIterator[bytes]:
    before = writing.head
    async with begun.written() as pieces:
        yield BEGINNING
        async for piece in pieces:
            for start in range(0, len(piece), _AT_ONCE):
                yield before + writing.between.join(map(writing.line, piece[start : start + _AT_ONCE]))
                before = writing.between
                await asyncio.sleep(0)  # whoever asked for a page does not wait for a whole piece
    yield (b"" if before is writing.between else writing.head) + writing.tail


def _checked(cursor: Cursor, asked: Log, params: LinesParams) -> Cursor:
    """Give the cursor back if it is of the walk that is asked for.

    Raises:
        BadRequest: it is of another range or order, or an offset is asked for beside it.
    """
    if (cursor.from_ms, cursor.to_ms) != (asked.from_ms, asked.to_ms):
        raise BadRequest("the cursor is of another range: use it with the path, from and to that gave it")
    if cursor.newest_first != asked.newest_first:
        raise BadRequest("the cursor is of the other order: use it with `reverse` if that gave it, else without")
    if params.offset:
        raise BadRequest("a cursor says where to go on: leave the offset away")
    return cursor


def _with_cursor(request: Request, cursor: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "offset")]
    return f"{quote(request.url.path)}?{urlencode([*kept, ('cursor', cursor)])}"
