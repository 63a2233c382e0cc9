"""Sealed texts: bytes of ours as an opaque text that a client hands back as it is, or not at all."""

from __future__ import annotations

import base64
import binascii
import hashlib

from store.errors import CursorError

_DIGEST = 6  # bytes; guards against slips and tinkering, it keeps no secret
CHANGED = "the cursor is not one that logstv gave: take it from an answer as it is"


def seal(packed: bytes, kind: bytes) -> str:
    """Give the text of some bytes.

    Args:
        packed: what the text is to hold.
        kind: what it is; a text of one kind is none of another.
    """
    return base64.urlsafe_b64encode(packed + _digest(packed, kind)).rstrip(b"=").decode()


def unseal(text: str, kind: bytes, *, longest: int) -> bytes:
    """Give the bytes of a text, of at most so many characters.

    Raises:
        CursorError: it is not ours, of another kind, or was changed or cut.
    """
    if not text.isascii() or len(text) > longest:
        raise CursorError(CHANGED)
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise CursorError(CHANGED) from None
    # Several texts decode to the same bytes (unused bits of the last digit); only ours is taken.
    again = base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    packed, digest = packed[:-_DIGEST], packed[-_DIGEST:]
    if again != text or digest != _digest(packed, kind):
        raise CursorError(CHANGED)
    return packed


def _digest(packed: bytes, kind: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=_DIGEST, person=kind).digest()
