"""What a replay makes of damaged files, odd texts and files without end."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest
from support import lines

from ingest.errors import ReplayError
from ingest.replay import Replay
from store.message import Message

MANY = [lines.privmsg(f"{n}" * 20, number=n, sent_ms=lines.EVENING_MS + n) for n in range(5000)]
PACKED = gzip.compress("\n".join(MANY).encode())


async def taken_of(path, **options):
    """Give the lines that a damaged file still gives, and the sentence."""
    got: list[str] = []

    async def read():
        async for chunk in Replay([path], **options).chunks():
            got.extend(received.line for received in chunk)

    with pytest.raises(ReplayError) as sentence:
        await read()
    return got, str(sentence.value)


@pytest.mark.parametrize("shift", [False, True])
async def test_of_a_file_that_ends_too_early_every_whole_line_is_taken(tmp_path, shift):
    path = tmp_path / "cut.irc.gz"
    path.write_bytes(PACKED[: len(PACKED) // 2])
    got, sentence = await taken_of(path, shift_to_now=shift)
    assert len(got) > 1000
    assert [Message.parse(line).text for line in got] == [f"{n}" * 20 for n in range(len(got))]
    assert f"{path} cannot be read further" in sentence
    assert f"{len(got):,} lines" in sentence


@pytest.mark.parametrize("place", range(1, 10))
async def test_of_a_file_with_a_wrong_byte_nothing_is_taken(tmp_path, place):
    wrong = bytearray(PACKED)
    wrong[len(PACKED) * place // 10] ^= 0x10
    path = tmp_path / "wrong.irc.gz"
    path.write_bytes(wrong)
    got, sentence = await taken_of(path)
    assert got == []
    assert f"{path} cannot be read further" in sentence


async def test_what_follows_a_sound_gzip_costs_none_of_its_lines(tmp_path):
    path = tmp_path / "and_more.irc.gz"
    path.write_bytes(PACKED + b"no gzip at all")
    got, _ = await taken_of(path)
    assert got == MANY[:-1] + got[len(MANY) - 1 :]
    assert len(got) >= len(MANY) - 1


async def test_gzip_members_one_after_the_other_are_one_file(tmp_path):
    path = tmp_path / "two.irc.gz"
    path.write_bytes(gzip.compress(MANY[0].encode() + b"\r\n") + gzip.compress(MANY[1].encode()))
    assert [received.line async for chunk in Replay([path]).chunks() for received in chunk] == MANY[:2]


@pytest.mark.parametrize("text", ["look;tmi-sent-ts=5;", "@tmi-sent-ts=7 :x", ";rm-received-ts=9 "])
async def test_only_the_tags_of_a_line_are_moved(tmp_path, text):
    path = tmp_path / "odd.irc"
    path.write_bytes(f"{lines.privmsg(text, rm_received_ts=str(lines.EVENING_MS + 90))}\n".encode())
    [[received]] = [chunk async for chunk in Replay([path], shift_to_now=True).chunks() if chunk]
    moved = Message.parse(received.line)
    assert moved.text == text
    assert int(moved.tags["rm-received-ts"]) - moved.sent_ms == 90
    assert moved.sent_ms != lines.EVENING_MS


async def test_a_long_file_without_ids_does_not_fill_the_memory(tmp_path):
    def old(n, sent_ms):
        return lines.without(lines.privmsg(f"old {n}", sent_ms=sent_ms), "id")

    path = tmp_path / "long.irc"
    with path.open("w") as file:
        for n in range(30_000):
            file.write(old(n, lines.EVENING_MS + n * 50) + "\n")
    tracemalloc.start()
    try:
        async for chunk in Replay([path]).chunks():
            assert all(received.occurrence == 0 for received in chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024 < path.stat().st_size
