from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from support import lines

from store.coverage import BEAT_MS, Coverage, Span, between, joined
from store.keys import MS_IN_DAY

MIDNIGHT = lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda s: Span(s[0], s[0] + s[1])), max_size=12)


def moments(some) -> set[int]:
    return {at for span in some for at in range(span.from_ms, span.to_ms)}


@given(spans, st.integers(0, 60), st.integers(1, 40))
def test_spans_and_gaps_share_the_whole_between_them(some, start, length):
    whole = Span(start, start + length)
    gaps = between(some, whole)
    assert moments(gaps) == moments([whole]) - moments(some)
    assert moments(joined(some)) == moments(some)
    for found in (gaps, joined(some)):
        assert all(one.to_ms < two.from_ms for one, two in itertools.pairwise(found))


class Clock:
    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


async def opened(store, clock: Clock) -> Coverage:
    """A coverage by a clock of ours, that remembers nothing yet."""
    coverage = await Coverage.open(store.session)
    return Coverage(store.session, coverage._prepared, clock)


async def test_gaps_are_what_no_worker_read(store):
    clock = Clock(MIDNIGHT + 3 * MS_IN_DAY)
    coverage = await opened(store, clock)
    await coverage.record(1, Span(MIDNIGHT + 1000, MIDNIGHT + 5000), "one")
    await coverage.record(1, Span(MIDNIGHT + 4000, MIDNIGHT + 9000), "two")
    await coverage.record(1, Span(MIDNIGHT + 20_000, MIDNIGHT + 30_000), "one")
    await coverage.record(2, Span(MIDNIGHT, MIDNIGHT + MS_IN_DAY), "one")
    whole = Span(MIDNIGHT, MIDNIGHT + 40_000)
    assert await coverage.spans(1, whole) == [
        Span(MIDNIGHT + 1000, MIDNIGHT + 9000),
        Span(MIDNIGHT + 20_000, MIDNIGHT + 30_000),
    ]
    # Before the first span nothing is known.
    assert await coverage.gaps(1, whole) == [
        Span(MIDNIGHT + 9000, MIDNIGHT + 20_000),
        Span(MIDNIGHT + 30_000, MIDNIGHT + 40_000),
    ]
    assert await coverage.gaps(3, whole) == []


async def test_a_span_that_goes_on_for_days_is_found_in_each_and_said_by_its_last_day(store):
    clock = Clock(MIDNIGHT + 9 * MS_IN_DAY)
    coverage = await opened(store, clock)
    span = Span(MIDNIGHT - 5000, MIDNIGHT + 2 * MS_IN_DAY + 7000)
    begins = await coverage.record(1, span, "one")
    assert begins == MIDNIGHT + 2 * MS_IN_DAY
    await coverage.record(1, Span(begins, begins + 9000), "one")
    for day in range(3):
        inside = Span(MIDNIGHT + day * MS_IN_DAY + 1000, MIDNIGHT + day * MS_IN_DAY + 2000)
        assert await coverage.gaps(1, inside) == []
    whole = Span(MIDNIGHT - MS_IN_DAY, MIDNIGHT + 4 * MS_IN_DAY)
    assert await coverage.spans(1, whole) == [Span(span.from_ms, begins + 9000)]


async def test_a_channel_that_is_read_has_no_gap_up_to_now_and_a_crash_leaves_an_honest_end(store):
    clock = Clock(MIDNIGHT + 60_000)
    coverage = await opened(store, clock)
    await coverage.record(1, Span(MIDNIGHT, MIDNIGHT + 60_000 - BEAT_MS), "one")
    whole = Span(MIDNIGHT, MIDNIGHT + 600_000)
    assert await coverage.gaps(1, whole) == []
    clock.now_ms += 5 * BEAT_MS
    assert await coverage.gaps(1, whole) == [Span(MIDNIGHT + 60_000 - BEAT_MS, clock.now_ms)]


async def test_an_end_never_moves_back(store):
    coverage = await opened(store, Clock(MIDNIGHT + MS_IN_DAY))
    for end in (9000, 5000):
        await coverage.record(1, Span(MIDNIGHT, MIDNIGHT + end), "one")
    assert await coverage.spans(1, Span(MIDNIGHT, MIDNIGHT + 60_000)) == [Span(MIDNIGHT, MIDNIGHT + 9000)]
