"""Which channels are read: the admin's routes of /v1. Workers follow a change within seconds."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from app.dependencies import OnlyDocumented, Shared, SharedDependency
from app.errors import BadRequest
from app.json import dump
from app.models import AddChannelsBody, RemoveChannelsBody, RemovedChannelsBody, WantedChannelsBody
from app.policy import require_admin
from app.problems import declared
from app.times import rfc3339
from store.errors import WantedError
from store.wanted import AS_IS, Standing, WantedChannels, rules_of

MOST_BYTES = 1024 * 1024
"""A body with more than this is refused unread."""

_Body = TypeVar("_Body", bound=BaseModel)


async def only_admin(
    shared: SharedDependency,
    x_api_key: Annotated[str, Header(description="The admin's key, as LOGSTV_ADMIN_KEY says.")] = "",
) -> None:
    """Let the admin pass, before anything of the request is looked at.

    Raises:
        Forbidden: it is someone else.
    """
    require_admin(shared.settings, x_api_key)


router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(only_admin), OnlyDocumented])


def takes(body: type[BaseModel]) -> dict[str, Any]:
    """Say for OpenAPI what a route reads itself, once it is known that the admin asks."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body.model_json_schema()}}}}


@router.get(
    "/channels", summary="The channels to read", response_model=WantedChannelsBody, responses=declared(400, 403, 503)
)
async def channels(shared: SharedDependency) -> Response:
    """Give the channels that are to be read, what is kept of each, and who reads it now."""
    return _all(await (await wanted_channels(shared)).standing())


@router.post(
    "/channels",
    summary="Read channels",
    response_model=WantedChannelsBody,
    responses=declared(400, 403, 503),
    openapi_extra=takes(AddChannelsBody),
)
async def add(request: Request, shared: SharedDependency) -> Response:
    """Have channels read, or change what is kept of them; give those that were named, as they stand then."""
    body = await read_body(request, AddChannelsBody)
    days = body.retentionDays if "retentionDays" in body.model_fields_set else AS_IS
    archive_days = body.archiveDays if "archiveDays" in body.model_fields_set else AS_IS
    wanted = await wanted_channels(shared)
    try:
        added = await wanted.add(body.channels, rules_of(days, body.types, body.without, archive_days))
    except WantedError as error:
        raise BadRequest(str(error)) from error
    names = {channel.name for channel in added}
    return _all([each for each in await wanted.standing() if each.channel.name in names])


@router.delete(
    "/channels",
    summary="Read channels no more",
    response_model=RemovedChannelsBody,
    responses=declared(400, 403, 503),
    openapi_extra=takes(RemoveChannelsBody),
)
async def remove(request: Request, shared: SharedDependency) -> Response:
    """Have channels read no more, and give those that were read until now; what was logged stays."""
    body = await read_body(request, RemoveChannelsBody)
    try:
        gone = await (await wanted_channels(shared)).remove(body.channels)
    except WantedError as error:
        raise BadRequest(str(error)) from error
    return Response(dump({"removed": [channel.name for channel in gone]}), media_type="application/json")


async def wanted_channels(shared: Shared) -> WantedChannels:
    """Give the channels that are to be read; the statements are prepared once a session.

    Raises:
        StoreUnavailable: Cassandra cannot answer.
    """
    return await WantedChannels.open(shared.open_store().session)


async def body_of(request: Request) -> bytes:
    """Read a request's body.

    Raises:
        BadRequest: it is too long.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise BadRequest(f"a body has at most {MOST_BYTES} bytes: name fewer at a time")
    return body


async def read_body(request: Request, model: type[_Body]) -> _Body:
    """Read a request's body.

    Raises:
        BadRequest: it is not what the model says.
    """
    try:
        return model.model_validate_json(await body_of(request))
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(map(str, found["loc"]))
        reason = found["msg"].removeprefix("Value error, ")
        example = dump(model.model_json_schema()["examples"][0]).decode()
        raise BadRequest(f"{where or 'the body'}: {reason}; a body is JSON as in {example}") from error


def _all(standing: list[Standing]) -> Response:
    shown = [
        {
            "name": each.channel.name,
            "id": None if each.channel.channel_id is None else str(each.channel.channel_id),
            "login": each.login,
            "added": rfc3339(each.channel.added_ms),
            "retentionDays": each.channel.retention_days,
            "archiveDays": each.channel.archive_days,
            "without": sorted(kind.name.lower() for kind in each.channel.without),
            "readers": list(each.readers),
        }
        for each in standing
    ]
    return Response(dump({"channels": shown}), media_type="application/json")
