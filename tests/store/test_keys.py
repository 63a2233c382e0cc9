from __future__ import annotations

import datetime as dt
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import keys
from store.keys import Position, Width

TIMES = st.integers(0, 64_060_588_800_000)
LOWS = st.integers(0, keys.LOW_MASK)
POSITIONS = st.builds(Position, TIMES, LOWS)


def ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


def cassandra_order(position: Position) -> tuple[int, tuple[int, ...]]:
    """The order of TimeUUIDType: the time, then the low half byte by byte, signed."""
    signed = tuple(byte - 256 if byte > 127 else byte for byte in position.low.to_bytes(8, "big"))
    return position.sent_ms, signed


@given(POSITIONS)
def test_a_timeuuid_names_its_place(position):
    number = keys.timeuuid(*position)
    assert keys.position(number) == position
    found = uuid.UUID(int=number)
    assert found.version in (1, None)  # None where the low half has no RFC variant
    assert found.time == (position.sent_ms * 10_000) + 0x01B21DD213814000


@given(POSITIONS, POSITIONS)
def test_places_sort_as_cassandra_sorts_them(one, other):
    assert (one < other) == (cassandra_order(one) < cassandra_order(other))


@given(POSITIONS)
def test_after_and_before_are_neighbours(position):
    assert position < position.after()
    assert position.before() < position
    assert position.after().before() == position == position.before().after()


@given(TIMES, LOWS)
def test_first_and_last_low_are_the_ends_of_a_millisecond(sent_ms, low):
    assert not Position(sent_ms, low) < Position(sent_ms, keys.FIRST_LOW)
    assert not Position(sent_ms, keys.LAST_LOW) < Position(sent_ms, low)


@pytest.mark.parametrize(
    "number", [uuid.uuid4().int, keys.timeuuid(5, 0) + (1 << 96), keys.timeuuid(-1, 0)], ids=["v4", "100 ns", "1969"]
)
def test_a_foreign_timeuuid_is_refused(number):
    with pytest.raises(ValueError, match="timeuuid"):
        keys.position(number)


@given(st.sampled_from(Width), TIMES)
def test_a_bucket_holds_its_times(width, sent_ms):
    start = width.start(sent_ms)
    assert start <= sent_ms < width.end(start)
    assert width.start(start) == start
    assert width.start(width.end(start)) == width.end(start)


@pytest.mark.parametrize(
    ("width", "at", "start", "end"),
    [
        (Width.DAY, "2024-02-29T23:59:59.999+00:00", "2024-02-29T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        (Width.DAY, "2024-03-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00", "2024-03-02T00:00:00+00:00"),
        (Width.MONTH, "2024-02-29T23:59:59.999+00:00", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        (Width.MONTH, "2025-12-31T12:00:00+00:00", "2025-12-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        (Width.HOUR, "2026-01-01T00:30:00+00:00", "2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+00:00"),
    ],
)
def test_buckets_are_windows_of_utc(width, at, start, end, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    assert width.start(ms(at)) == ms(start)
    assert width.end(ms(start)) == ms(end)


def test_only_a_uuid_with_the_right_variant_can_be_half_a_key():
    assert keys.message_uuid("6ba7b810-9dad-41d1-80b4-00c04fd430c8") is not None
    assert keys.message_uuid("6ba7b810-9dad-41d1-00b4-00c04fd430c8") is None
    assert keys.message_uuid("6ba7b8109dad41d180b400c04fd430c8") is None
