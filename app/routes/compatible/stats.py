"""How many lines there are, and who wrote the most."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.compatible.declared import TAG, plainly
from app.compatible.log_names import OF_CHANNEL, OF_USER, ChannelLog, LogName, UserLog
from app.compatible.params import RangeParams
from app.dependencies import SharedDependency
from app.json import dump
from app.models import CompatibleChannelStats, CompatibleUserStats
from store.directory import Directory
from store.reader import Log

router = APIRouter(tags=[TAG])

Params = Annotated[RangeParams, Query()]
_ERRORS = plainly(400, 403, 404, 503)
_TOP = 5


@router.get(
    OF_CHANNEL + "/stats",
    summary="How much was said in a channel, and by whom",
    response_model=CompatibleChannelStats,
    responses=_ERRORS,
)
async def channel_stats(shared: SharedDependency, name: ChannelLog, params: Params) -> Response:
    """Count a channel's lines and name the five users with the most; over a range, with `from` and `to`.

    It reads who wrote each line of the range, and nothing else of it.
    """
    store = shared.open_store()
    found = await store.statistics.chatters(_log(name, params))
    top = [
        {"userId": str(user_id), "userLogin": await _login(store.directory, user_id), "messageCount": lines}
        for user_id, lines in found.by_user.most_common(_TOP)
    ]
    return _json({"messageCount": found.lines, "topChatters": top})


@router.get(
    OF_USER + "/stats",
    summary="How much a user said in a channel",
    response_model=CompatibleUserStats,
    responses=_ERRORS,
)
async def channel_user_stats(shared: SharedDependency, name: UserLog, params: Params) -> Response:
    """Count the lines of a user's log in a channel; over a range, with `from` and `to`."""
    store = shared.open_store()
    user_id = name.key[-1]
    lines = await store.counts.of(_log(name, params))
    login = await _login(store.directory, user_id)
    return _json({"userId": str(user_id), "userLogin": login, "messageCount": lines})


def _log(name: LogName, params: RangeParams) -> Log:
    """Give the range; as in rustlog both ends are needed, and without them it is the whole log."""
    if params.from_ is None or params.to is None:
        return Log(name.shape, name.key)
    return Log(name.shape, name.key, params.from_, params.to)


async def _login(directory: Directory, user_id: int) -> str | None:
    names = await directory.logins_of(user_id)
    return names[0].login if names else None


def _json(value: object) -> Response:
    return Response(dump(value), media_type="application/json")
