"""Statistics of a channel and of a user in a channel; `store.activity` counts."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from app.dependencies import OnlyDocumented, Shared, SharedDependency
from app.errors import BadRequest
from app.json import dump
from app.models import ChannelStatsBody, UserStatsBody
from app.params import CHANNEL_STATS, USER_STATS, RangeParams, Reach
from app.problems import declared
from app.routes.logs import ChannelPath, UserPath
from app.times import rfc3339
from store.activity import Counts
from store.keys import Width
from store.message import STORED_TYPES, MessageType
from store.shapes import CHANNEL, CHANNEL_USER, Key, Shape

router = APIRouter(prefix="/v1", tags=["statistics"], dependencies=[OnlyDocumented])

_REACHES = {CHANNEL: CHANNEL_STATS, CHANNEL_USER: USER_STATS}


class StatsParams(RangeParams):
    """What is to be counted."""

    by: Annotated[Width, Field(json_schema_extra={"enum": ["day", "hour"]})] = Field(
        default=Width.DAY, description="Counts by day or by hour, UTC."
    )


class ChannelStatsParams(StatsParams):
    """What is to be counted in a channel."""

    top: int = Field(default=10, ge=0, le=100, description="How many of those who said most.")


@router.get(
    "/channels/{channel}/stats",
    summary="Statistics of a channel",
    response_model=ChannelStatsBody,
    responses=declared(400, 403, 404, 503),
)
async def channel_stats(
    shared: SharedDependency, channel: ChannelPath, params: Annotated[ChannelStatsParams, Query()]
) -> Response:
    """Count what was said in a channel, and by whom; without a range, in its last day."""
    key = (await shared.names.channel(shared.open_store().directory, channel),)
    shown, counts = await _counted(shared, CHANNEL, key, params)
    shown["chatters"] = len(counts.chatters)
    shown["top"] = [
        {"user": {"id": str(chatter.user_id), "login": chatter.login}, "messages": chatter.messages}
        for chatter in counts.top(params.top)
    ]
    return Response(dump(shown), media_type="application/json")


@router.get(
    "/channels/{channel}/users/{user}/stats",
    summary="Statistics of a user in a channel",
    response_model=UserStatsBody,
    responses=declared(400, 403, 404, 503),
)
async def channel_user_stats(
    shared: SharedDependency, channel: ChannelPath, user: UserPath, params: Annotated[StatsParams, Query()]
) -> Response:
    """Count what a user said in a channel; without a range, in the last 30 days."""
    directory = shared.open_store().directory
    key = await shared.names.both(directory, channel, user)
    shown, _ = await _counted(shared, CHANNEL_USER, key, params)
    return Response(dump(shown), media_type="application/json")


async def _counted(shared: Shared, shape: Shape, key: Key, params: StatsParams) -> tuple[dict[str, Any], Counts]:
    from_ms, to_ms = params.within(_reach(shape, params.by))
    counts = await shared.open_store().activity.count(
        shape, key, from_ms, to_ms, by=params.by, budget_seconds=shared.settings.stats_seconds
    )
    return {
        "from": rfc3339(from_ms),
        "to": rfc3339(to_ms),
        "complete": counts.complete,
        "through": rfc3339(counts.through_ms),
        **_kinds(counts.types),
        "periods": [{"start": rfc3339(start), **_kinds(found)} for start, found in sorted(counts.periods.items())],
    }, counts


def _kinds(found: Counter[MessageType]) -> dict[str, Any]:
    return {"total": found.total(), "types": {name.lower(): found[kind] for name, kind in STORED_TYPES.items()}}


def _reach(shape: Shape, by: Width) -> Reach:
    """Give how far a range may reach.

    Raises:
        BadRequest: periods are neither days nor hours.
    """
    reaches = _REACHES[shape]
    if by not in reaches:
        raise BadRequest(f"by={by.value!r}: counts are by day or by hour")
    return reaches[by]
