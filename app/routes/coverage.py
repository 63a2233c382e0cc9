"""When a channel was being read."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.dependencies import OnlyDocumented, SharedDependency
from app.errors import BadRequest
from app.gaps import shown
from app.json import dump
from app.models import CoverageBody
from app.params import RangeParams
from app.problems import declared
from app.routes.logs import ChannelPath
from store.coverage import Span
from store.keys import MS_IN_DAY

router = APIRouter(prefix="/v1", tags=["channels"], dependencies=[OnlyDocumented])

_USUAL_DAYS = 7
_MOST_DAYS = 366


@router.get(
    "/channels/{channel}/coverage",
    summary="When a channel was being read",
    response_model=CoverageBody,
    responses=declared(400, 403, 404, 503),
)
async def channel_coverage(
    shared: SharedDependency, channel: ChannelPath, params: Annotated[RangeParams, Query()]
) -> Response:
    """Give the spans in which the channel was being read, and the gaps between them; without a range, of a week.

    Before the channel was read for the first time nothing is known, so there is neither span nor gap.
    """
    store = shared.open_store()
    channel_id = await shared.names.channel(store.directory, channel)
    to_ms = params.to or (params.from_ + _USUAL_DAYS * MS_IN_DAY if params.from_ else time.time_ns() // 1_000_000)
    whole = Span(params.from_ if params.from_ is not None else to_ms - _USUAL_DAYS * MS_IN_DAY, to_ms)
    if whole.to_ms - whole.from_ms > _MOST_DAYS * MS_IN_DAY:
        raise BadRequest(f"coverage is given of at most {_MOST_DAYS} days at once: ask for a shorter range")
    spans, gaps = await store.coverage.spans(channel_id, whole), await store.coverage.gaps(channel_id, whole)
    return Response(dump({"spans": shown(spans), "gaps": shown(gaps)}), media_type="application/json")
