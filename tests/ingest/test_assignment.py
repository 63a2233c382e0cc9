from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.assignment import assign

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.", min_size=1, max_size=20)
WORKERS = st.sets(NAMES, min_size=1, max_size=8)
CHANNELS = st.lists(NAMES, unique=True, max_size=40)
REDUNDANCY = st.integers(1, 2)


@given(CHANNELS, WORKERS, REDUNDANCY)
def test_every_channel_has_as_many_readers_as_there_can_be(channels, workers, redundancy):
    shared = assign(channels, workers, redundancy)
    assert list(shared) == channels
    for readers in shared.values():
        assert len(set(readers)) == len(readers) == min(redundancy, len(workers))
        assert set(readers) <= workers


@given(CHANNELS, WORKERS, REDUNDANCY, st.randoms())
def test_all_who_know_the_same_decide_the_same(channels, workers, redundancy, random):
    mixed = sorted(workers)
    random.shuffle(mixed)
    other = sorted(channels)
    random.shuffle(other)
    assert assign(other, mixed, redundancy) == assign(channels, workers, redundancy)


@given(CHANNELS, WORKERS, NAMES, REDUNDANCY)
def test_only_the_share_of_who_comes_or_goes_moves(channels, workers, newcomer, redundancy):
    without = workers - {newcomer} or {newcomer + "2"}
    before = assign(channels, without, redundancy)
    after = assign(channels, without | {newcomer}, redundancy)
    for channel in channels:
        if newcomer in after[channel]:
            # The others that read it are those that read it before, but for the one whose place is taken.
            assert set(after[channel]) - {newcomer} <= set(before[channel])
        else:
            assert after[channel] == before[channel]


@given(CHANNELS, WORKERS)
def test_the_second_reader_is_the_one_who_takes_over_from_the_first(channels, workers):
    both = assign(channels, workers, 2)
    for channel, (first, *second) in both.items():
        if second:
            assert assign([channel], workers - {first}, 1)[channel] == tuple(second)


def test_nobody_reads_where_nobody_is():
    assert assign(["moonbase"], [], 2) == {"moonbase": ()}


def test_the_shares_are_even_within_reason():
    channels = [f"channel_{number}" for number in range(5000)]
    for redundancy in (1, 2):
        workers = [f"host-{number}" for number in range(5)]
        shared = assign(channels, workers, redundancy)
        fair = len(channels) * redundancy / len(workers)
        for worker in workers:
            assert abs(sum(worker in readers for readers in shared.values()) - fair) < 0.1 * fair
