"""Who has opted out, for the admin; every service and every worker follows a change within seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.dependencies import OnlyDocumented, Shared, SharedDependency
from app.errors import BadRequest
from app.json import dump
from app.optout_models import NamedOptoutsBody, OptoutsBody
from app.problems import declared
from app.routes.admin import only_admin, read_body, takes
from app.times import rfc3339
from store.errors import OptoutError
from store.optouts import Kind, Optout, Way

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(only_admin), OnlyDocumented])

_Change = Callable[[Kind, list[int]], Awaitable[list[Optout]]]


@router.get("/optouts", summary="Who has opted out", response_model=OptoutsBody, responses=declared(400, 403, 503))
async def optouts(shared: SharedDependency) -> Response:
    """Give who has opted out, also those who opted in again (`until`), and whether what they said is erased."""
    store = shared.open_store()
    await store.optouts.refresh()
    return _all(store.optouts.rows)


@router.post(
    "/optouts",
    summary="Opt users and channels out",
    response_model=OptoutsBody,
    responses=declared(400, 403, 503),
    openapi_extra=takes(NamedOptoutsBody),
)
async def add(request: Request, shared: SharedDependency) -> Response:
    """Opt users and channels out: nothing of them is shown or kept any more, and what is stored is erased."""
    optouts = shared.open_store().optouts
    return await _changed(request, shared, lambda kind, ids: optouts.add(kind, ids, Way.ADMIN))


@router.delete(
    "/optouts",
    summary="Opt users and channels in again",
    response_model=OptoutsBody,
    responses=declared(400, 403, 503),
    openapi_extra=takes(NamedOptoutsBody),
)
async def remove(request: Request, shared: SharedDependency) -> Response:
    """Opt users and channels in again, and give those that were out: lines are kept from now on."""
    return await _changed(request, shared, shared.open_store().optouts.remove)


async def _changed(request: Request, shared: Shared, change: _Change) -> Response:
    """Carry out a change of those that the body names, and give how they stand then.

    Raises:
        BadRequest: it names nobody, or someone who is not known.
    """
    body = await read_body(request, NamedOptoutsBody)
    optouts = shared.open_store().optouts
    try:
        named = [(Kind.USER, await optouts.ids(Kind.USER, body.users)),
                 (Kind.CHANNEL, await optouts.ids(Kind.CHANNEL, body.channels))]  # fmt: skip
    except OptoutError as error:
        raise BadRequest(str(error)) from error
    if not body.users and not body.channels:
        raise BadRequest("the body names nobody: give `users`, `channels` or both")
    changed = [row for kind, ids in named if ids for row in await change(kind, ids)]
    log.info("optouts.changed", by="admin", method=request.method, rows=[(row.kind.value, row.id) for row in changed])
    return _all(changed)


def _all(rows: Iterable[Optout]) -> Response:
    shown = [
        {
            "kind": row.kind.value,
            "id": str(row.id),
            "logins": sorted(row.logins),
            "since": rfc3339(row.since_ms),
            "until": None if row.until_ms is None else rfc3339(row.until_ms),
            "way": row.way.value,
            "erased": row.is_erased,
        }
        for row in rows
    ]
    return Response(dump({"optouts": shown}), media_type="application/json")
