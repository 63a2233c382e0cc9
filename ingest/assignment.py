"""Which workers read which channels: decided alike by everyone who knows the same names, with nothing to elect.

Rendezvous hashing: every pair of a channel and a worker has a weight that only their names decide, and the heaviest
workers read the channel. So a worker that leaves moves its own channels alone, and one that joins takes only what
becomes its own. Who is there is `store.workers`' to tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

Assignment = dict[str, tuple[str, ...]]
"""By channel, the workers that are to read it, the heaviest first."""


def assign(channels: Iterable[str], workers: Collection[str], redundancy: int) -> Assignment:
    """Share channels out to workers.

    Args:
        channels: their names.
        workers: their names; all count the same.
        redundancy: how many workers read each channel, as far as there are so many.
    """
    return {channel: readers_of(channel, workers, redundancy) for channel in channels}


def readers_of(channel: str, workers: Collection[str], redundancy: int) -> tuple[str, ...]:
    """Give the workers that are to read a channel, the heaviest first."""
    if len(workers) == 1:
        return tuple(workers)
    heaviest = sorted(workers, key=lambda worker: (_weight(channel, worker), worker), reverse=True)
    return tuple(heaviest[:redundancy])


def _weight(channel: str, worker: str) -> bytes:
    return hashlib.blake2b(f"{channel} {worker}".encode(), digest_size=8).digest()
