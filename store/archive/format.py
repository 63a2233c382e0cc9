"""The format of an archived day: one gzip file with the lines as Twitch sent them, as justlog writes it.

The text is flushed in full about every 128 KiB, so a block of it can be inflated alone, and every gzip reader reads the
whole. The same lines give the same bytes, unless another version of zlib-ng finds other matches. The table at its head
is `store.archive.table`'s.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from zlib_ng import zlib_ng

from store.archive import table
from store.archive.table import Block, Table
from store.archive.told import Told, read
from store.errors import ArchiveDamaged, ArchiveError
from store.glance import glance
from store.keys import Position
from store.message import Message

BLOCK_BYTES = 128 * 1024
"""Text in a block: the file is 3 % larger than one that cannot be entered, and a page inflates one or two."""

_LEVEL = 7
"""Of the levels of zlib-ng, which are not those of zlib: smaller than zlib's 9 by 2 %, in less time than its 6."""
_MEMORY = 9  # the most
_COPIED_BYTES = 256 * 1024
_READ_AT_ONCE = 128  # lines: a page is of 100

NotDeflated: type[Exception] = zlib_ng.error  # type: ignore[assignment]
"""What zlib-ng raises of bytes that are not deflated text; its stub takes it for an instance."""


@dataclass(frozen=True, slots=True)
class UserLines:
    """What a user has in a day: how many lines, and in which blocks."""

    lines: int
    blocks: list[int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """An archived day, ready to be stored.

    Attributes:
        head: its first bytes.
        table: what they say.
        users: by id.
    """

    head: bytes
    table: Table
    users: dict[int, UserLines]


class Encoder:
    """Writes the lines of a day, in order, into a file.

    Args:
        body: takes what follows the head; must be empty, and readable too.
        channel_id: whose lines they are.
        block_bytes: text in a block.
    """

    def __init__(self, body: BinaryIO, channel_id: int, block_bytes: int = BLOCK_BYTES) -> None:
        self._body = body
        self._channel_id = channel_id
        self._block_bytes = block_bytes
        self._deflate = zlib_ng.compressobj(_LEVEL, zlib_ng.DEFLATED, -zlib_ng.MAX_WBITS, _MEMORY)
        self._digest = hashlib.blake2b(digest_size=16)
        self._crc = 0
        self._pending = bytearray()
        self._times = [0, 0]
        self._pending_lines = 0
        self._blocks: list[Block] = []
        self._users: dict[int, array[int]] = {}
        self._odd: dict[int, tuple[int, int]] = {}
        self._last = (-1, -1)
        self.lines = 0

    def add(self, lines: Iterable[Told]) -> None:
        """Add lines that lie beyond all before."""
        for told in lines:
            place = told[:2]
            assert self._last < place
            self._last = place
            if not told.tells_place and _place_of(told.line, self._channel_id) != told.position:
                self._odd[self.lines] = told.position
            if not self._pending_lines:
                self._times[0] = told.sent_ms
            self._times[1] = told.sent_ms
            self._pending += told.line
            self._pending += b"\n"
            self._pending_lines += 1
            self.lines += 1
            for user in told.users:
                blocks = self._users.get(user)
                if blocks is None:
                    blocks = self._users[user] = array("I")
                blocks.append(len(self._blocks))
            if len(self._pending) >= self._block_bytes:
                self._end_block()

    def finish(self) -> Encoded:
        """End the body and write the head.

        Raises:
            ArchiveError: more lines do not say when they were sent than a head has room for.
        """
        if self._pending_lines:
            self._end_block()
        end = self._deflate.flush()
        assert end == table.END
        self._body.write(end)
        try:
            head, joined = table.written(self._digest.digest(), self._crc, self._blocks, self._odd, self._bytes_of)
        except ValueError as error:
            raise ArchiveError(f"the day cannot be archived: {error}; it stays in Cassandra") from error
        found = table.read(head)
        self._body.seek(0, 2)
        self._body.write(found.tail[len(table.END) :])
        users = {user: UserLines(len(blocks), _in_joined(blocks, joined)) for user, blocks in self._users.items()}
        return Encoded(head, found, users)

    def _bytes_of(self, offset: int, length: int) -> bytes:
        self._body.seek(offset)
        return self._body.read(length)

    def _end_block(self) -> None:
        text = bytes(self._pending)
        self._digest.update(text)
        self._crc = zlib_ng.crc32(text, self._crc)
        piece = self._deflate.compress(text) + self._deflate.flush(zlib_ng.Z_FULL_FLUSH)
        offset = self._blocks[-1].offset + self._blocks[-1].length if self._blocks else 0
        first_line = self.lines - self._pending_lines
        check = table.block_check(piece)
        first_ms, last_ms = self._times
        self._blocks.append(
            Block(offset, len(piece), len(text), first_line, self._pending_lines, first_ms, last_ms, check)
        )
        self._body.write(piece)
        self._pending.clear()
        self._pending_lines = 0


def _in_joined(blocks: array[int], joined: int) -> list[int]:
    """Give in which blocks lines are, of which so many become one; most users have one line a day."""
    return [blocks[0] // joined] if len(blocks) == 1 else sorted({block // joined for block in blocks})


def chunks(encoded: Encoded, body: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of the whole file."""
    yield encoded.head
    body.seek(0)
    while piece := body.read(_COPIED_BYTES):
        yield piece


@dataclass(frozen=True, slots=True)
class Sought:
    """Which lines of a block are wanted: reading the others would take most of the time.

    Attributes:
        first_ms: no line from before it, Unix milliseconds.
        last_ms: none from after it.
        needle: only lines that hold this.
    """

    first_ms: int = 0
    last_ms: int = 1 << 63
    needle: bytes = b""


EVERYTHING = Sought()


class Decoded:
    """The lines of a block that are wanted; each is read when its turn comes.

    Args:
        head: of the file.
        number: of the block.
        piece: its bytes.
        channel_id: whose day it is.
        sought: which lines are wanted; some of the others may be given too.

    Raises:
        ArchiveDamaged: the bytes are not those that were written.
    """

    def __init__(self, head: Table, number: int, piece: bytes, channel_id: int, sought: Sought = EVERYTHING) -> None:
        self._channel_id = channel_id
        self._odd = head.odd
        block = head.blocks[number]
        self._lines = _lines_of(block, piece, sought.needle)
        if block.first_ms < sought.first_ms:
            del self._lines[: bisect_left(self._lines, sought.first_ms, key=self._sent_ms)]
        if block.last_ms > sought.last_ms:
            del self._lines[bisect_right(self._lines, sought.last_ms, key=self._sent_ms) :]

    def messages(self, *, descending: bool = False) -> Iterator[list[Message]]:
        """Yield the messages, some at a time, in order."""
        lines = self._lines[::-1] if descending else self._lines
        for start in range(0, len(lines), _READ_AT_ONCE):
            yield [self._read(*line) for line in lines[start : start + _READ_AT_ONCE]]

    def _read(self, at: int, line: bytes) -> Message:
        place = self._odd.get(at)
        return read(line, self._channel_id, None if place is None else Position(*place))

    def _sent_ms(self, numbered: tuple[int, bytes]) -> int:
        seen = None if numbered[0] in self._odd else glance(numbered[1])
        return self._read(*numbered).position.sent_ms if seen is None else seen.sent_ms


def _lines_of(block: Block, piece: bytes, needle: bytes) -> list[tuple[int, bytes]]:
    """Give the lines of a block, each with its number in the day.

    Raises:
        ArchiveDamaged: the bytes are not those that were written.
    """
    text = text_of(block, piece)
    if text.count(b"\n") != block.lines or text[-1:] != b"\n":
        raise ArchiveDamaged(f"{block.length} bytes at {block.offset} do not hold the lines that they should")
    if needle:
        return [(block.first_line + text.count(b"\n", 0, start), line) for start, line in _lines_with(text, needle)]
    return list(enumerate(text[:-1].split(b"\n"), block.first_line))


def _lines_with(text: bytes, needle: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something, and where each begins."""
    at = text.find(needle)
    while at >= 0:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        yield start, text[start:end]
        at = text.find(needle, end)


def check(block: Block, piece: bytes) -> None:
    """Hold the bytes of a block against its table.

    Raises:
        ArchiveDamaged: they are not those that were written.
    """
    if len(piece) != block.length or table.block_check(piece) != block.check:
        raise ArchiveDamaged(f"{block.length} bytes at {block.offset} are not those that were written")


def text_of(block: Block, piece: bytes) -> bytes:
    """Inflate a block.

    Raises:
        ArchiveDamaged: the bytes are not those that were written.
    """
    check(block, piece)
    try:
        text = zlib_ng.decompressobj(-zlib_ng.MAX_WBITS).decompress(piece)
    except NotDeflated as error:
        raise ArchiveDamaged(f"{block.length} bytes at {block.offset} cannot be inflated") from error
    if len(text) != block.text_bytes:
        raise ArchiveDamaged(f"{block.length} bytes at {block.offset} inflate to something else")
    return text


def _place_of(line: bytes, channel_id: int) -> Position | None:
    """Give the place that a line tells of itself."""
    message = read(line, channel_id)
    return None if message.sent_ms is None else message.position
