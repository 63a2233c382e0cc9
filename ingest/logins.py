"""Knows the newest login of each channel to read, and which logins have passed to someone else.

The lines tell the logins, so a renamed channel is found again by its id; who learns them is `store.sightings`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping

import structlog

from ingest.source import ChatSource
from store.wanted import WantedChannel, WantedChannels

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 60.0
_MOST_AT_ONCE = 100


class Logins:
    """The newest logins, by channel id, each looked up again now and then."""

    def __init__(self, wanted: WantedChannels) -> None:
        self._wanted = wanted
        self._known: dict[int, str | None] = {}
        self._looked_at: dict[int, float] = {}

    def of(self, channel: WantedChannel) -> str | None:
        """Give the login by which a channel is to be joined; None while none is known."""
        if channel.channel_id is None:
            return channel.given_login
        return self._known.get(channel.channel_id) or channel.given_login

    async def refresh(self, channels: Iterable[WantedChannel], failing: Collection[str]) -> None:
        """Look up some logins, the longest known first.

        Args:
            channels: the channels to read.
            failing: logins that cannot be joined: they may have changed, and are looked up each time.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        now = asyncio.get_running_loop().time()
        by_id = {channel.channel_id: channel for channel in channels if channel.channel_id is not None}
        due = [
            channel_id
            for channel_id, channel in by_id.items()
            if now - self._looked_at.get(channel_id, -math.inf) >= REFRESH_SECONDS or self.of(channel) in failing
        ]
        due = sorted(due, key=lambda channel_id: self._looked_at.get(channel_id, -math.inf))[:_MOST_AT_ONCE]
        found = await asyncio.gather(*(self._wanted.login(by_id[channel_id]) for channel_id in due))
        self._known.update(zip(due, found, strict=True))
        self._looked_at.update(dict.fromkeys(due, now))
        for channel_id in self._known.keys() - by_id.keys():
            del self._known[channel_id], self._looked_at[channel_id]


class Strangers:
    """Channels whose login belongs to someone else by now: the id found under it is not the one that is wanted.

    Attributes:
        logins: by the name of the channel, the login that is not to be joined for it.
    """

    def __init__(self) -> None:
        self.logins: dict[str, str] = {}

    async def part(self, source: ChatSource, by_login: Mapping[str, WantedChannel]) -> None:
        """Part those that a source has joined, and forget those that have another login now."""
        self.logins = {
            name: login
            for name, login in self.logins.items()
            if (channel := by_login.get(login)) is not None and channel.name == name
        }
        for reading in list(source.channels):
            channel = by_login.get(reading.login)
            if channel is None or None in (channel.channel_id, reading.channel_id):
                continue
            if channel.channel_id != reading.channel_id:
                self.logins[channel.name] = reading.login
                ids = {"wanted_id": channel.channel_id, "found_id": reading.channel_id}
                log.warning("channel.stranger", login=reading.login, **ids)
                await source.part(reading.login)
