"""A chat of some days, all of it in the archive alone."""

from __future__ import annotations

import pytest
from support.tiers import CHANNELS, NOW_MS, Tiers, chat, expire, tiers

from store.message import Message
from store.retention import Retention
from store.store import Store
from store.writer import Writer


@pytest.fixture
async def exported(store: Store) -> tuple[Tiers, list[Message]]:
    said = chat(6, seed=21)
    await (await Writer.open(store.session, Retention.of(0))).write(said)
    both = await tiers(store, horizon_ms=NOW_MS)
    await (await both.exporter()).run(CHANNELS)
    await expire(store, said, NOW_MS)
    return both, said
