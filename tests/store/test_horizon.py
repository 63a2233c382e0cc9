from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.horizon import Horizon, Said, horizon_of
from store.keys import MS_IN_DAY
from store.shapes import CHANNEL, SHAPES

DAY = 86_400


def at(text: str) -> int:
    return round(dt.datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


def test_it_is_a_midnight_a_day_or_two_after_the_last_line_that_expired():
    now = at("2026-11-25T12:00")
    assert horizon_of([Said(0, 90 * DAY)], now) == at("2026-08-29T00:00")
    assert horizon_of([Said(0, 90 * DAY)], at("2026-11-25T00:00")) == at("2026-08-28T00:00")
    assert horizon_of([Said(0, 0)], now) is None


def test_a_longer_retention_brings_back_no_line_that_was_written_before():
    raised = at("2026-01-01T00:00")
    history = [Said(0, 30 * DAY), Said(raised, 300 * DAY)]
    assert horizon_of(history, raised + 10 * MS_IN_DAY) == raised - 19 * MS_IN_DAY
    assert horizon_of(history, raised + 100 * MS_IN_DAY) == raised + MS_IN_DAY
    assert horizon_of(history, raised + 400 * MS_IN_DAY) == raised + 101 * MS_IN_DAY
    for_ever = [Said(0, 30 * DAY), Said(raised, 0)]
    assert horizon_of(for_ever, raised + 4000 * MS_IN_DAY) == raised + MS_IN_DAY


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 400)), min_size=1), st.integers(0, 900))
def test_no_line_since_has_expired(changes, wrote):
    changes = [(0, changes[0][1]), *sorted(changes[1:])]
    history = [Said(day * MS_IN_DAY, days * DAY) for day, days in changes]
    kept = [days for day, days in changes if day <= wrote][-1]
    now = 1000 * MS_IN_DAY
    horizon = horizon_of(history, now)
    if horizon is None or wrote * MS_IN_DAY >= horizon:
        assert kept == 0 or wrote + kept > 1000


async def test_what_the_tables_say_is_followed_and_remembered(store):
    now = at("2026-11-25T12:00")
    horizon = Horizon(store.session, (await Horizon.open(store.session))._prepared, lambda: now)
    assert [await horizon.of(shape) for shape in SHAPES] == [at("2026-08-29T00:00")] * len(SHAPES)
    try:
        await store.session.execute(f"ALTER TABLE {store.session.table(CHANNEL.table)} WITH default_time_to_live = 0")
        await horizon.follow()
        assert await horizon.of(CHANNEL) == at("2026-08-29T00:00")
        other = Horizon(store.session, horizon._prepared, lambda: now + 1000 * MS_IN_DAY)
        assert await other.of(CHANNEL) == at("2026-11-27T00:00")
    finally:
        await store.session.execute(
            f"ALTER TABLE {store.session.table(CHANNEL.table)} WITH default_time_to_live = 7776000"
        )


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_first_look_holds_for_all_time_before(store, shape):
    await (await Horizon.open(store.session)).of(shape)
    again = await Horizon.open(store.session)
    await again.follow()
    assert [said.since_ms for said in again._history[shape.table]] == [0]
