"""The table at the head of an archived day: where each block lies, what it spans, and what its bytes must be.

It is an extra field of the gzip header (RFC 1952, 2.3.1.1), as dictzip has one: every gzip reader skips it, and the
file needs nothing beside it. Every byte of the file is covered by a checksum in it.
"""

from __future__ import annotations

import bisect
import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from store.errors import ArchiveDamaged

FIXED = bytes((0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 255))
"""How every file begins: gzip, deflate, an extra field, no time, no system."""
HEAD_BYTES = len(FIXED) + 2
"""So much of a file tells how long its head is."""
MOST_EXTRA = 0xFFFF

_SUBFIELD = b"LG"
_VERSION = 1
_CHECK = 8
_ONE_BYTE = 0x7F
_TRAILER = struct.Struct("<II")
END = b"\x03\x00"
"""The empty last block of the deflate stream."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the file that can be inflated alone.

    Attributes:
        offset: of its first byte, counted from the end of the head.
        length: bytes.
        text_bytes: of what it inflates to.
        first_line: how many lines come before it.
        lines: how many it holds.
        first_ms: of its first line, Unix milliseconds.
        last_ms: of its last line.
        check: of its bytes.
    """

    offset: int
    length: int
    text_bytes: int
    first_line: int
    lines: int
    first_ms: int
    last_ms: int
    check: bytes


@dataclass(frozen=True)
class Table:
    """What the head of a file says.

    Attributes:
        head_bytes: length of the head.
        digest: of the text, blake2b of 16 bytes.
        crc: of the text, as at the end of the file.
        blocks: in the order of the file.
        odd: by line number: the place of a line that does not tell its own (time in Unix milliseconds, low half).
        generation: differs when anything in the file differs.
    """

    head_bytes: int
    digest: bytes
    crc: int
    blocks: tuple[Block, ...]
    odd: dict[int, tuple[int, int]]
    generation: bytes

    @property
    def lines(self) -> int:
        """How many lines the file holds."""
        return self.blocks[-1].first_line + self.blocks[-1].lines if self.blocks else 0

    @property
    def text_bytes(self) -> int:
        """How long the text is."""
        return sum(block.text_bytes for block in self.blocks)

    @cached_property
    def size(self) -> int:
        """How long the file is."""
        body = self.blocks[-1].offset + self.blocks[-1].length if self.blocks else 0
        return self.head_bytes + body + len(self.tail)

    @cached_property
    def tail(self) -> bytes:
        """How the file ends after the last block."""
        return END + _TRAILER.pack(self.crc, self.text_bytes & 0xFFFFFFFF)

    def between(self, from_ms: int, to_ms: int) -> range:
        """Give the numbers of the blocks that may hold lines of a time, both ends inclusive."""
        first = bisect.bisect_left(self.blocks, from_ms, key=lambda block: block.last_ms)
        return range(first, bisect.bisect_right(self.blocks, to_ms, key=lambda block: block.first_ms))


def written(
    digest: bytes,
    crc: int,
    blocks: list[Block],
    odd: dict[int, tuple[int, int]],
    bytes_of: Callable[[int, int], bytes],
) -> tuple[bytes, int]:
    """Write the head of a file; blocks are joined in pairs until the table fits.

    Args:
        digest: of the text.
        crc: of the text.
        blocks: in order.
        odd: as in `Table`.
        bytes_of: gives so many bytes of the blocks from an offset on.

    Returns:
        The head, and how many blocks were joined to one.

    Raises:
        ValueError: more lines do not tell their place than a head has room for.
    """
    joined, odd_part = 1, _odd_part(odd)
    while True:
        parts = [bytes((_VERSION,)), digest, struct.pack("<I", crc), _varint(len(blocks))]
        before_ms = 0
        for block in blocks:
            parts += map(_varint, (block.length, block.text_bytes, block.lines))
            parts += (_varint(block.first_ms - before_ms), _varint(block.last_ms - block.first_ms), block.check)
            before_ms = block.first_ms
        payload = b"".join((*parts, odd_part))
        if len(payload) + _CHECK + 4 <= MOST_EXTRA:
            break
        if len(blocks) < 2:
            raise ValueError(f"{len(odd):,} lines do not say when they were sent")
        blocks = [_join(blocks[at : at + 2], bytes_of) for at in range(0, len(blocks), 2)]
        joined *= 2
    payload += _check(payload)
    extra = _SUBFIELD + struct.pack("<H", len(payload)) + payload
    return FIXED + struct.pack("<H", len(extra)) + extra, joined


