"""A raw closed day of a channel as its file lies in the archive: nothing is unpacked, parsed or packed again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from app.dependencies import is_head
from app.freshness import known_to
from store.archive.objects import Place
from store.archive.reader import ArchiveReader
from store.errors import ArchiveDamaged, StoreError
from store.keys import MS_IN_DAY
from store.reader import Log
from store.shapes import CHANNEL
from store.store import Store

log = structlog.get_logger(__name__)


async def whole_day(request: Request, store: Store, asked: Log) -> Response | None:
    """Answer with the file of a day, if a whole day is asked for, it is in the archive, and the client takes gzip.

    Its lines end in LF, as justlog wrote them. Every piece of the file is checked before it is sent. Where the archive
    cannot give it, the day is read as any other is: Cassandra may still have all of it.

    Raises:
        StoreUnavailable: Cassandra cannot answer.
    """
    from_ms, to_ms = asked.from_ms, asked.to_ms
    if asked.shape is not CHANNEL or from_ms is None or to_ms is None or asked.newest_first:
        return None
    if from_ms % MS_IN_DAY or to_ms != from_ms + MS_IN_DAY or not _takes_gzip(request):
        return None
    cold = store.reader.cold
    place = Place(asked.key[0], from_ms)
    recorded = await cold.index.day(place)
    if recorded is None or from_ms in await cold.index.late(place.channel_id):
        return None
    headers = _headers(recorded.generation)
    if known_to(request.headers.get("if-none-match", ""), headers["etag"]):
        return Response(status_code=304, headers=headers)
    try:
        # Its length and its ETag are those of the file whose bytes follow, also if it was exported again just now.
        table, pieces = await cold.files.raw(place)
        first = await anext(pieces, None)
    except StoreError as error:
        log.warning("archive.passed_by", day=str(place), reason=str(error))
        return None
    if first is None:
        return None
    headers = _headers(table.generation)
    headers |= {"content-encoding": "gzip", "content-length": str(table.size)}
    body = iter(()) if is_head(request) else _body(cold, place, first, pieces)
    return StreamingResponse(body, media_type="text/plain; charset=utf-8", headers=headers)


def _headers(generation: bytes) -> dict[str, str]:
    return {"etag": f'W/"{generation.hex()}"', "vary": "accept-encoding"}


async def _body(cold: ArchiveReader, place: Place, first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the body; an error breaks the connection, so that a client sees that the end is missing."""
    yield first
    try:
        async for piece in pieces:
            yield piece
    except StoreError as error:
        log.error("stream.broken", reason=str(error))
        if isinstance(error, ArchiveDamaged):
            await cold.should_be_there(place)
        raise


def _takes_gzip(request: Request) -> bool:
    """Say whether the client takes gzip (RFC 9110, 12.5.3)."""
    for taken in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = taken.strip().lower().partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
