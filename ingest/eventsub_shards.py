"""Keeps the sessions of a conduit up: one a shard, replaced when it is lost or when Twitch asks for it.

One session is `ingest.eventsub_session`'s; what is subscribed, and what becomes of notifications, `ingest.eventsub`'s.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog
from twitchio import Conduit

from ingest.errors import ApiError
from ingest.eventsub_api import TwitchApi
from ingest.eventsub_session import EventSubSession, Receive, Revoked
from ingest.eventsub_state import EventSubCounts
from ingest.settings import IngestSettings

log = structlog.get_logger(__name__)

_BACKOFF_SECONDS = (0.5, 60.0)
_STEADY_SECONDS = 60.0
"""A session that held this long was a good one: the next attempt does not wait long."""


class ConduitLost(Exception):
    """The conduit is gone, or somebody else reads it; another one is needed."""


class Shards:
    """The sessions of one conduit.

    Attributes:
        live: by shard, the session that its notifications are sent to.
    """

    def __init__(
        self,
        settings: IngestSettings,
        api: TwitchApi,
        conduit: Conduit,
        counts: EventSubCounts,
        receive: Receive,
        revoked: Revoked,
        changed: Callable[[], None],
    ) -> None:
        self.live: dict[int, EventSubSession] = {}
        self._settings = settings
        self._api = api
        self._conduit = conduit
        self._counts = counts
        self._receive = receive
        self._revoked = revoked
        self._changed = changed

    async def keep_up(self) -> None:
        """Keep every shard's session up, until cancelled.

        Raises:
            ExceptionGroup: of ConduitLost.
        """
        async with asyncio.TaskGroup() as group:
            for shard in range(self._settings.eventsub_shards):
                group.create_task(self._keep(shard))

    async def check(self) -> None:
        """Compare with what Twitch says of the shards; a session that it does not know is over.

        Raises:
            ApiError: it does not say.
            ConduitLost: there is no such conduit any more, or it sends our notifications to somebody else.
        """
        asked_of = dict(self.live)
        try:
            told = await self._api.shards(self._conduit)
        except ApiError as error:
            raise self._lost_or(error) from None
        for shard, session in asked_of.items():
            if self.live.get(shard) is not session:
                continue  # another one took over meanwhile
            status, session_id = told.get(shard, ("missing", ""))
            if status == "enabled" and session_id != session.session_id:
                raise ConduitLost(f"somebody else reads conduit {self._conduit.id}")
            if status != "enabled":
                log.warning("eventsub.shard_disabled", shard=shard, status=status)
                session.ended.set()

    async def _keep(self, shard: int) -> None:
        clock = asyncio.get_running_loop().time
        pause, longest = shortest, _ = _BACKOFF_SECONDS
        while True:
            begun = clock()
            try:
                session = await self._opened(shard, self._first_url)
            except (OSError, ApiError) as error:
                log.warning("eventsub.no_session", shard=shard, reason=str(error))
            else:
                await self._follow(shard, session)
                log.warning("eventsub.session_lost", shard=shard)
            pause = shortest if clock() - begun > _STEADY_SECONDS else min(pause * 2, longest)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    @property
    def _first_url(self) -> str:
        return f"{self._settings.eventsub_url}?keepalive_timeout_seconds={self._settings.eventsub_keepalive}"

    async def _opened(self, shard: int, url: str, known: str | None = None) -> EventSubSession:
        """Open a session, and have the shard's notifications sent to it.

        Args:
            shard: which.
            url: where.
            known: the id of the session it takes over from, if any.

        Raises:
            OSError: it was not to be had.
            ApiError: Twitch did not give it the shard.
            ConduitLost: there is no such conduit any more.
        """
        session = EventSubSession(
            self._api.client, shard, self._settings.eventsub_keepalive, self._receive, self._revoked
        )
        self._counts.opened += 1
        try:
            await session.open(url)
            await self._place(shard, session, known)
        except BaseException:
            await session.close()
            raise
        self._counts.connections += 1
        self.live[shard] = session
        self._changed()
        return session

    async def _place(self, shard: int, session: EventSubSession, known: str | None) -> None:
        try:
            await self._api.place(self._conduit, shard, session.session_id or "")
        except ApiError as error:
            # A session that was moved and kept its id has, as far as is known, the shard already.
            if error.status == 404 or session.session_id != known:
                raise self._lost_or(error) from None

    def _lost_or(self, error: ApiError) -> ApiError | ConduitLost:
        return ConduitLost(f"conduit {self._conduit.id} is gone") if error.status == 404 else error

    async def _follow(self, shard: int, session: EventSubSession) -> None:
        """Stay with a session, and with each that takes over from it, until one is lost."""
        async with asyncio.TaskGroup() as group:
            while True:
                successor: EventSubSession | None = None
                try:
                    if await _asked_to_move(session):
                        log.info("eventsub.reconnect_asked", shard=shard)
                        successor = await self._successor(shard, session)
                    if successor is None:
                        await session.ended.wait()
                finally:
                    if successor is None:
                        await self._over(shard, session)
                if successor is None:
                    return
                group.create_task(self._finish(session))
                session = successor

    async def _successor(self, shard: int, session: EventSubSession) -> EventSubSession | None:
        """Open the session that Twitch asks for, else any; None if there is neither. The old one is read meanwhile."""
        for url, known in ((session.reconnect_url, session.session_id), (self._first_url, None)):
            try:
                return await self._opened(shard, url, known)
            except (OSError, ApiError) as error:
                log.warning("eventsub.not_moved", shard=shard, reason=str(error))
        return None

    async def _finish(self, session: EventSubSession) -> None:
        try:
            await session.finish()
        finally:
            await session.close()
            self._counts.connections -= 1

    async def _over(self, shard: int, session: EventSubSession) -> None:
        if self.live.get(shard) is session:
            del self.live[shard]
        self._counts.connections -= 1
        self._changed()
        await session.close()


async def _asked_to_move(session: EventSubSession) -> bool:
    """Wait until a session ends, or Twitch asks to move it; say whether it is the latter."""
    ended = asyncio.ensure_future(session.ended.wait())
    asked = asyncio.ensure_future(session.reconnect_asked.wait())
    try:
        await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        asked.cancel()
    return not session.ended.is_set()
