"""Keeps what this worker reads in step with what is to be read and with who else is there.

Every other second it joins what has become its own, and parts what has become others' once they read it. Who is there
is `ingest.presence`' to say, who is to read what `ingest.assignment`'s, which login a channel has `ingest.logins`', and
when one may be parted `ingest.handover`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog

from ingest.assignment import Assignment, assign
from ingest.handover import Handover
from ingest.logins import Logins, Strangers
from ingest.presence import Presence, Present
from ingest.rules import ChannelRules
from ingest.settings import IngestSettings
from ingest.source import ChatSource
from store.errors import StoreUnavailable
from store.optouts import Optouts
from store.session import Session
from store.wanted import WantedChannel, WantedChannels
from store.workers import Figures, Workers

log = structlog.get_logger(__name__)


class Follower:
    """Follows the assignment of channels to workers.

    Attributes:
        seeded: the channels of the settings that were not among those to read before.

    Args:
        source: whose channels it keeps.
        presence: this worker among the others.
        wanted: what is to be read.
        settings: how often it looks, and what it adds to what is to be read.
        figures: gives how this worker's reading and writing goes.
        obey: told of what is kept of each channel.
        optouts: who has opted out; channels that have are not read.
        leaving: set by whoever has `run` hand over what this worker reads, and end.
    """

    def __init__(
        self,
        source: ChatSource,
        presence: Presence,
        wanted: WantedChannels,
        settings: IngestSettings,
        *,
        figures: Callable[[], Figures],
        obey: Callable[[ChannelRules], None],
        optouts: Optouts,
        leaving: asyncio.Event,
    ) -> None:
        self.seeded: list[str] = []
        self._source = source
        self._presence = presence
        self._wanted = wanted
        self._settings = settings
        self._figures = figures
        self._obey = obey
        self._optouts = optouts
        self._logins = Logins(wanted)
        self._leaving = leaving
        self._seeds = settings.channels
        self._mine: set[str] = set()
        self._handover = Handover(settings.worker_handover, 10.0 / settings.irc_joins_per_10s)
        self._is_alone = True
        self._strangers = Strangers()
        self._decided_by: tuple[list[str], frozenset[str]] | None = None
        self._assignment: Assignment = {}

    @classmethod
    async def open(
        cls,
        session: Session,
        source: ChatSource,
        settings: IngestSettings,
        *,
        figures: Callable[[], Figures],
        obey: Callable[[ChannelRules], None],
        optouts: Optouts,
        leaving: asyncio.Event,
    ) -> Follower:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        presence, wanted = Presence(await Workers.open(session), settings), await WantedChannels.open(session)
        return cls(source, presence, wanted, settings, figures=figures, obey=obey, optouts=optouts, leaving=leaving)

    async def run(self) -> None:
        """Follow until the worker is to leave; then hand over, and stop the source.

        Raises:
            WorkerNameTaken: another worker, which was started earlier, is called the same.
        """
        try:
            while not self._leaving.is_set():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.worker_heartbeat):
                        await self._leaving.wait()
            await self._hand_over()
        finally:
            await self._presence.end()
        await self._source.stop()

    async def _hand_over(self) -> None:
        """Read on until others read what this worker does, for a bounded time."""
        self._presence.leaving = True
        log.info("worker.leaving", worker=self._presence.name, channels=len(self._source.channels))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.worker_handover):
                while await self._look() or not self._is_alone:
                    if not self._source.channels:
                        break
                    await asyncio.sleep(self._settings.worker_heartbeat)
        if left := [reading.login for reading in self._source.channels]:
            log.warning("worker.not_handed_over", channels=len(left), first=left[:10])
        for login in left:
            await self._source.part(login)

    async def _look(self) -> bool:
        """Look once, and say whether that could be done; while it cannot, all stays as it is."""
        try:
            await self._look_once()
        except StoreUnavailable as error:
            log.warning("worker.cannot_look", reason=str(error), channels=len(self._source.channels))
            return False
        return True

    async def _look_once(self) -> None:
        readings = self._source.channels
        failing = {reading.login: reading.failure for reading in readings if reading.failure}
        await self._presence.say(
            readings,
            wanted=len(self._mine) + len(self._strangers.logins),
            failing=failing | dict.fromkeys(self._strangers.logins, "its login has passed to another channel"),
            figures=self._figures(),
        )
        await self._seed()
        present, said, _ = await asyncio.gather(self._presence.look(), self._wanted.said(), self._optouts.refresh())
        self._is_alone = present.names <= {self._presence.name}
        self._obey(ChannelRules.of(said))
        channels = [channel for channel in said if not channel.is_removed]
        await self._learn(channels)
        out = self._optouts.current
        channels = [channel for channel in _one_each(channels) if not out.has_channel(channel.channel_id or 0)]
        await self._logins.refresh(channels, failing.keys())
        self._assign([channel.name for channel in channels], present.names)
        await self._move(channels, present)

    async def _seed(self) -> None:
        """Add the channels of the settings to those that are to be read, once."""
        if self._seeds:
            before = {channel.name for channel in await self._wanted.all()}
            self.seeded = [channel.name for channel in await self._wanted.add(self._seeds)]
            self.seeded = [name for name in self.seeded if name not in before]
            self._seeds = ()

    async def _learn(self, channels: Sequence[WantedChannel]) -> None:
        """Keep the ids that the source has learnt of channels that were added by their login."""
        ids = {reading.login: reading.channel_id for reading in self._source.channels if reading.joined}
        for channel in channels:
            if channel.channel_id is None and (channel_id := ids.get(channel.name)) is not None:
                await self._wanted.learn(channel, channel_id)

    def _assign(self, names: list[str], workers: frozenset[str]) -> None:
        """Share the channels out to the workers, if either have changed."""
        if self._decided_by != (names, workers):
            self._decided_by = names, workers
            self._assignment = assign(names, workers, self._settings.redundancy)
            log.info("worker.assignment", channels=len(names), workers=len(workers))
            if not names:
                log.warning("worker.no_channels", advice="add some with `logstv channels add NAME`")

    async def _move(self, channels: Sequence[WantedChannel], present: Present) -> None:
        """Join what is this worker's and part what is not, once those whose it is read it."""
        by_login = {login: channel for channel in channels if (login := self._logins.of(channel)) is not None}
        await self._strangers.part(self._source, by_login)
        self._mine = {
            login
            for login, channel in by_login.items()
            if self._presence.name in self._assignment[channel.name] and channel.name not in self._strangers.logins
        }
        for login in self._mine - {reading.login for reading in self._source.channels}:
            self._source.join(login)
        for reading in list(self._source.channels):
            wanted = by_login.get(reading.login)
            if reading.login in self._mine:
                self._handover.forget(reading.login)
            elif wanted is None or self._handover.is_done(reading, self._assignment[wanted.name], present):
                self._handover.forget(reading.login)
                await self._source.part(reading.login)


def _one_each(channels: Sequence[WantedChannel]) -> list[WantedChannel]:
    """Leave out channels that were added a second time, by their id and by a login."""
    first = {channel.channel_id: channel.name for channel in reversed(channels)}
    return [channel for channel in channels if channel.channel_id is None or first[channel.channel_id] == channel.name]
