"""Judges when a channel that has become others' may be parted: once they say that they read it, or after a while."""

from __future__ import annotations

import asyncio

from ingest.presence import Present
from ingest.source import ChannelReading


class Handover:
    """The channels that this worker reads on until others do.

    Args:
        longest_seconds: how long the heirs are waited for, besides the time that their joins take.
        join_seconds: how long each of these takes by what the chat server allows.
    """

    def __init__(self, longest_seconds: float, join_seconds: float) -> None:
        self._longest = longest_seconds
        self._join = join_seconds
        self._begun: dict[str, tuple[float, dict[str, int]]] = {}

    def forget(self, login: str) -> None:
        """Take note that a channel is this worker's again, or is not read any more."""
        self._begun.pop(login, None)

    def is_done(self, reading: ChannelReading, heirs: tuple[str, ...], present: Present) -> bool:
        """Say whether a channel may be parted.

        What the heirs said before this worker took the channel for theirs does not count: they may have taken it for
        this worker's, and parted it since.

        Args:
            reading: how the channel stands here.
            heirs: the workers that are to read it.
            present: what they say.
        """
        if reading.channel_id is None or not reading.joined:
            return True
        now = asyncio.get_running_loop().time()
        said = {name: worker.seen_ms for name, worker in present.workers.items()}
        begun, said_before = self._begun.setdefault(reading.login, (now, said))
        readers = present.readers.get(reading.channel_id, [])
        if all(heir in readers and said[heir] > said_before.get(heir, -1) for heir in heirs):
            return True
        joins = max((present.workers[heir].wanted for heir in heirs if heir in present.workers), default=0)
        return now - begun >= self._longest + joins * self._join
