"""What a user said in a channel that holds some text."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.compatible import answers
from app.compatible.declared import LINES, TAG, plainly
from app.compatible.log_names import OF_USER, UserLog
from app.compatible.params import SearchParams
from app.dependencies import SharedDependency
from store.filters import Filter
from store.reader import Log

router = APIRouter(tags=[TAG])


@router.get(
    OF_USER + "/search",
    summary="Search what a user said in a channel",
    responses={**LINES, **plainly(400, 403, 404, 503)},
)
async def search(
    request: Request, shared: SharedDependency, name: UserLog, params: Annotated[SearchParams, Query()]
) -> Response:
    """Give the user's lines whose text, or whose event's sentence, holds `q`, in any case.

    The whole log of the user in the channel is read, line by line; memory stays flat, time grows with that log.
    """
    asked = Log(name.shape, name.key, newest_first=params.reverse is not None)
    wanted = Filter(needle=params.q)
    found = shared.open_store().reader.stream(asked, wanted.accept() if wanted else None)
    form = params.form(request.headers.get("content-type", ""))
    return await answers.streamed(request, answers.at_most(found, params.limit, params.offset or 0), form)
