"""Turns whatever goes wrong into one shape: `application/problem+json` (RFC 9457) with a stable code.

Routes whose clients know another shape say so in the request's scope (`app.compatible.doorway`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BadRequest, Problem
from app.json import dump
from store.errors import ArchiveDamaged, ArchiveUnavailable, CursorError, StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY = {"retry-after": "2"}

ERROR_SHAPE = "logstv.error_shape"
"""In the scope of a request whose errors have another shape: the ErrorShape."""

ErrorShape = Callable[[int, str, str], tuple[bytes, str]]
"""From a status, a code and a sentence to a body and its media type."""


class ProblemBody(BaseModel):
    """A problem, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "status": 404,
                    "code": "not_found",
                    "title": "There is no such thing",
                    "detail": "no channel 'moonbse' has a log here: /v1/channels lists those that have",
                }
            ]
        }
    )

    type: str
    status: int
    code: str
    title: str
    detail: str


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say for OpenAPI that a route may answer with these problems."""
    return {
        status: {"description": MEANINGS[status], "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA}}}}
        for status in with_archive(statuses)
    }


def with_archive(statuses: Iterable[int]) -> list[int]:
    """Add what the archive may answer to the statuses of a route that looks for something in the store."""
    return sorted({*statuses, 502} if {404, 503} <= set(statuses) else statuses)


MEANINGS = {
    400: "It makes no sense",
    403: "Not allowed",
    404: "Not there",
    414: "The address is too long",
    429: "Too many requests",
    431: "The headers are too long",
    502: "A day in the archive is damaged",
    503: "Not now",
}
OF_EVERY_ROUTE = (414, 429, 431)
"""What is answered before it is looked at what is asked."""

_SCHEMA = "#/components/schemas/ProblemBody"


def answer(status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Give the answer of a problem."""
    body = {"type": "about:blank", "status": status, "code": code, "title": title, "detail": detail}
    more = {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})}
    return Response(dump(body), status, media_type=MEDIA_TYPE, headers=more)


def shaped(
    scope: Scope, status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """Give the answer of a problem in the shape that the request's route has."""
    found = answer(status, code, title, detail, headers)
    shape: ErrorShape | None = scope.get(ERROR_SHAPE)
    if shape is None:
        return found
    body, media_type = shape(status, code, detail)
    kept = {name: value for name, value in found.headers.items() if name not in ("content-length", "content-type")}
    return Response(body, status, media_type=media_type, headers=kept)


def install(app: FastAPI) -> None:
    """Have the service answer everything that goes wrong in this shape."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(CursorError, _cursor)
    app.add_exception_handler(ArchiveDamaged, _damaged)
    app.add_exception_handler(ArchiveUnavailable, _archive)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_exception_handler(StoreError, _unavailable)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    again = {} if error.retry_seconds is None else {"retry-after": str(error.retry_seconds)}
    return shaped(request.scope, error.status, error.code, error.title, error.detail, again)


async def _cursor(request: Request, error: Exception) -> Response:
    return shaped(request.scope, 400, "invalid_cursor", "The cursor cannot be used", str(error))


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _problem(request, BadRequest("; ".join(_sentence(found) for found in error.errors())))


def _sentence(found: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in found["loc"][1:]) or "the request"
    if found["type"] == "extra_forbidden":
        return f"there is no parameter {name!r} here; /docs lists those there are"
    reason = str(found["msg"]).removeprefix("Value error, ")
    if len(found["loc"]) < 2:
        return reason
    return f"{name}={str(found['input'])[:60]!r}: {reason[:1].lower()}{reason[1:]}"


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        detail = f"nothing is at {request.url.path}; /docs lists the routes"
        return shaped(request.scope, 404, "not_found", "There is no such thing", detail)
    if error.status_code == 405:
        detail = f"{request.method} is not answered at {request.url.path}"
        return shaped(
            request.scope, 405, "method_not_allowed", "Not with this method", detail, dict(error.headers or {})
        )
    return shaped(request.scope, error.status_code, "invalid_request", "The request makes no sense", str(error.detail))


def unavailable(detail: str) -> Response:
    """Give the answer of a service that cannot answer now."""
    return answer(503, "unavailable", "Not now", detail, _RETRY)


async def _unavailable(request: Request, error: Exception) -> Response:
    log.warning("store.unavailable", reason=str(error))
    detail = "the store cannot answer now; ask again in a moment"
    return shaped(request.scope, 503, "unavailable", "Not now", detail, _RETRY)


async def _archive(request: Request, error: Exception) -> Response:
    log.warning("archive.unavailable", reason=str(error))
    detail = "what was asked for is in the archive, which does not answer now; ask again in a moment"
    return shaped(request.scope, 503, "archive_unavailable", "Not now", detail, _RETRY)


async def _damaged(request: Request, error: Exception) -> Response:
    log.error("archive.damaged", reason=str(error))
    assert isinstance(error, ArchiveDamaged)
    detail = f"{error.day} cannot be given: its file in the archive is missing or damaged; other days can be asked for"
    return shaped(request.scope, 502, "archive_damaged", "A day in the archive is damaged", detail)


class Faults:
    """Answers a fault of ours as a problem, within all that puts headers on answers.

    FastAPI leaves the handler of `Exception` to Starlette's outermost middleware, whose answer passes no other one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a fault after the answer has begun breaks the connection."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            log.error("app.fault", path=scope["path"], exc_info=error)
            detail = "this is a fault of the service, and it was logged"
            answer = shaped(scope, 500, "internal_error", "Something went wrong", detail)
            await answer(scope, receive, send)
