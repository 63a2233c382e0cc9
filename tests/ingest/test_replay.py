from __future__ import annotations

import gzip
import time

import pytest
from support import lines

from ingest.errors import ReplayError
from ingest.replay import Replay, total_bytes
from store.message import Message


async def read(replay: Replay) -> list:
    return [received async for chunk in replay.chunks() for received in chunk]


async def read_into(got: list[str], replay: Replay) -> None:
    async for chunk in replay.chunks():
        got += [received.line for received in chunk]


SAID = [lines.privmsg(f"line {n}", number=n, sent_ms=lines.EVENING_MS + n * 1000) for n in range(50)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
async def test_files_are_read_plain_or_gzip_with_either_line_end(tmp_path, end, packed):
    content = end.join([*SAID, "PING :x", ""]).encode()
    path = tmp_path / "chat.irc"
    path.write_bytes(gzip.compress(content) if packed else content)
    seen = []
    replay = Replay([path, path], progress=seen.append)
    assert [received.line for received in await read(replay)] == SAID * 2
    assert replay.ignored == 2
    assert sum(seen) == 2 * path.stat().st_size == total_bytes([path, path])


async def test_a_last_line_without_an_end_is_read(tmp_path):
    path = tmp_path / "chat.irc"
    path.write_text("\n".join(SAID))
    assert [received.line for received in await read(Replay([path]))] == SAID


async def test_times_can_be_moved_to_now(tmp_path):
    path = tmp_path / "chat.irc"
    tricky = lines.privmsg("tmi-sent-ts=5;x", number=99, x_tmi_sent_ts="7", sent_ms=lines.EVENING_MS)
    path.write_text("\n".join([*SAID, tricky]))
    moved = [Message.parse(received.line) for received in await read(Replay([path], shift_to_now=True))]
    assert abs(moved[49].sent_ms - time.time() * 1000) < 60_000
    assert [message.sent_ms - moved[0].sent_ms for message in moved[:50]] == [n * 1000 for n in range(50)]
    assert moved[50].text == "tmi-sent-ts=5;x"
    assert moved[50].tags["x-tmi-sent-ts"] == "7"
    assert moved[0].id == Message.parse(SAID[0]).id


async def test_a_rate_is_kept(tmp_path):
    path = tmp_path / "chat.irc"
    path.write_text("\n".join(SAID))
    started = time.monotonic()
    assert len(await read(Replay([path], rate=100))) == 50
    assert time.monotonic() - started > 0.4


async def test_equal_old_lines_of_a_second_are_counted(tmp_path):
    old = lines.without(lines.privmsg("gg"), "id")
    next_second = lines.without(lines.privmsg("gg", sent_ms=lines.EVENING_MS + 1000), "id")
    banned = lines.clearchat()
    path = tmp_path / "old.irc"
    path.write_text("\n".join([old, banned, old, next_second, old, banned, SAID[0], SAID[0]]))
    for _ in range(2):
        found = await read(Replay([path]))
        assert [received.occurrence for received in found] == [0, 0, 1, 0, 2, 0, 0, 0]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
async def test_a_damaged_gzip_gives_what_comes_before_and_a_sentence(tmp_path, damage):
    many = [lines.privmsg(f"{n}" * 20, number=n) for n in range(5000)]
    packed = bytearray(gzip.compress("\n".join(many).encode()))
    if damage == "cut":
        packed = packed[: len(packed) // 2]
    else:
        packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "chat.irc.gz"
    path.write_bytes(packed)
    got = []
    with pytest.raises(ReplayError, match=r"chat\.irc\.gz cannot be read .* lines before that were taken"):
        await read_into(got, Replay([path]))
    assert got == many[: len(got)]


async def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(ReplayError, match="nothing cannot be read"):
        await read(Replay([tmp_path / "nothing"]))
    with pytest.raises(ReplayError, match="nothing cannot be read"):
        total_bytes([tmp_path / "nothing"])
