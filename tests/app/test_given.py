from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.given import LONGEST_CURSOR, MOST_MARKS, Given
from store.errors import CursorError
from store.keys import FIRST_LOW, Position

CHANNEL = 9001
START = Position(1_000_000, FIRST_LOW)
# Low halves with different last three bytes, so that no mark is that of another line.
positions = st.builds(
    Position, st.integers(1_000_001, 1_000_020), st.integers(0, (1 << 24) - 1).map(lambda n: n | 1 << 63)
)
arrivals = st.lists(positions, unique_by=lambda position: position.low, max_size=60)


def in_order(found):
    return sorted(found, key=lambda position: position.order)


@settings(max_examples=150)
@given(arrivals=arrivals, cut=st.integers(0, 60), cut_again=st.integers(0, 60))
def test_whatever_the_order_of_arrival_and_wherever_it_breaks_each_line_is_given_once(arrivals, cut, cut_again):
    stream = Given(CHANNEL, START)
    heard = [position for position in arrivals[:cut] if stream.take(position)]
    stream = Given.from_cursor(stream.cursor(), CHANNEL)
    # The next stream reads the log in its order, and breaks in the middle of that.
    missed = [position for position in in_order(arrivals)[:cut_again] if stream.take(position)]
    stream = Given.from_cursor(stream.cursor(), CHANNEL)
    rest = [position for position in in_order(arrivals) if stream.take(position)]
    assert in_order([*heard, *missed, *rest]) == in_order(arrivals)


@given(arrivals=arrivals, settled=positions)
def test_up_to_the_settled_place_nothing_is_taken_and_beyond_it_all(arrivals, settled):
    stream = Given(CHANNEL, START)
    early = arrivals[::2]
    assert all(stream.take(position) for position in early)
    stream.settle(settled)
    stream.settle(START)  # never back
    for again in (stream, Given.from_cursor(stream.cursor(), CHANNEL)):
        taken = [position for position in arrivals if again.take(position)]
        assert taken == [position for position in arrivals[1::2] if position.order > settled.order]


def test_a_cursor_of_a_busy_channel_names_the_newest_lines_and_stays_short():
    stream = Given(CHANNEL, START)
    said = [Position(1_000_001 + number, number | 1 << 63) for number in range(5 * MOST_MARKS)]
    assert all(stream.take(position) for position in said)
    cursor = stream.cursor()
    assert len(cursor) <= LONGEST_CURSOR
    again = Given.from_cursor(cursor, CHANNEL)
    assert not any(again.take(position) for position in said)
    assert again.settled == said[-MOST_MARKS - 1]


def test_lines_of_the_cursor_that_are_gone_are_forgotten_when_the_log_was_passed():
    stream = Given(CHANNEL, START)
    gone = Position(1_000_005, 7 | 1 << 63)
    stream.take(gone)
    again = Given.from_cursor(stream.cursor(), CHANNEL)
    again.caught_up()
    assert Given.from_cursor(again.cursor(), CHANNEL).take(gone)


def test_a_cursor_is_good_for_its_channel_and_as_it_is_alone():
    stream = Given(CHANNEL, START)
    stream.take(Position(1_000_005, 7 | 1 << 63))
    cursor = stream.cursor()
    with pytest.raises(CursorError, match="another channel"):
        Given.from_cursor(cursor, CHANNEL + 1)
    for spoilt in ("", "A", cursor[:-1], cursor + "A", cursor.swapcase(), "ä" * 40, cursor * 100):
        with pytest.raises(CursorError):
            Given.from_cursor(spoilt, CHANNEL)
