"""Codes to opt out with: whoever says one in a chat that is read has opted out (`ingest.said_optouts`)."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.compatible.declared import TAG, plainly
from app.dependencies import OnlyDocumented, SharedDependency
from app.json import dump
from app.optout_models import OptoutCodeBody
from app.problems import declared
from app.times import rfc3339

router = APIRouter()

_ONCE = {"cache-control": "no-store"}


@router.post(
    "/v1/optout",
    summary="A code to opt out with",
    tags=["opting out"],
    response_model=OptoutCodeBody,
    responses=declared(400, 503),
    dependencies=[OnlyDocumented],
)
async def optout(shared: SharedDependency) -> Response:
    """Give a code, and what to say with it in any chat that is read here, within ten minutes.

    Saying it as a user opts that user out everywhere; a broadcaster says the other sentence in the own channel to opt
    the channel out. It takes effect within seconds, and what is stored is erased.
    """
    code = await shared.open_store().codes.give()
    shown = {
        "code": code.text,
        "expires": rfc3339(code.expires_ms),
        "say": {"user": f"!logstv optout {code.text}", "channel": f"!logstv optout channel {code.text}"},
    }
    return Response(dump(shown), media_type="application/json", headers=_ONCE)


@router.post("/optout", summary="A code to opt out with", tags=[TAG], response_model=str, responses=plainly(503))
async def compatible_optout(shared: SharedDependency) -> Response:
    """Give a code; a user says `!rustlog optout CODE` with it in a chat that is read, within ten minutes."""
    code = await shared.open_store().codes.give()
    return Response(dump(code.text), media_type="application/json", headers=_ONCE)
