"""What the compatible routes say of themselves in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from app.problems import MEANINGS, OF_EVERY_ROUTE, declared, with_archive

TAG = "compatible"

PLAIN = {"text/plain": {"schema": {"type": "string"}}}
_MEANINGS = {**MEANINGS, 403: "Opted out, or not with this key", 503: "Cassandra cannot answer now"}

LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The lines, as the flags ask for: text without any.",
        "headers": {"Link": {"description": "`next`, where a limit is given (RFC 8288)", "schema": {"type": "string"}}},
        "content": {
            **PLAIN,
            "application/json": {"schema": {"$ref": "#/components/schemas/CompatibleLines"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


def plainly(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say that a route may answer with these errors, as a line of text."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": _MEANINGS[status], "content": PLAIN} for status in with_archive(statuses)
    }
    # A path that begins with another word than theirs is of no route, and is answered as all such are.
    for status in answers.keys() & {404, *OF_EVERY_ROUTE}:
        answers[status]["content"] = {**PLAIN, **declared(404)[404]["content"]}
    return answers
