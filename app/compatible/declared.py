"""What the compatible routes say of themselves in the OpenAPI document."""

from __future__ import annotations

from typing import Any

TAG = "compatible"

_PLAIN = {"text/plain": {"schema": {"type": "string"}}}
_MEANINGS = {400: "It makes no sense", 403: "Opted out", 404: "Not there", 503: "Cassandra cannot answer now"}

LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The lines, as the flags ask for: text without any.",
        "headers": {"Link": {"description": "`next`, where a limit is given (RFC 8288)", "schema": {"type": "string"}}},
        "content": {
            **_PLAIN,
            "application/json": {"schema": {"$ref": "#/components/schemas/CompatibleLines"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


def plainly(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say that a route may answer with these errors, as a line of text."""
    return {status: {"description": _MEANINGS[status], "content": _PLAIN} for status in statuses}
