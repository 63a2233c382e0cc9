from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lines

from ingest.wire import LONGEST_LINE, LineSplitter, command_of, is_chat

SAID = lines.privmsg("🔥 fire").encode()


@given(st.lists(st.integers(0, len(SAID) + 2)))
def test_pieces_of_any_size_make_the_same_line(cuts):
    whole, splitter = SAID + b"\r\n", LineSplitter()
    places = sorted({0, *cuts, len(whole)})
    found = [line for start, end in itertools.pairwise(places) for line in splitter.feed(whole[start:end])]
    assert found == [SAID.decode()]


def test_two_lines_in_a_piece_are_two_lines_and_empty_ones_are_none():
    assert LineSplitter().feed(b"one\r\n\r\n\ntwo\nthree") == ["one", "two"]


def test_only_a_line_feed_ends_a_line():
    text = "one\u2028two\x85three\x0bfour\x0cfive\x1csix\rseven"
    assert LineSplitter().feed(text.encode() + b"\r\n") == [text]


def test_bytes_that_are_no_utf8_are_kept():
    [line] = LineSplitter().feed(b"caf\xe9\r\n")
    assert line.encode("utf-8", "surrogateescape") == b"caf\xe9"


@pytest.mark.parametrize("size", [100, 4096, LONGEST_LINE])
def test_a_line_that_is_too_long_is_skipped_and_the_next_is_read(size):
    splitter = LineSplitter()
    stream = b"before\r\n" + b"x" * (LONGEST_LINE + 5000) + b"\r\nafter\r\n" + b"y" * (LONGEST_LINE + 1) + b"\nlast\n"
    found = [line for start in range(0, len(stream), size) for line in splitter.feed(stream[start : start + size])]
    assert found == ["before", "after", "last"]
    assert splitter.too_long == 2


def test_eight_kibibytes_of_tags_are_a_line():
    long = lines.privmsg("x", emotes="/".join(f"emotesv2_{n:032x}:{n}-{n}" for n in range(170)))
    assert len(long) > 8000
    assert LineSplitter().feed(long.encode() + b"\r\n") == [long]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (lines.privmsg("PING :x"), "PRIVMSG"),
        (lines.usernotice(), "USERNOTICE"),
        ("PING", "PING"),
        ("PING :tmi.twitch.tv", "PING"),
        (":tmi.twitch.tv 001 me :Welcome, GLHF!", "001"),
        ("", ""),
        ("@only-tags", ""),
    ],
)
def test_the_command_is_found(line, command):
    assert command_of(line) == command


def test_a_whisper_is_no_chat():
    assert not is_chat("WHISPER")
    assert not is_chat("ROOMSTATE")
    assert is_chat("CLEARMSG")
