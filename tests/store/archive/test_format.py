from __future__ import annotations

import datetime as dt
import gzip
import io
import random
import tempfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lines

from store.archive import format as archived
from store.archive import table
from store.archive.files import Files, whole
from store.archive.format import Decoded, Encoder, Sought
from store.archive.objects import Objects, Place
from store.archive.told import Told
from store.errors import ArchiveDamaged, ArchiveError, ArchiveUnavailable
from store.keys import MS_IN_DAY
from store.message import Message

DAY_MS = lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY
PLACE = Place(lines.CHANNEL_ID, DAY_MS)


def day(count: int = 200) -> list[Message]:
    dice = random.Random(count)
    said = [
        Message.parse(
            lines.privmsg(
                "ä" * dice.randrange(40),
                number=number,
                sent_ms=DAY_MS + dice.randrange(MS_IN_DAY),
                user_id=500 + dice.randrange(4),
            )
        )
        for number in range(count)
    ]
    return sorted(said, key=lambda message: message.position.order)


def encode(messages: list[Message], block_bytes: int = 4000) -> tuple[archived.Encoded, bytes]:
    with tempfile.TemporaryFile() as body:
        encoder = Encoder(body, lines.CHANNEL_ID, block_bytes)
        for at in range(0, len(messages), 7):
            encoder.add(map(Told.of, messages[at : at + 7]))
        encoded = encoder.finish()
        return encoded, b"".join(archived.chunks(encoded, body))


async def stored(packed: bytes, objects: Objects | None = None) -> Files:
    objects = objects or Objects.in_memory()
    await objects.put(PLACE, iter([packed]))
    return Files(objects)


async def gather(pieces, found: list) -> None:
    async for piece in pieces:
        found.append(piece)  # noqa: PERF401 - what came before an error counts


async def raw(files: Files) -> tuple[bytes, int]:
    """Give a file as it lies there, and how long its table says that it is."""
    table, pieces = await files.raw(PLACE)
    return b"".join([piece async for piece in pieces]), table.size


async def test_every_reader_of_gzip_gives_the_lines_that_the_blocks_give():
    said = day()
    encoded, packed = encode(said)
    text = b"".join(message.line.encode() + b"\n" for message in said)
    assert len(encoded.table.blocks) > 5
    assert len(packed) == encoded.table.size
    assert gzip.decompress(packed) == text
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        assert file.readlines() == text.splitlines(keepends=True)
    # One that takes a single member, and nothing after it.
    single = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert single.decompress(packed) == text
    assert (single.eof, single.unused_data) == (True, b"")
    files = await stored(packed)
    for descending in (False, True):
        found = [m async for piece in files.messages(PLACE, whole, descending=descending) for m in piece]
        assert found == (said[::-1] if descending else said)
    assert await raw(files) == (packed, len(packed))


def test_the_same_lines_give_the_same_bytes():
    assert encode(day())[1] == encode(day())[1]


def test_it_says_in_which_blocks_each_user_has_lines():
    encoded, _ = encode(day())
    for user, told in encoded.users.items():
        mine = [at for at, message in enumerate(day()) if user in message.users]
        blocks = encoded.table.blocks
        where = {next(n for n, b in enumerate(blocks) if b.first_line <= at < b.first_line + b.lines) for at in mine}
        assert (told.lines, told.blocks) == (len(mine), sorted(where))


async def test_any_flipped_byte_is_found_and_never_given_as_chat():
    said = day(25)
    _, packed = encode(said, 2500)
    for at in range(len(packed)):
        damaged = bytearray(packed)
        damaged[at] ^= 1 << at % 8
        files = await stored(bytes(damaged))
        given: list[list[Message]] = []
        with pytest.raises(ArchiveDamaged, match="cannot be read"):
            await gather(files.messages(PLACE, whole), given)
        flat = [message for piece in given for message in piece]
        assert flat == said[: len(flat)]
        with pytest.raises(ArchiveDamaged):
            await raw(files)


@pytest.mark.parametrize("cut", [0, 5, 30, 200, -9, -1])
async def test_a_file_that_was_cut_is_damaged(cut):
    _, packed = encode(day(60))
    files = await stored(packed[:cut])
    with pytest.raises(ArchiveDamaged):
        await gather(files.messages(PLACE, whole), [])


async def test_a_file_that_is_replaced_while_it_is_read_is_read_on_in_the_new_one():
    said, more = day(200), day(230)
    both = sorted({m.position: m for m in said + more}.values(), key=lambda message: message.position.order)
    for descending in (False, True):
        files = await stored(encode(said, 2000)[1])
        pieces = files.messages(PLACE, whole, descending=descending)
        found = list(await anext(pieces))
        await files.objects.put(PLACE, iter([encode(both, 1500)[1]]))
        found += [message async for piece in pieces for message in piece]
        orders = [message.position.order for message in found]
        assert orders == sorted(set(orders), reverse=descending)
        assert set(said) <= set(found)


async def test_a_file_that_is_replaced_while_its_head_is_read_is_the_new_one(monkeypatch):
    monkeypatch.setattr("store.archive.files._HEAD_GUESS", 64)
    files, new = await stored(encode(day(60), 2000)[1]), encode(day(200), 1000)
    start = files.objects.start

    async def replaced(place, most):
        monkeypatch.undo()
        found = await start(place, 64)
        await files.objects.put(PLACE, iter([new[1]]))
        return found

    monkeypatch.setattr(files.objects, "start", replaced)
    assert await files.table(PLACE) == new[0].table


