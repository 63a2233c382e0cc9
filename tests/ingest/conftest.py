from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ingest.demo import DemoChat, DemoChatServer


@pytest.fixture
async def server() -> AsyncIterator[DemoChatServer]:
    """A chat server in whose channels nothing is said but what a test says."""
    async with DemoChatServer(DemoChat(channels=("moonbase", "demo"), rate=1e-9)) as found:
        yield found
