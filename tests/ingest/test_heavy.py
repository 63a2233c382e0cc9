from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest.heavy import HeavyHitters


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=40), st.integers(1, 12))
def test_no_count_is_too_high_nor_too_low_by_more_than_its_share(batches, kept):
    hitters: HeavyHitters[int] = HeavyHitters(kept)
    for batch in batches:
        hitters.add(batch)
    truth = Counter(item for batch in batches for item in batch)
    found = dict(hitters.above(1, 1000))
    assert hitters.error <= truth.total() / kept
    for item, count in truth.items():
        assert count - hitters.error <= found.get(item, 0) <= count


def test_what_is_rare_does_not_fill_the_memory():
    hitters: HeavyHitters[int] = HeavyHitters(100)
    for start in range(0, 100_000, 50):
        hitters.add([*range(start, start + 50), -1, -2, -1])
        assert len(hitters._counts) <= 200
    (first, most), (second, less) = hitters.above(1000, 2)
    assert (first, second) == (-1, -2)
    assert 3000 < most <= 4000
    assert less <= 2000
    assert hitters.above(5000, 10) == []
