"""Whether the service lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.requests import Request

from app import docs_page
from app.dependencies import SharedDependency
from app.json import dump
from app.models import HealthBody
from app.problems import declared, unavailable
from store.errors import StoreError, StoreUnavailable

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Does the service live?", response_model=HealthBody)
async def healthz() -> Response:
    """Answer as long as the service lives, whatever Cassandra does."""
    return Response(dump({"status": "alive"}), media_type="application/json")


@router.get("/readyz", summary="Can the service answer?", response_model=HealthBody, responses=declared(503))
async def readyz(shared: SharedDependency) -> Response:
    """Answer with 200 while Cassandra answers and the tables are there, else with 503 and why."""
    try:
        await shared.open_store().directory.channel(0)
    except StoreUnavailable:
        return unavailable("Cassandra is not reached, or does not answer in time")
    except StoreError:
        return unavailable("Cassandra answers, but our tables are not there: run `logstv schema apply`")
    return Response(dump({"status": "ready"}), media_type="application/json")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show the routes as a page that loads nothing from elsewhere."""
    return HTMLResponse(docs_page.page(request.app.openapi()))
