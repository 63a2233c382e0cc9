"""Reads a whole file of the archive as any reader of gzip would, to hold it against what was written."""

from __future__ import annotations

import asyncio
import hashlib

from zlib_ng import zlib_ng

from store.archive.files import Files
from store.archive.format import NotDeflated
from store.archive.objects import Place
from store.archive.table import HEAD_BYTES
from store.errors import ArchiveDamaged


async def read_back(files: Files, place: Place) -> tuple[int, bytes, int]:
    """Give a file's lines, the digest of its text, and its size.

    Raises:
        ArchiveDamaged: it is missing, or no whole gzip file.
        ArchiveUnavailable: it cannot be read.
    """
    inflate = zlib_ng.decompressobj(zlib_ng.MAX_WBITS | 16)
    digest, lines, size, rest = hashlib.blake2b(digest_size=16), 0, 0, b""
    async for piece in files.objects.pieces(place):
        size += len(piece)
        try:
            text = await asyncio.to_thread(inflate.decompress, piece)
        except NotDeflated as error:
            raise ArchiveDamaged(f"{place.path} is no gzip file: {error}") from error
        digest.update(text)
        lines += text.count(b"\n")
        rest = inflate.unused_data
    if not inflate.eof or rest or size < HEAD_BYTES:
        raise ArchiveDamaged(f"{place.path} is no whole gzip file")
    return lines, digest.digest(), size
