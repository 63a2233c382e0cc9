from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from ingest.handover import Handover
from ingest.irc_state import ChannelState
from ingest.presence import Present
from store.workers import Worker, readers

ROOM = 9001
BO = Worker("bo", uuid.UUID(int=1), since_ms=1, seen_ms=100)
CY = Worker("cy", uuid.UUID(int=2), since_ms=1, seen_ms=100)


@pytest.fixture
def reading() -> ChannelState:
    return ChannelState("moonbase", channel_id=ROOM, readers=1)


def present(*workers: Worker) -> Present:
    return Present(
        frozenset(worker.name for worker in workers), {each.name: each for each in workers}, readers(workers)
    )


def reads(worker: Worker, seen_ms: int) -> Worker:
    return replace(worker, seen_ms=seen_ms, reading=frozenset({ROOM}))


async def test_only_what_an_heir_says_after_the_change_was_seen_counts(reading):
    handover = Handover(60, 0.5)
    for _ in range(2):  # the same row again says nothing new
        assert not handover.is_done(reading, ("bo",), present(reads(BO, 100)))
    assert not handover.is_done(reading, ("bo",), present(replace(BO, seen_ms=200)))
    assert handover.is_done(reading, ("bo",), present(reads(BO, 300)))
    handover.forget("moonbase")
    assert not handover.is_done(reading, ("bo",), present(reads(BO, 300)))


async def test_all_heirs_are_waited_for_and_one_who_has_just_come_counts_with_his_first_word(reading):
    handover = Handover(60, 0.5)
    assert not handover.is_done(reading, ("bo", "cy"), present(BO))
    assert not handover.is_done(reading, ("bo", "cy"), present(reads(BO, 200), CY))
    assert handover.is_done(reading, ("bo", "cy"), present(reads(BO, 200), reads(CY, 100)))


async def test_nobody_is_waited_for_for_ever_but_for_as_long_as_his_joins_take(reading):
    assert Handover(0, 0.5).is_done(reading, ("bo",), present(BO))
    assert not Handover(0, 0.5).is_done(reading, ("bo",), present(replace(BO, wanted=200)))
    assert Handover(0, 0.5).is_done(reading, ("gone",), present(BO))


async def test_what_is_not_read_or_has_no_heir_needs_no_waiting(reading):
    assert Handover(60, 0.5).is_done(reading, (), present(BO))
    reading.readers = 0
    assert Handover(60, 0.5).is_done(reading, ("bo",), present(BO))
