"""A service over the usual chat and a channel whose lines lie at the edges of days, months and years."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from support import edges
from support.serving import served, until_ready

from store.message import Message


@pytest.fixture(scope="module")
def edge_chat() -> list[Message]:
    """A line on each side of every edge, oldest first."""
    return [Message.parse(line) for line in edges.said()]


@pytest.fixture(scope="module")
async def both(module_store, module_writer, chat, edge_chat) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service over both channels."""
    await module_writer.write([*chat, *edge_chat])
    await module_writer.flush()
    async with served(module_store.session.settings) as client:
        await until_ready(client)
        yield client
