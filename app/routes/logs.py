"""The three log routes of /v1: they take the same parameters and answer in the same formats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from app import pages
from app.dependencies import OnlyDocumented, Shared, SharedDependency, is_head
from app.errors import BadRequest
from app.params import Format, Include, LogParams, Order
from app.policy import allow_user_log
from app.problems import declared
from app.streams import BEGINNING, FIRST_SECONDS, Begun
from store.cursor import Cursor
from store.filters import Accept, Narrow
from store.message import Message
from store.reader import Log
from store.shapes import CHANNEL, CHANNEL_USER, USER, Shape
from store.store import Store

router = APIRouter(prefix="/v1", tags=["logs"], dependencies=[OnlyDocumented])

ChannelPath = Annotated[str, Path(description="A login, or `id:` and Twitch's number.", examples=["moonbase"])]
UserPath = Annotated[str, Path(description="A login, or `id:` and Twitch's number.", examples=["id:501"])]
AdminKey = Annotated[str, Header(description="The admin's key, where the policy of the instance says `admin`.")]
Params = Annotated[LogParams, Query()]

_AT_ONCE = 100  # lines written before others have their turn
_FORMATS: dict[int | str, dict[str, Any]] = {200: pages.DOCUMENTED, **declared(400, 403, 404, 503)}


@router.get("/channels/{channel}/messages", summary="The log of a channel", responses=_FORMATS)
async def channel_messages(
    request: Request, shared: SharedDependency, channel: ChannelPath, params: Params
) -> Response:
    """Give what was said in a channel."""
    directory = shared.open_store().directory
    channel_id = await shared.names.channel(directory, channel)
    return await answer(request, shared, params, params.log(CHANNEL, (channel_id,)))


@router.get("/channels/{channel}/users/{user}/messages", summary="The log of a user in a channel", responses=_FORMATS)
async def channel_user_messages(
    request: Request, shared: SharedDependency, channel: ChannelPath, user: UserPath, params: Params
) -> Response:
    """Give what a user said in a channel, and what happened to the user there."""
    directory = shared.open_store().directory
    key = await shared.names.both(directory, channel, user)
    return await answer(request, shared, params, params.log(CHANNEL_USER, key))


@router.get("/users/{user}/messages", summary="The log of a user everywhere", responses=_FORMATS)
async def user_messages(
    request: Request,
    shared: SharedDependency,
    user: UserPath,
    params: Params,
    x_api_key: AdminKey = "",
) -> Response:
    """Give what a user said in any channel, as far as the policy of this instance allows."""
    allow_user_log(shared.settings, x_api_key)
    user_id = await shared.names.user(shared.open_store().directory, user)
    return await answer(request, shared, params, params.log(USER, (user_id,)))


async def answer(request: Request, shared: Shared, params: LogParams, asked: Log, *, thread: str = "") -> Response:
    """Read what is asked for and write it in the format that is asked for.

    Args:
        request: gives the wishes of its headers, and the address of the pages that follow.
        shared: with the store.
        params: what is asked of the log.
        asked: the log.
        thread: only lines of this thread.
    """
    store, wanted = shared.open_store(), replace(params.filter(), thread=thread)
    accept = wanted.accept() if wanted else None
    narrow = _narrow(store, asked.shape, params.include, accept)
    form = pages.format_of(request, params.format)
    cursor = None
    if params.cursor is not None:
        cursor = Cursor.decode(params.cursor, asked.shape, asked.key)
        _same_walk(params, cursor)
    if form is Format.NDJSON and not params.asks_for_a_page:
        pieces = store.reader.stream(asked, accept, narrow)
        # What goes wrong at once is still a problem, not a broken answer.
        begun = await Begun.of(pieces, FIRST_SECONDS)
        if is_head(request):
            await begun.close()
            return StreamingResponse(iter(()), media_type=pages.NDJSON, headers=pages.BY_ACCEPT)
        body = _ndjson(store, asked.shape, begun)
        return StreamingResponse(body, media_type=pages.NDJSON, headers=pages.BY_ACCEPT)

    async def read() -> pages.Written:
        page = await store.reader.page(
            asked,
            limit=params.limit,
            cursor=cursor,
            accept=accept,
            narrow=narrow,
            budget_seconds=shared.settings.search_seconds,
        )
        return await pages.written(store, asked, page, form, cursor)

    # Many who ask for the same page at once, as when a stream goes off, are one read.
    same = (asked, wanted, params.include, cursor, params.limit, form, shared.who_is_out().version)
    written = await shared.reads.share(same, read)
    return written.response(pages.links_of(request))


def _narrow(store: Store, shape: Shape, include: Include, accept: Accept | None) -> Narrow | None:
    """Give what looks up which lines were removed, if it is asked for one sort alone."""
    if include is Include.ALL:
        return None
    along = store.moderation.along(shape)

    async def narrow(piece: list[Message]) -> Accept:
        asked = piece if accept is None else [message for message in piece if accept(message)]
        removals = await along.removals(asked)
        if include is Include.DELETED:
            return lambda message: message.position in removals
        return lambda message: message.position not in removals and (accept is None or accept(message))

    return narrow


async def _ndjson(store: Store, shape: Shape, begun: Begun) -> AsyncIterator[bytes]:
    """Yield one object a line."""
    along = store.moderation.along(shape)
    async with begun.written() as pieces:
        yield BEGINNING
        async for piece in pieces:
            removals = await along.removals(piece)
            for start in range(0, len(piece), _AT_ONCE):
                yield pages.records(piece[start : start + _AT_ONCE], removals)
                await asyncio.sleep(0)  # whoever asked for a page does not wait for a whole piece


def _same_walk(params: LogParams, cursor: Cursor) -> None:
    """Refuse a range or order that is not the cursor's.

    Raises:
        BadRequest: they differ.
    """
    if params.from_ not in (None, cursor.from_ms) or params.to not in (None, cursor.to_ms):
        raise BadRequest("the cursor carries the range of its walk: leave from and to away, or give the same ones")
    if params.order is not None and (params.order is Order.DESC) != cursor.newest_first:
        raise BadRequest("the cursor carries the order of its walk: leave order away, or give the same one")
