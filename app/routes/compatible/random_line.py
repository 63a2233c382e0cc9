"""A line by chance, of a channel or of a user in a channel; how it is chosen is `store.counts`'."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.compatible import answers
from app.compatible.declared import LINES, TAG, plainly
from app.compatible.log_names import OF_CHANNEL, OF_USER, ChannelLog, LogName, UserLog
from app.compatible.params import FormParams
from app.dependencies import Shared, SharedDependency
from store.reader import Log

router = APIRouter(tags=[TAG])

Params = Annotated[FormParams, Query()]
_RESPONSES = {**LINES, **plainly(400, 403, 404, 503)}


@router.get(OF_CHANNEL + "/random", summary="A line of a channel by chance", responses=_RESPONSES)
async def channel_random(request: Request, shared: SharedDependency, name: ChannelLog, params: Params) -> Response:
    """Give one line of a channel, whichever."""
    return await _random(request, shared, name, params)


@router.get(OF_USER + "/random", summary="A line of a user in a channel by chance", responses=_RESPONSES)
async def channel_user_random(request: Request, shared: SharedDependency, name: UserLog, params: Params) -> Response:
    """Give one line of a user in a channel, whichever."""
    return await _random(request, shared, name, params)


async def _random(request: Request, shared: Shared, name: LogName, params: FormParams) -> Response:
    found = await shared.open_store().counts.any_line(Log(name.shape, name.key))
    return answers.written([found] if found else [], params.form(request.headers.get("content-type", "")))