async def test_a_file_that_is_replaced_while_it_is_sent_is_not_called_damaged():
    files = await stored(encode(day(200), 2000)[1])
    table, pieces = await files.raw(PLACE)
    assert len(table.blocks) > 8
    await anext(pieces)
    await files.objects.put(PLACE, iter([encode(day(230), 1500)[1]]))
    with pytest.raises(ArchiveUnavailable, match="replaced while it was sent"):
        await anext(pieces)


async def test_lines_that_do_not_tell_their_place_keep_it():
    old = lines.without(lines.privmsg("old"), "id", "tmi-sent-ts", "room-id")
    said = [
        Message.parse(old, received_ms=DAY_MS + 5, channel_id=lines.CHANNEL_ID),
        Message.parse(lines.without(lines.privmsg("twice", sent_ms=DAY_MS + 9), "id"), occurrence=0),
        Message.parse(lines.without(lines.privmsg("twice", sent_ms=DAY_MS + 9), "id"), occurrence=1),
        Message.parse(lines.privmsg("odd bytes \udcff \udc80", number=9, sent_ms=DAY_MS + 10)),
        Message.parse(lines.clearchat(sent_ms=DAY_MS + 11)),
    ]
    said.sort(key=lambda message: message.position.order)
    encoded, packed = encode(said)
    assert len(encoded.table.odd) == 2
    files = await stored(packed)
    found = [message async for piece in files.messages(PLACE, whole) for message in piece]
    assert [m.position for m in found] == [m.position for m in said]
    assert [m.line for m in found] == [m.line for m in said]


def test_a_day_of_more_such_lines_than_a_head_holds_is_refused():
    old = lines.without(lines.privmsg("old"), "id", "tmi-sent-ts")
    said = [Message.parse(old, received_ms=DAY_MS + at) for at in range(6000)]
    with pytest.raises(ArchiveError, match=r"6,000 lines do not say when they were sent; it stays in Cassandra"):
        encode(said)


async def test_a_day_of_more_blocks_than_a_head_lists_gets_larger_ones():
    said = day(9000)
    encoded, packed = encode(said, block_bytes=1)
    assert 1000 < len(encoded.table.blocks) < 3000
    assert len(encoded.head) < 1 << 16
    assert gzip.decompress(packed).count(b"\n") == 9000
    files = await stored(packed)
    assert [m async for piece in files.messages(PLACE, whole) for m in piece] == said
    told = encoded.users[501].blocks
    wanted = [m async for piece in files.messages(PLACE, lambda _: told) for m in piece if 501 in m.users]
    assert wanted == [message for message in said if 501 in message.users]


@given(st.lists(st.integers(0, 1 << 20)))
def test_numbers_are_packed_and_unpacked(numbers):
    ordered = sorted(numbers)
    assert table.unpacked_numbers(table.packed_numbers(ordered)) == ordered


@given(st.integers(1, 10**12), st.dates(dt.date(1970, 1, 1), dt.date(2100, 1, 1)))
def test_a_day_lies_where_justlog_puts_it(channel_id, date):
    place = Place(channel_id, (date - dt.date(1970, 1, 1)).days * MS_IN_DAY)
    assert place.path == f"{channel_id}/{date.year}/{date.month}/{date.day}/channel.txt.gz"
    assert Place.of_path(place.path) == place


@pytest.mark.parametrize(
    "path",
    ["1/2024/2/30/channel.txt.gz", "1/2024/02/03/channel.txt.gz", "1/2024/2/3/channel.txt", "1/2024/2/501.txt.gz", ""],
)
def test_other_files_are_no_days(path):
    assert Place.of_path(path) is None


async def test_an_archive_that_is_not_named_says_so():
    with pytest.raises(ArchiveUnavailable, match="LOGSTV_ARCHIVE_URL has to name it"):
        await Files(Objects.nowhere()).table(PLACE)


def test_lines_that_are_sought_are_read_alone():
    said = day(120)
    timeless = [Message.parse(lines.without(m.line, "id"), occurrence=1) for m in said[::10]]
    said = sorted({m.position.order: m for m in [*said, *timeless]}.values(), key=lambda m: m.position.order)
    encoded, packed = encode(said)
    head = encoded.table

    def found(sought: Sought, *, descending: bool = False) -> list[Message]:
        read: list[Message] = []
        for number, block in list(enumerate(head.blocks))[:: -1 if descending else 1]:
            start = head.head_bytes + block.offset
            decoded = Decoded(head, number, packed[start : start + block.length], lines.CHANNEL_ID, sought)
            read += [message for piece in decoded.messages(descending=descending) for message in piece]
        return read

    for needle in (b"user-id=501", b"501", b"no such thing"):
        assert found(Sought(needle=needle)) == [m for m in said if needle in m.line.encode()]
    for first, last in ((0, -1), (7, 7), (13, 90), (100, 101)):
        first_ms, last_ms = said[first].position.sent_ms, said[last].position.sent_ms
        inside = [m for m in said if first_ms <= m.position.sent_ms <= last_ms]
        assert found(Sought(first_ms, last_ms)) == inside
        assert found(Sought(first_ms, last_ms), descending=True) == inside[::-1]
        named = [m for m in inside if first_ms < m.position.sent_ms < last_ms and "501" in m.line]
        assert found(Sought(first_ms + 1, last_ms - 1, b"501")) == named
