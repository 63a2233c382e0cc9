"""Cursors: where a walk through a log stands, as an opaque text that a client hands back.

A cursor holds a position in the log and not a state of the server's: it outlives restarts, new lines and tiers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from store.errors import CursorError
from store.keys import LATEST_MS, LOW_MASK, Position
from store.sealed import CHANGED, seal, unseal
from store.shapes import SHAPES, Key, Shape

_VERSION = 1
_KIND = b"logstv cursor"
_LONGEST = 200
_HEAD = struct.Struct(">BBB")
_BODY = struct.Struct(">qqqqQ")
_NEWEST_FIRST, _BACKWARDS, _HAS_FROM, _HAS_TO, _HAS_BUCKET = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a walk stands.

    Attributes:
        shape: in which kind of log.
        key: whose log.
        position: the line at which the walk stands; the next one is strictly beyond it.
        bucket_ms: the bucket of that line, Unix milliseconds; None where it is not known.
        from_ms: the start of the walk's range, inclusive; None if it has none.
        to_ms: the end of the walk's range, exclusive; None if it has none.
        newest_first: the order of the walk.
        backwards: whether the page before is wanted, not the one after.
    """

    shape: Shape
    key: Key
    position: Position
    bucket_ms: int | None
    from_ms: int | None
    to_ms: int | None
    newest_first: bool
    backwards: bool

    def encode(self) -> str:
        """Give the text of the cursor."""
        bits = (
            _NEWEST_FIRST * self.newest_first
            | _BACKWARDS * self.backwards
            | _HAS_FROM * (self.from_ms is not None)
            | _HAS_TO * (self.to_ms is not None)
            | _HAS_BUCKET * (self.bucket_ms is not None)
        )
        head = _HEAD.pack(_VERSION, SHAPES.index(self.shape), bits)
        key = struct.pack(f">{len(self.key)}q", *self.key)
        body = _BODY.pack(self.bucket_ms or 0, self.from_ms or 0, self.to_ms or 0, *self.position)
        return seal(head + key + body, _KIND)

    @classmethod
    def decode(cls, text: str, shape: Shape, key: Key) -> Cursor:
        """Read a cursor that must be of this log.

        Raises:
            CursorError: it is not ours, was changed or cut, or belongs to another log.
        """
        packed = unseal(text, _KIND, longest=_LONGEST)
        if len(packed) < _HEAD.size:
            raise CursorError(CHANGED)
        version, place, bits = _HEAD.unpack_from(packed)
        if version != _VERSION or place >= len(SHAPES):
            raise CursorError("the cursor is of another version of logstv: start again without one")
        found = SHAPES[place]
        if len(packed) != _HEAD.size + 8 * len(found.key) + _BODY.size:
            raise CursorError(CHANGED)
        found_key = struct.unpack_from(f">{len(found.key)}q", packed, _HEAD.size)
        if found is not shape or found_key != key:
            raise CursorError("the cursor belongs to another log: use it with the route and names that gave it")
        bucket_ms, from_ms, to_ms, sent_ms, low = _BODY.unpack_from(packed, _HEAD.size + 8 * len(found.key))
        if any(not 0 <= ms <= LATEST_MS for ms in (bucket_ms, from_ms, to_ms, sent_ms)):
            raise CursorError(CHANGED)
        return cls(
            found,
            found_key,
            Position(sent_ms, low & LOW_MASK),
            bucket_ms if bits & _HAS_BUCKET else None,
            from_ms if bits & _HAS_FROM else None,
            to_ms if bits & _HAS_TO else None,
            newest_first=bool(bits & _NEWEST_FIRST),
            backwards=bool(bits & _BACKWARDS),
        )
