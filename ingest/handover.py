"""Judges when a channel that has become others' may be parted: once they say that they read it, or after a while."""

from __future__ import annotations

import asyncio

from ingest.presence import Present
from ingest.source import ChannelReading


class Handover:
    """The channels that this worker reads on until others do.

    Args:
        longest_seconds: after which a channel is parted although nobody says that he reads it.
    """

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
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
        begun, said_before = self._begun.setdefault(reading.login, (now, present.said_ms))
        readers = present.readers.get(reading.channel_id, [])
        confirmed = all(heir in readers and present.said_ms[heir] > said_before.get(heir, -1) for heir in heirs)
        return confirmed or now - begun >= self._longest
