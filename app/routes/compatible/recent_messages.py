"""What was said last in a channel, as Chatterino asks for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from app.compatible.declared import TAG
from app.compatible.recent import MOST, RecentParams, exported
from app.dependencies import SharedDependency
from app.errors import BadLogin, NotFound
from app.json import dump
from app.models import CompatibleRecent, CompatibleRecentError
from app.names import LOGIN
from store.reader import Log
from store.shapes import CHANNEL

router = APIRouter(tags=[TAG])

_MEANINGS = {400: "It makes no sense", 403: "The channel has opted out", 503: "Cassandra cannot answer now"}
_NOT_JOINED = "The bot is currently not joined to this channel (in progress or failed previously)"


@router.get(
    "/api/v2/recent-messages/{login}",
    summary="What was said last in a channel",
    response_model=CompatibleRecent,
    responses={status: {"description": text, "model": CompatibleRecentError} for status, text in _MEANINGS.items()},
)
async def recent_messages(
    shared: SharedDependency,
    login: Annotated[str, Path(description="The channel's login, in any case.", examples=["moonbase"])],
    params: Annotated[RecentParams, Query()],
) -> Response:
    """Give the newest lines of a channel, oldest first, marked where they were moderated; it joins nothing.

    A channel that is not read at the moment has the `error_code` `channel_not_joined`, beside what is there of it.
    """
    if not LOGIN.fullmatch(login):
        raise BadLogin(f"Invalid channel login: {login[:60]!r} is not made of a-z, 0-9 and _, up to 25 of them")
    store = shared.open_store()
    try:
        channel_id = await shared.names.channel(store.directory, login)
    except NotFound:
        return _answer([], joined=False)
    newest = Log(CHANNEL, (channel_id,), params.first_ms, params.before)
    found = (
        (await store.reader.page(newest, limit=min(params.limit or MOST, MOST))).messages if params.limit != 0 else []
    )
    later = []
    if found and params.before is not None:
        following = Log(CHANNEL, (channel_id,), params.before, newest_first=False)
        later = (await store.reader.page(following, limit=MOST)).messages
    joined = channel_id in await store.directory.readers()
    return _answer(exported(found[::-1], later, params), joined=joined)


def _answer(messages: list[str], *, joined: bool) -> Response:
    body = {
        "messages": messages,
        "error": None if joined else _NOT_JOINED,
        "error_code": None if joined else "channel_not_joined",
    }
    return Response(dump(body), media_type="application/json")
