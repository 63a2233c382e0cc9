"""The web page for readers: an HTML file, its style and its scripts, served as they lie in `app/page`.

The page asks nothing but /v1; what it shows and how is said in those files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter
from fastapi.responses import Response

from app.errors import NotFound

router = APIRouter(include_in_schema=False)

EMOTE_HOST = "https://static-cdn.jtvnw.net"
"""Twitch's images of emotes. A header cannot know what a reader has switched on, so it always allows them; the page
asks for none until the reader says so."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' {EMOTE_HOST}",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        # Where a browser knows it (Chromium), no text can be handed to what parses HTML or script.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""What the page may do: run and load what we serve, show text, and nothing else."""

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str

    def response(self) -> Response:
        return Response(self.body, media_type=self.media_type, headers={"content-security-policy": POLICY})


def _read() -> Mapping[str, _File]:
    found = {}
    for file in files("app").joinpath("page").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in _TYPES:
            found[file.name] = _File(file.read_bytes(), _TYPES[suffix])
    return MappingProxyType(found)


_FILES = _read()


@router.get("/")
async def page() -> Response:
    """Give the page; which log it shows is in the address, which is the browser's matter."""
    return _FILES["index.html"].response()


@router.get("/page/{name}")
async def page_file(name: str) -> Response:
    """Give a file of the page. Each has an ETag and is asked for again, so that all are of one version."""
    if name not in _FILES:
        raise NotFound(f"the page has no file {name[:60]!r}")
    return _FILES[name].response()
