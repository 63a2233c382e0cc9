"""Which channels are read, as justlog and rustlog are told it: ids, an empty answer, errors as theirs."""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from app.compatible.declared import PLAIN, TAG, plainly
from app.dependencies import Shared, SharedDependency
from app.errors import BadRequest, Forbidden
from app.policy import is_admin
from app.routes.admin import body_of, wanted_channels
from store.errors import WantedError

router = APIRouter(tags=[TAG])

AdminKey = Annotated[str, Header(description="The admin's key, as LOGSTV_ADMIN_KEY says.")]

_REFUSAL = "No, I don't think so"  # rustlog's own words
_ID = re.compile("[1-9][0-9]{0,17}")
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is done; empty.", "content": PLAIN},
    **plainly(400, 403, 503),
}
_TAKES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["channels"],
                    "properties": {"channels": {"type": "array", "items": {"type": "string"}}},
                    "example": {"channels": ["71092938"]},
                }
            }
        },
    }
}


@router.post("/admin/channels", summary="Read channels, by their ids", responses=_ANSWERS, openapi_extra=_TAKES)
async def add(request: Request, shared: SharedDependency, x_api_key: AdminKey = "") -> Response:
    """Have channels read whose logins are known here."""
    return await _answer(request, shared, x_api_key, adds=True)


@router.delete(
    "/admin/channels", summary="Read channels no more, by their ids", responses=_ANSWERS, openapi_extra=_TAKES
)
async def remove(request: Request, shared: SharedDependency, x_api_key: AdminKey = "") -> Response:
    """Have channels read no more; those that were not read are left out."""
    return await _answer(request, shared, x_api_key, adds=False)


async def _answer(request: Request, shared: Shared, key: str, *, adds: bool) -> Response:
    if not is_admin(shared.settings, key):
        raise Forbidden(_REFUSAL)
    names = _ids(await body_of(request))
    wanted = await wanted_channels(shared)
    try:
        await (wanted.add(names) if adds else wanted.remove(names))
    except WantedError as error:
        raise BadRequest(str(error)) from error
    return Response("", media_type="text/plain; charset=utf-8", headers={"cache-control": "no-store"})


def _ids(body: bytes) -> list[str]:
    """Give the channels of a body by the names that the store knows them by.

    Raises:
        BadRequest: it names none.
    """
    try:
        ids = orjson.loads(body)["channels"]
    except (ValueError, TypeError, KeyError):
        ids = None
    if not isinstance(ids, list) or not all(isinstance(each, str) and _ID.fullmatch(each) for each in ids):
        raise BadRequest('the body is JSON as in {"channels":["71092938"]}, with Twitch\'s ids of channels')
    return [f"id:{channel_id}" for channel_id in ids]
