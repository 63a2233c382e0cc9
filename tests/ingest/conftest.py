from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.demo import DemoChat, DemoChatServer
from store.archive.archive import Archive
from store.archive.objects import Objects
from store.store import Store


@pytest.fixture
async def server() -> AsyncIterator[DemoChatServer]:
    """A chat server in whose channels nothing is said but what a test says."""
    async with DemoChatServer(DemoChat(channels=("moonbase", "demo"), rate=1e-9)) as found:
        yield found


@pytest.fixture
async def archive(store: Store) -> Archive:
    """An archive in memory."""
    return await Archive.open(store.session, store.session.settings, objects=Objects.in_memory())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Where a test puts the logs that others wrote."""
    return tmp_path / "logs"
