"""What a message looks like in rustlog's answers; text and raw lines are `app.render`'s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app import render
from app.compatible.params import Form
from app.json import dump
from app.times import rfc3339_brief
from store.message import Message


def basic(message: Message) -> dict[str, Any]:
    """Give the five fields of `jsonBasic`, in rustlog's order."""
    return _basic(message, render.raw_and_tags(message)[1])


def full(message: Message) -> dict[str, Any]:
    """Give the fields of `json` in rustlog's order, and justlog's `systemText`.

    `text` is all that a reader is told, as in rustlog: of an event its sentence, and what was said with it.
    """
    raw, found = render.raw_and_tags(message)
    return {
        **_basic(message, found),
        "username": message.login or "",
        "channel": message.channel_login or "",
        "raw": raw,
        "type": int(message.type),
        "systemText": render.sentence(message),
    }


def _basic(message: Message, found: dict[str, str]) -> dict[str, Any]:
    return {
        "text": render.said(message),
        "displayName": message.shown_name,
        "timestamp": rfc3339_brief(message.sent_ms or 0),
        "id": found.get("id", ""),
        "tags": found,
    }


@dataclass(frozen=True, slots=True)
class Writing:
    """How lines are put into a body.

    Attributes:
        media_type: of the body.
        line: writes one line.
        head: comes before the first.
        between: comes between two.
        tail: comes after the last.
    """

    media_type: str
    line: Callable[[Message], bytes]
    head: bytes = b""
    between: bytes = b"\r\n"
    tail: bytes = b"\r\n"  # also after the last line: clients drop what follows the last line end


_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"

WRITINGS: dict[Form, Writing] = {
    Form.TEXT: Writing(_TEXT, lambda message: render.as_text(message).encode()),
    Form.RAW: Writing(_TEXT, render.as_raw),
    Form.NDJSON: Writing("application/x-ndjson", lambda message: dump(basic(message))),
    Form.JSON: Writing(_JSON, lambda message: dump(full(message)), b'{"messages":[', b",", b"]}"),
    Form.JSON_BASIC: Writing(_JSON, lambda message: dump(basic(message)), b'{"messages":[', b",", b"]}"),
}
