"""What moderators did to a user in a channel: bans, time-outs, removed lines."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from app.dependencies import OnlyDocumented, SharedDependency
from app.json import dump
from app.models import ModerationBody
from app.params import MOST_MESSAGES, RangeParams
from app.problems import declared
from app.routes.logs import ChannelPath, UserPath
from app.times import rfc3339
from store import keys
from store.moderation import Event
from store.shapes import CHANNEL_USER

router = APIRouter(prefix="/v1", tags=["logs"], dependencies=[OnlyDocumented])


class ModerationParams(RangeParams):
    """What is asked of a user's bans and time-outs."""

    limit: int = Field(default=100, ge=1, le=MOST_MESSAGES, description="How many at most.")


@router.get(
    "/channels/{channel}/users/{user}/moderation",
    summary="The bans and time-outs of a user in a channel",
    response_model=ModerationBody,
    responses=declared(400, 403, 404, 503),
)
async def channel_user_moderation(
    shared: SharedDependency, channel: ChannelPath, user: UserPath, params: Annotated[ModerationParams, Query()]
) -> Response:
    """Give a user's bans, time-outs and removed lines in a channel, newest first; also those under old logins."""
    store = shared.open_store()
    channel_id, user_id = key = await shared.names.both(store.directory, channel, user)
    from_ms = max(params.from_ or 0, shared.who_is_out().shown_from(CHANNEL_USER, key))
    names = await store.directory.logins_of(user_id)
    events = await store.moderation.of_user(
        channel_id, user_id, names, from_ms=from_ms, to_ms=params.to, limit=params.limit
    )
    shown = {"moderation": [_event(event) for event in events], "more": len(events) == params.limit}
    return Response(dump(shown), media_type="application/json")


def _event(event: Event) -> dict[str, Any]:
    number = keys.timeuuid(*event.position)
    shown: dict[str, Any] = {
        "sent": keys.uuid_text(number >> 64, event.position.low),
        "type": event.by.value,
        "timestamp": rfc3339(event.position.sent_ms),
        "login": event.login,
    }
    if event.seconds is not None:
        shown["seconds"] = event.seconds
    if event.target is not None:
        shown["messageId"] = event.target
    return shown
