"""How long tests wait for what must come about: far longer than it takes, since only a failure waits so long."""

from __future__ import annotations

import asyncio

PATIENCE_SECONDS = 60


def patience() -> asyncio.Timeout:
    """Give a time-out for what must come about in it."""
    return asyncio.timeout(PATIENCE_SECONDS)