def head_length(start: bytes) -> int:
    """Give how long the head of a file is.

    Args:
        start: its first bytes, at least `HEAD_BYTES`.

    Raises:
        ArchiveDamaged: it does not begin as our files do.
    """
    if len(start) < HEAD_BYTES or start[: len(FIXED)] != FIXED:
        raise ArchiveDamaged("it does not begin as an archived day does")
    return HEAD_BYTES + int.from_bytes(start[len(FIXED) : HEAD_BYTES], "little")


def read(head: bytes) -> Table:
    """Read the head of a file.

    Raises:
        ArchiveDamaged: it is not as it was written.
    """
    payload = head[HEAD_BYTES + 4 : -_CHECK]
    given = head[HEAD_BYTES : HEAD_BYTES + 4]
    sound = (
        len(head) == head_length(head)
        and given == _SUBFIELD + struct.pack("<H", len(payload) + _CHECK)
        and head[-_CHECK:] == _check(payload)
    )
    if not sound:
        raise ArchiveDamaged("its table is not as it was written")
    if payload[0] != _VERSION:
        raise ArchiveDamaged("it was written by a newer logstv")
    numbers = _Numbers(payload, 21)
    blocks: list[Block] = []
    offset = first_line = first_ms = 0
    for _ in range(next(numbers)):
        length, text_bytes, lines = next(numbers), next(numbers), next(numbers)
        first_ms += next(numbers)
        blocks.append(
            Block(offset, length, text_bytes, first_line, lines, first_ms, first_ms + next(numbers), numbers.bytes(8))
        )
        offset, first_line = offset + length, first_line + lines
    odd: dict[int, tuple[int, int]] = {}
    line = 0
    for _ in range(next(numbers)):
        line += next(numbers)
        odd[line] = next(numbers), int.from_bytes(numbers.bytes(8), "big")
    return Table(len(head), payload[1:17], int.from_bytes(payload[17:21], "little"), tuple(blocks), odd, head[-_CHECK:])


def packed_numbers(numbers: list[int]) -> bytes:
    """Pack ascending numbers, a byte or two each."""
    steps = [number - before for before, number in zip([0, *numbers], numbers, strict=False)]
    if max(steps, default=0) <= _ONE_BYTE:  # as nearly all are
        return bytes(steps)
    return b"".join(map(_varint, steps))


def unpacked_numbers(packed: bytes) -> list[int]:
    """Unpack ascending numbers."""
    found, at = [], 0
    numbers = _Numbers(packed, 0)
    while not numbers.ended:
        at += next(numbers)
        found.append(at)
    return found


def block_check(piece: bytes) -> bytes:
    """Give what a block's bytes must give to be what was written."""
    return _check(piece)


def _join(pair: list[Block], bytes_of: Callable[[int, int], bytes]) -> Block:
    one, other = pair[0], pair[-1]
    if one is other:
        return one
    length = one.length + other.length
    return Block(
        one.offset,
        length,
        one.text_bytes + other.text_bytes,
        one.first_line,
        one.lines + other.lines,
        one.first_ms,
        other.last_ms,
        _check(bytes_of(one.offset, length)),
    )


def _odd_part(odd: dict[int, tuple[int, int]]) -> bytes:
    parts, before = [_varint(len(odd))], 0
    for line, (sent_ms, low) in sorted(odd.items()):
        parts += (_varint(line - before), _varint(sent_ms), low.to_bytes(8, "big"))
        before = line
    return b"".join(parts)


def _check(piece: bytes) -> bytes:
    return hashlib.blake2b(piece, digest_size=_CHECK).digest()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > _ONE_BYTE:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


class _Numbers(Iterator[int]):
    """Reads numbers of seven bits a byte."""

    def __init__(self, packed: bytes, at: int) -> None:
        self._packed = packed
        self._at = at

    @property
    def ended(self) -> bool:
        return self._at >= len(self._packed)

    def __next__(self) -> int:
        number = shift = 0
        while True:
            byte = self._packed[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def bytes(self, count: int) -> bytes:
        self._at += count
        return self._packed[self._at - count : self._at]
