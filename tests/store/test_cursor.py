from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import keys
from store.cursor import Cursor
from store.errors import CursorError
from store.keys import Position
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER

IDS = st.integers(1, 2**62)
TIMES = st.integers(0, 64_060_588_800_000)
SOME_CURSOR = Cursor(CHANNEL, (9001,), Position(1_772_400_600_000, 1 << 63), 1_772_323_200_000, None, None, True, False)


@st.composite
def cursors(draw):
    shape = draw(st.sampled_from(SHAPES))
    return Cursor(
        shape,
        tuple(draw(IDS) for _ in shape.key),
        Position(draw(TIMES), draw(st.integers(0, keys.LOW_MASK))),
        draw(st.none() | TIMES),
        draw(st.none() | TIMES),
        draw(st.none() | TIMES),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@given(cursors())
def test_a_cursor_comes_back_as_it_was(cursor):
    assert Cursor.decode(cursor.encode(), cursor.shape, cursor.key) == cursor


@given(cursors(), st.data())
def test_a_changed_cursor_is_refused(cursor, data):
    text = cursor.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABab01-_+/=.%é "))
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        with pytest.raises(CursorError):
            Cursor.decode(changed, cursor.shape, cursor.key)


@given(st.integers(0, 10_000))
def test_a_cut_cursor_is_refused(cut):
    text = SOME_CURSOR.encode()
    with pytest.raises(CursorError, match="not one that logstv gave"):
        Cursor.decode(text[: cut % len(text)], CHANNEL, (9001,))


@pytest.mark.parametrize(("shape", "key"), [(CHANNEL, (9002,)), (USER, (9001,)), (CHANNEL_USER, (9001, 1))])
def test_a_cursor_of_another_log_is_refused(shape, key):
    with pytest.raises(CursorError, match="another log"):
        Cursor.decode(SOME_CURSOR.encode(), shape, key)


@given(st.binary(max_size=120))
def test_no_bytes_crash_it(packed):
    text = base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    with pytest.raises(CursorError):
        Cursor.decode(text, CHANNEL, (9001,))


@pytest.mark.parametrize("sent_ms", [-1, 1 << 62, 64_060_588_800_001])
def test_a_cursor_to_a_time_that_is_none_is_refused_though_it_is_sealed(sent_ms):
    made_up = replace(SOME_CURSOR, position=Position(sent_ms, 1 << 63))
    with pytest.raises(CursorError):
        Cursor.decode(made_up.encode(), CHANNEL, (9001,))
