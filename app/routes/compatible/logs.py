"""The log of a channel by day, and of a user in a channel by month; without a date, the newest that has lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from app.compatible import answers
from app.compatible.declared import LINES, TAG, plainly
from app.compatible.log_names import OF_CHANNEL, OF_USER, ChannelLog, LogName, UserLog
from app.compatible.params import LinesParams, day_range, month_range
from app.dependencies import Shared, SharedDependency
from app.errors import NotFound
from app.times import day, month
from store.reader import Log
from store.shapes import CHANNEL

router = APIRouter(tags=[TAG])

Params = Annotated[LinesParams, Query()]
YearPath = Annotated[str, Path(description="The year, UTC.", examples=["2026"])]
MonthPath = Annotated[str, Path(description="The month, 1 to 12, with or without a zero before it.", examples=["3"])]
DayPath = Annotated[str, Path(description="The day, 1 to 31, with or without a zero before it.", examples=["1"])]

_ERRORS = plainly(400, 403, 404, 503)
_NEWEST = {**_ERRORS, **LINES, 303: {"description": "To the newest day or month that has lines, query kept."}}


@router.get(OF_CHANNEL, summary="The newest day of a channel, or a range", responses=_NEWEST)
async def channel(request: Request, shared: SharedDependency, name: ChannelLog, params: Params) -> Response:
    """Lead to the newest day that has lines; with `from` and `to`, give the lines between them."""
    return await _newest_or_range(request, shared, name, params)


@router.get(OF_USER, summary="The newest month of a user in a channel, or a range", responses=_NEWEST)
async def channel_user(request: Request, shared: SharedDependency, name: UserLog, params: Params) -> Response:
    """Lead to the newest month that has lines; with `from` and `to`, give the lines between them."""
    return await _newest_or_range(request, shared, name, params)


@router.get(OF_USER + "/{year}/{month}", summary="A month of a user in a channel", responses={**_ERRORS, **LINES})
async def channel_user_month(
    request: Request, shared: SharedDependency, name: UserLog, year: YearPath, month: MonthPath, params: Params
) -> Response:
    """Give what a user said in a channel in a UTC month; `from` and `to` move its ends."""
    return await _dated(request, shared, name, params, month_range(year, month))


@router.get(OF_CHANNEL + "/{year}/{month}/{day}", summary="A day of a channel", responses={**_ERRORS, **LINES})
async def channel_day(
    request: Request,
    shared: SharedDependency,
    name: ChannelLog,
    year: YearPath,
    month: MonthPath,
    day: DayPath,
    params: Params,
) -> Response:
    """Give what was said in a channel on a UTC day; `from` and `to` move its ends."""
    return await _dated(request, shared, name, params, day_range(year, month, day))


async def _dated(
    request: Request, shared: Shared, name: LogName, params: LinesParams, dates: tuple[int, int]
) -> Response:
    from_ms = dates[0] if params.from_ is None else params.from_
    to_ms = dates[1] if params.to is None else params.to
    asked = Log(name.shape, name.key, from_ms, to_ms, newest_first=params.reverse is not None)
    return await answers.lines(request, shared.open_store(), asked, params)


async def _newest_or_range(request: Request, shared: Shared, name: LogName, params: LinesParams) -> Response:
    store = shared.open_store()
    asked = Log(name.shape, name.key)
    if params.from_ is not None and params.to is not None:
        asked = replace(asked, from_ms=params.from_, to_ms=params.to, newest_first=params.reverse is not None)
        return await answers.lines(request, store, asked, params)
    newest = (await store.reader.page(asked, limit=1)).messages
    if not newest:
        raise NotFound("there are no lines")
    date = (day if name.shape is CHANNEL else month)(newest[0].sent_ms or 0)
    query = request.scope["query_string"]
    to = f"{name.path}/{unpadded(date)}" + (f"?{quote(query, safe=_IN_QUERY)}" if query else "")
    return Response(status_code=303, headers={"location": to})


_IN_QUERY = "%!$&'()*+,-./:;=?@_~[]"


def unpadded(date: str) -> str:
    """Write a date as rustlog's paths do: `2026/3/1`."""
    return "/".join(part.lstrip("0") for part in date.split("-"))
