"""Reads archived days block by block, and checks every byte that it gives anything of.

Which days and blocks are wanted is `store.archive.reader`'s to know.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence

from store.archive import format as archived
from store.archive import table
from store.archive.format import EVERYTHING, Decoded, Sought
from store.archive.objects import Objects, Place
from store.archive.table import Table
from store.errors import ArchiveDamaged, ArchiveUnavailable
from store.message import Message

_HEAD_GUESS = 8 * 1024
_MOST_REMEMBERED = 128
_MOST_AT_ONCE = 8
"""Blocks in one read of a stream; a page begins with one."""
_TRIES = 5

Wanted = Callable[[Table], Sequence[int]]
"""From a file's table to the numbers of the blocks that are wanted, ascending."""


class _Replaced(Exception):
    """The file may no longer be the one whose table we have."""

    def __init__(self, why: ArchiveDamaged) -> None:
        super().__init__(str(why))
        self.why = why


class Files:
    """The files of archived days; remembers their tables.

    Whether one that is missing should be there is the index's to say.

    Attributes:
        objects: where they lie.
    """

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._tables: OrderedDict[Place, Table] = OrderedDict()

    async def table(self, place: Place, generation: bytes | None = None) -> Table:
        """Give the table of a day's file.

        Args:
            place: which day.
            generation: of the file that is recorded: what is remembered of another one does not count. None: whatever
                is remembered does.

        Raises:
            ArchiveDamaged: the file is missing, or its table is not as it was written.
            ArchiveUnavailable: it cannot be read.
        """
        known = self._tables.get(place)
        if known is not None and generation in (None, known.generation):
            self._tables.move_to_end(place)
            return known
        return (await self._opened(place))[0]

    async def _opened(self, place: Place) -> tuple[Table, bytes]:
        """Read the table of a file, remember it, and give it with the bytes that say it."""
        try:
            head = await self._head(place)
            found = table.read(head)
        except ArchiveDamaged as error:
            raise _unreadable(place, error) from error
        self._tables[place] = found
        self._tables.move_to_end(place)
        while len(self._tables) > _MOST_REMEMBERED:
            self._tables.popitem(last=False)
        return found, head

    async def _head(self, place: Place) -> bytes:
        """Read the head of a file; of one that is replaced while it is read in two pieces, that of the new one."""
        asked = _HEAD_GUESS
        for _ in range(_TRIES):
            start = await self.objects.start(place, asked)
            length = table.head_length(start)
            if length <= len(start) or len(start) < asked:
                break
            asked = length
        return start[:length]

    def forget(self, place: Place) -> None:
        """Forget the table of a file that may have been replaced."""
        self._tables.pop(place, None)

    async def messages(
        self,
        place: Place,
        wanted: Wanted,
        *,
        generation: bytes | None = None,
        descending: bool = False,
        sought: Sought = EVERYTHING,
    ) -> AsyncIterator[list[Message]]:
        """Yield the messages of blocks of a day, some at a time, in order.

        A file that is replaced meanwhile is read on from the same line.

        Args:
            place: which day.
            wanted: which blocks of it.
            generation: as for `table`.
            descending: the order.
            sought: which lines of those are wanted; some of the others may be given too.

        Raises:
            ArchiveDamaged: the file is missing, or not as it was written; what was yielded before is as it was.
            ArchiveUnavailable: it cannot be read, or is replaced again and again.
        """
        given: tuple[int, int] | None = None
        for _ in range(_TRIES):
            found = await self.table(place, generation)
            try:
                async for piece in self._blocks(place, found, wanted(found), sought, descending=descending):
                    fresh = piece if given is None else [m for m in piece if _beyond(m, given, descending=descending)]
                    if fresh:
                        given = fresh[-1].position.order
                        yield fresh
            except _Replaced as replaced:
                self.forget(place)
                generation = None
                if (await self.table(place)).generation == found.generation:
                    raise _unreadable(place, replaced.why) from replaced
            else:
                return
        raise ArchiveUnavailable(f"the archived day {place} is replaced again and again; ask again in a moment")

    async def raw(self, place: Place) -> tuple[Table, AsyncIterator[bytes]]:
        """Give the table of a day's file as it lies there now, and the bytes of that file; each piece has been checked.

        Raises:
            ArchiveDamaged: the file is missing, or not as it was written; also while it is read on.
            ArchiveUnavailable: it cannot be read, or was replaced while it was; likewise.
        """
        found, head = await self._opened(place)
        return found, self._raw(place, found, head)

    async def _raw(self, place: Place, found: Table, pending: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(found.blocks), _MOST_AT_ONCE):
            numbers = range(at, min(at + _MOST_AT_ONCE, len(found.blocks)))
            try:
                pieces = await self.objects.ranges(place, [_span(found, number) for number in numbers])
                for number, piece in zip(numbers, pieces, strict=True):
                    archived.check(found.blocks[number], _without_tail(found, number, piece))
            except ArchiveDamaged as error:
                self.forget(place)
                if (await self.table(place)).generation == found.generation:
                    raise _unreadable(place, error) from error
                raise ArchiveUnavailable(f"the archived day {place} was replaced while it was sent") from error
            yield pending + b"".join(pieces)
            pending = b""

    async def _blocks(
        self, place: Place, found: Table, numbers: Sequence[int], sought: Sought, *, descending: bool
    ) -> AsyncIterator[list[Message]]:
        ordered = numbers[::-1] if descending else numbers
        # Who wants few lines of a block, wants more than one block.
        at, at_once = 0, _MOST_AT_ONCE if sought.needle else 1
        while at < len(ordered):
            group = ordered[at : at + at_once]
            at, at_once = at + at_once, min(2 * at_once, _MOST_AT_ONCE)
            spans = [_span(found, number) for number in group]
            try:
                pieces = await self.objects.ranges(place, spans)
            except ArchiveDamaged as error:
                raise _Replaced(error) from error
            for number, piece in zip(group, pieces, strict=True):
                try:
                    body = _without_tail(found, number, piece)
                    block = Decoded(found, number, body, place.channel_id, sought)
                except ArchiveDamaged as error:
                    raise _Replaced(error) from error
                for messages in block.messages(descending=descending):
                    yield messages
                    await asyncio.sleep(0)


def _unreadable(place: Place, error: ArchiveDamaged) -> ArchiveDamaged:
    return ArchiveDamaged(
        f"the archived day {place} ({place.path}) cannot be read: {error}; `logstv archive verify` looks at all days",
        str(place),
    )


def _span(found: Table, number: int) -> tuple[int, int]:
    """Give where a block lies; the end of the file goes with the last one, so that no byte is unchecked."""
    block = found.blocks[number]
    start = found.head_bytes + block.offset
    is_last = number == len(found.blocks) - 1
    return start, start + block.length + (len(found.tail) if is_last else 0)


def _without_tail(found: Table, number: int, piece: bytes) -> bytes:
    if number < len(found.blocks) - 1:
        return piece
    if piece[-len(found.tail) :] != found.tail:
        raise ArchiveDamaged("its end is not as it was written")
    return piece[: -len(found.tail)]


def _beyond(message: Message, given: tuple[int, int], *, descending: bool) -> bool:
    order = message.position.order
    return order < given if descending else order > given


def whole(found: Table) -> Sequence[int]:
    """Ask for all blocks of a file."""
    return range(len(found.blocks))
