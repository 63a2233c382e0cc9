from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import times

EVENING = 1_772_400_600_000


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T21:30:00Z",
        "2026-03-01T21:30:00.000Z",
        "2026-03-01T23:30:00+02:00",
        "2026-03-01T23:30:00 02:00",  # a + that was not escaped
        "2026-03-01T16:00:00-05:30",
        "2026-03-01t21:30:00z",
        "2026-03-01 21:30:00Z",
        "1772400600",
        "1772400600000",
        " 1772400600 ",
    ],
)
def test_every_way_to_write_a_time_is_the_same_time(text):
    assert times.parse_time(text) == EVENING


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "this is no time"),
        ("yesterday", "this is no time"),
        ("2026-02-30T00:00:00Z", "this is no time"),
        ("2026-03-01T21:30:00", "nothing of its zone"),
        ("2026-03-01", "nothing of its zone"),
        ("-5", "this is no time"),
        ("1e9", "this is no time"),
        ("١٧٧٢٤٠٠٦٠٠", "this is no time"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("4000-01-02T00:00:00Z", "after 4000"),
        ("999999999999999", "after 4000"),
        ("0001-01-01T00:00:00+14:00", "before 1970"),
        ("9999-12-31T23:59:59-14:00", "after 4000"),
    ],
)
def test_what_is_no_time_says_what_would_be(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        times.parse_time(text)


@given(st.integers(min_value=0, max_value=64_060_588_799_999))
def test_what_is_written_is_read_back(ms):
    written = times.rfc3339(ms)
    assert times.parse_time(written) == ms
    assert times.in_words(ms) == written[:19].replace("T", " ")
    assert times.day(ms) == written[:10]
    assert times.month(ms) == written[:7]
