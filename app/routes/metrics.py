"""What Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.dependencies import SharedDependency

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
async def metrics(shared: SharedDependency) -> Response:
    """Give the metrics of this process; with `logstv up` those of its worker too."""
    return Response(generate_latest(shared.registry), media_type=CONTENT_TYPE_LATEST)
