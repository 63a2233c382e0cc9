"""When a channel was being read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.dependencies import OnlyDocumented, SharedDependency
from app.gaps import shown
from app.json import dump
from app.models import CoverageBody
from app.params import COVERAGE, RangeParams
from app.problems import declared
from app.routes.logs import ChannelPath
from store.coverage import Span

router = APIRouter(prefix="/v1", tags=["channels"], dependencies=[OnlyDocumented])


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
    whole = Span(*params.within(COVERAGE))
    spans, gaps = await store.coverage.spans(channel_id, whole), await store.coverage.gaps(channel_id, whole)
    return Response(dump({"spans": shown(spans), "gaps": shown(gaps)}), media_type="application/json")
