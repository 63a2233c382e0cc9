"""What a live stream has given, and its cursor, with which it goes on elsewhere without a hole and without a double.

Lines become visible out of order: another worker's batch, or a repeated write, may bring a line after lines that were
sent later. So a place in the log does not say what a stream gave. What does is a place up to which all is settled, and
the lines that were given beyond it: a cursor holds that place and 24 bits of the key of each such line.
"""

from __future__ import annotations

import struct
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable

from store.errors import CursorError
from store.keys import LATEST_MS, LOW_MASK, Position
from store.sealed import CHANGED, seal, unseal

MOST_MARKS = 300
"""Lines beyond the settled place that a cursor names; in a channel of more than 30 lines a second a cursor looks back
less than the ten seconds for which `app.live` expects late lines."""

_KIND = b"logstv live"
_VERSION = 1
_HEAD = struct.Struct(">BqqQ")
_MARK_BYTES = 3
_MARK_MASK = (1 << 8 * _MARK_BYTES) - 1
LONGEST_CURSOR = (_HEAD.size + MOST_MARKS * _MARK_BYTES + 6) * 4 // 3 + 4
"""Characters."""


class Given:
    """The lines of a channel that a stream has given.

    Attributes:
        channel_id: which channel.
        settled: every line up to this place was given, or comes too late.
    """

    def __init__(self, channel_id: int, settled: Position, marks: Iterable[int] = ()) -> None:
        self.channel_id = channel_id
        self.settled = settled
        self._orders: list[tuple[int, int]] = []
        self._positions: dict[tuple[int, int], Position] = {}
        self._marks = Counter(marks)  # two lines may have the same mark

    @classmethod
    def from_cursor(cls, text: str, channel_id: int) -> Given:
        """Read a cursor, which must be of this channel.

        Raises:
            CursorError: it is not ours, was changed, or belongs to another channel.
        """
        packed = unseal(text, _KIND, longest=LONGEST_CURSOR)
        if len(packed) < _HEAD.size or packed[0] != _VERSION or (len(packed) - _HEAD.size) % _MARK_BYTES:
            raise CursorError(CHANGED)
        _, of_channel, sent_ms, low = _HEAD.unpack_from(packed)
        if not 0 <= sent_ms <= LATEST_MS:
            raise CursorError(CHANGED)
        if of_channel != channel_id:
            raise CursorError("the cursor belongs to another channel: use it with the one that gave it")
        marks = packed[_HEAD.size :]
        return cls(
            channel_id,
            Position(sent_ms, low & LOW_MASK),
            (int.from_bytes(marks[at : at + _MARK_BYTES], "big") for at in range(0, len(marks), _MARK_BYTES)),
        )

    def take(self, position: Position) -> bool:
        """Take note of a line, and say whether it is to be given: it was not yet, and does not come too late."""
        order = position.order
        if order <= self.settled.order or order in self._positions:
            return False
        insort(self._orders, order)
        self._positions[order] = position
        mark = position.low & _MARK_MASK
        if self._marks[mark]:
            self._marks[mark] -= 1
            return False
        return True

    def settle(self, position: Position) -> None:
        """Take no line up to this place any more; it never goes back."""
        if position.order <= self.settled.order:
            return
        self.settled = position
        passed = bisect_right(self._orders, position.order)
        for order in self._orders[:passed]:
            del self._positions[order]
        del self._orders[:passed]

    def caught_up(self) -> None:
        """Take note that everything in the log was passed: lines of the cursor that were not met are not there."""
        self._marks.clear()

    def cursor(self) -> str:
        """Give the cursor with which another stream goes on."""
        room = max(MOST_MARKS - self._marks.total(), 0)
        settled, named = self.settled, self._orders
        if len(named) > room:
            settled = self._positions[named[-room - 1]]
            named = named[len(named) - room :]
        marks = [self._positions[order].low & _MARK_MASK for order in named]
        packed = b"".join(mark.to_bytes(_MARK_BYTES, "big") for mark in (*marks, *self._marks.elements()))
        return seal(_HEAD.pack(_VERSION, self.channel_id, *settled) + packed, _KIND)
