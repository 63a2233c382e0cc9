"""What there is: the channels, the days and months that have lines, the names of a user, what the service can do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from app.compatible.declared import TAG, plainly
from app.compatible.doorway import CAPABILITIES
from app.compatible.log_names import ChannelBy, UserBy, channel_and_user_id, channel_id
from app.dependencies import SharedDependency
from app.errors import BadRequest, NotFound
from app.json import dump
from app.models import CompatibleAvailable, CompatibleChannels, CompatibleName
from app.times import day, month, rfc3339_brief
from store.keys import Width
from store.reader import Log
from store.shapes import CHANNEL, CHANNEL_USER
from store.tiers import TieredReader

router = APIRouter(tags=[TAG])


@router.get("/channels", summary="The channels", response_model=CompatibleChannels, responses=plainly(503))
async def channels(shared: SharedDependency) -> Response:
    """Give the channels that have a log."""
    found, out = await shared.open_store().directory.channels(), shared.who_is_out()
    shown = [
        {"name": channel.login, "userID": str(channel.channel_id)}
        for channel in found
        if channel.login and not out.has_channel(channel.channel_id)
    ]
    return _json({"channels": shown})


@router.get(
    "/list",
    summary="The days of a channel, or the months of a user in it",
    response_model=CompatibleAvailable,
    response_model_exclude_none=True,
    responses=plainly(400, 403, 404, 503),
)
async def available(
    shared: SharedDependency,
    channel: Annotated[str, Query(description="The channel's login.", examples=["moonbase"])] = "",
    channelid: Annotated[str, Query(description="Or Twitch's number of it.")] = "",
    user: Annotated[str, Query(description="The login of a user.")] = "",
    userid: Annotated[str, Query(description="Or Twitch's number of one.")] = "",
) -> Response:
    """Give exactly the days, or the months, that can be asked for, newest first."""
    if not channel and not channelid:
        raise BadRequest("Specify query parameter: channel or channelid")
    by = ChannelBy.ID if channelid else ChannelBy.LOGIN
    if user or userid:
        user_by = UserBy.ID if userid else UserBy.LOGIN
        log = Log(CHANNEL_USER, await channel_and_user_id(shared, by, channelid or channel, user_by, userid or user))
    else:
        log = Log(CHANNEL, (await channel_id(shared, by, channelid or channel),))
    dates = await _dates(shared.open_store().reader, log)
    if not dates:
        raise NotFound("there are no lines")
    return _json({"availableLogs": [dict(zip(("year", "month", "day"), date, strict=False)) for date in dates]})


@router.get(
    "/namehistory/{user_id}",
    summary="The names of a user",
    response_model=list[CompatibleName],
    responses=plainly(400, 403, 503),
)
async def name_history(
    shared: SharedDependency,
    user_id: Annotated[str, Path(description="Twitch's number of the user.", examples=["501"])],
) -> Response:
    """Give every login that a user was seen under; nothing for a user who was not seen."""
    directory = shared.open_store().directory
    names = await directory.logins_of(await shared.names.user(directory, f"id:{user_id}"))
    shown = []
    for name in names:
        first, last = name.first_seen_ms, name.last_seen_ms
        if (seen := first if last is None else last) is not None:
            first_shown = rfc3339_brief(seen if first is None else first)
            shown.append(
                {"user_login": name.login, "last_timestamp": rfc3339_brief(seen), "first_timestamp": first_shown}
            )
    return _json(shown)


@router.get("/capabilities", summary="What the service can do", response_model=list[str])
async def capabilities() -> Response:
    """Give rustlog's names of what this service can do."""
    return _json(CAPABILITIES)


async def _dates(reader: TieredReader, log: Log) -> list[list[str]]:
    """Give the dates that have lines, newest first.

    The index may name a bucket whose first line is still on its way, or whose lines have expired before it: those lie
    at the two ends, beyond the newest and the oldest line.
    """
    newest = (await reader.page(log, limit=1)).messages
    oldest = (await reader.page(Log(log.shape, log.key, newest_first=False), limit=1)).messages
    if not newest or not oldest:
        return []
    write, width = (day, Width.DAY) if log.shape is CHANNEL else (month, Width.MONTH)
    first, last = width.start(oldest[0].sent_ms or 0), newest[0].sent_ms or 0
    buckets = await reader.buckets(Log(log.shape, log.key, first, last + 1))
    written = dict.fromkeys(write(bucket.start_ms) for bucket in buckets)
    return [[part.lstrip("0") for part in date.split("-")] for date in written]


def _json(value: object) -> Response:
    return Response(dump(value), media_type="application/json")
