"""What there is: channels, days, months, names."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from app.dependencies import OnlyDocumented, SharedDependency
from app.errors import BadRequest, NotFound
from app.json import dump
from app.models import ChannelsBody, DaysBody, MonthsBody, NamesBody
from app.params import Time
from app.policy import allow_user_log
from app.problems import declared
from app.routes.logs import AdminKey, ChannelPath, UserPath
from app.times import day, month, rfc3339
from store.directory import Channel, Name
from store.opted_out import OptedOut
from store.reader import Log
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.store import Store

router = APIRouter(prefix="/v1", tags=["what there is"], dependencies=[OnlyDocumented])


@router.get("/channels", summary="The channels", response_model=ChannelsBody, responses=declared(400, 503))
async def channels(shared: SharedDependency) -> Response:
    """Give the channels that have a log, by login."""
    out = shared.who_is_out()
    found = await shared.open_store().directory.channels()
    shown = [_channel(channel, out) for channel in found if not out.has_channel(channel.channel_id)]
    return _json({"channels": shown})


@router.get(
    "/channels/{channel}/days",
    summary="The days of a channel",
    response_model=DaysBody,
    responses=declared(400, 403, 404, 503),
)
async def channel_days(shared: SharedDependency, channel: ChannelPath) -> Response:
    """Give the UTC days on which anything was said in a channel, newest first."""
    store = shared.open_store()
    key = (await shared.names.channel(store.directory, channel),)
    buckets = await store.reader.buckets(Log(CHANNEL, key))
    return _json({"days": list(dict.fromkeys(day(bucket.start_ms) for bucket in buckets))})


@router.get(
    "/channels/{channel}/users/{user}/months",
    summary="The months of a user in a channel",
    response_model=MonthsBody,
    responses=declared(400, 403, 404, 503),
)
async def channel_user_months(shared: SharedDependency, channel: ChannelPath, user: UserPath) -> Response:
    """Give the UTC months in which a user has lines in a channel, newest first."""
    store = shared.open_store()
    key = await shared.names.both(store.directory, channel, user)
    return await _months(store, Log(CHANNEL_USER, key))


@router.get(
    "/users/{user}/months",
    summary="The months of a user",
    response_model=MonthsBody,
    responses=declared(400, 403, 404, 503),
)
async def user_months(shared: SharedDependency, user: UserPath, x_api_key: AdminKey = "") -> Response:
    """Give the UTC months in which a user has lines in any channel, newest first."""
    allow_user_log(shared.settings, x_api_key)
    store = shared.open_store()
    return await _months(store, Log(USER, (await shared.names.user(store.directory, user),)))


@router.get(
    "/users/{user}/names",
    summary="The names of a user",
    response_model=NamesBody,
    responses=declared(400, 403, 404, 503),
)
async def user_names(shared: SharedDependency, user: UserPath) -> Response:
    """Give every login that a user was seen under."""
    directory = shared.open_store().directory
    user_id = await shared.names.user(directory, user)
    names = await directory.logins_of(user_id)
    if not names:
        raise NotFound(f"the user id:{user_id} was not seen here")
    return _json({"names": [_name(name) for name in names]})


@router.get(
    "/logins/{login}", summary="Who had a login", response_model=NamesBody, responses=declared(400, 403, 404, 503)
)
async def login_users(
    shared: SharedDependency,
    login: Annotated[str, Path(description="A login, in any case; also an old one.", examples=["ada_lift"])],
    at: Annotated[Time | None, Query(description="Only who had it then: RFC 3339 or Unix time.")] = None,
) -> Response:
    """Give every user who was seen under a login, or with `at` the one who had it at that time."""
    if login.startswith("id:"):
        raise BadRequest("here stands a login; the names of an id are at /v1/users/id:…/names")
    directory = shared.open_store().directory
    names = await directory.users_of(login)
    if at is not None:
        owner = await directory.user_id(login, at)
        names = [name for name in names if name.user_id == owner]
    if not names:
        raise NotFound(f"nobody was seen here under the login {login!r}")
    shown = [name for name in names if not shared.who_is_out().has_user(name.user_id)]
    if not shown:
        shared.names.refuse("user", names[0].user_id)
    return _json({"names": [_name(name) for name in shown]})


def _channel(channel: Channel, out: OptedOut) -> dict[str, object]:
    """Show a channel; of one that opted in again, what was said since."""
    first_ms, last_ms = channel.first_sent_ms, channel.last_sent_ms
    shown_from = out.shown_from(CHANNEL, (channel.channel_id,))
    if last_ms is not None and last_ms < shown_from:
        first_ms = last_ms = None
    return {
        "id": str(channel.channel_id),
        "login": channel.login,
        "firstDay": None if first_ms is None else day(max(first_ms, shown_from)),
        "lastDay": None if last_ms is None else day(last_ms),
        "lastLine": None if last_ms is None else rfc3339(last_ms),
        "reading": bool(channel.readers),
    }


async def _months(store: Store, log: Log) -> Response:
    buckets = await store.reader.buckets(log)
    return _json({"months": list(dict.fromkeys(month(bucket.start_ms) for bucket in buckets))})


def _name(name: Name) -> dict[str, str | None]:
    return {
        "id": str(name.user_id),
        "login": name.login,
        "firstSeen": None if name.first_seen_ms is None else rfc3339(name.first_seen_ms),
        "lastSeen": None if name.last_seen_ms is None else rfc3339(name.last_seen_ms),
    }


def _json(value: object) -> Response:
    return Response(dump(value), media_type="application/json")
