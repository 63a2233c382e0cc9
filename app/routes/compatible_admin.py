"""Which channels are read, as justlog and rustlog are told it: ids, an empty answer, errors as plain text."""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from app.dependencies import Shared, SharedDependency
from app.errors import BadRequest, Problem
from app.policy import is_admin
from app.routes.admin import body_of, wanted_channels
from store.errors import StoreError, WantedError

log = structlog.get_logger(__name__)

router = APIRouter(tags=["as rustlog"])

AdminKey = Annotated[str, Header(description="The admin's key, as LOGSTV_ADMIN_KEY says.")]

_REFUSAL = "No, I don't think so"  # rustlog's own words
_RETRY_SECONDS = "2"
_ID = re.compile("[1-9][0-9]{0,17}")
_PLAIN = {"text/plain": {"schema": {"type": "string"}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is done; empty.", "content": _PLAIN},
    400: {"description": "It makes no sense.", "content": _PLAIN},
    403: {"description": "Not with this key.", "content": _PLAIN},
    503: {"description": "Cassandra cannot answer now.", "content": _PLAIN},
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
        return _plain(403, _REFUSAL)
    try:
        names = _ids(await body_of(request))
        wanted = await wanted_channels(shared)
        await (wanted.add(names) if adds else wanted.remove(names))
    except (Problem, WantedError) as error:
        return _plain(400, str(error))
    except StoreError as error:
        log.warning("store.unavailable", reason=str(error))
        return _plain(503, "the store cannot answer now; ask again in a moment", {"retry-after": _RETRY_SECONDS})
    return _plain(200, "")


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


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    more = {"cache-control": "no-store", **(headers or {})}
    return Response(text, status, media_type="text/plain; charset=utf-8", headers=more)
