"""One WebSocket session with EventSub: twitchio's, made to lose nothing when Twitch moves it.

When to open one, and what is done with its notifications, is `ingest.eventsub_shards`'s and `ingest.eventsub`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from twitchio import Client, TwitchioException
from twitchio.eventsub.websockets import Websocket

Receive = Callable[[Any], Awaitable[None]]
"""Takes a whole notification; while it waits, nothing more is read."""
Revoked = Callable[[Any], None]
"""Takes the `subscription` of a revocation."""

_LINGER_SECONDS = 2.0
"""How long an old session is still read after the new one was welcomed; Twitch sends it nothing more by then."""
_OPEN_SECONDS = 30.0


class EventSubSession(Websocket):
    """A session of one shard; the caller opens the next one when it ends.

    twitchio's `Websocket` (3.3.2) connects, waits for the welcome, notices missing keepalives and reads. What differs:

    - It hands a notification to its client as a task of its own, however many wait; here the reading waits until it
      was taken, and it comes whole instead of as twitchio's model of it, which leaves out when it was sent.
    - On `session_reconnect` it does not read while it connects anew, and closes the old session with what came on it;
      here the caller connects while the old session is read on.
    - A revocation for a reason that it does not know ends its reading without a word; here any reason is one.
    - It opens the next session itself, or has `AutoClient` do so, which does not close those it replaces and only
      mentions failure in its debug log; here a session that was lost is over, and says so.

    Attributes:
        ended: set when the session is over, for whatever reason.
        reconnect_asked: set when Twitch asks for a new session (`session_reconnect`).
        reconnect_url: where that is to be opened.
    """

    def __init__(self, client: Client, shard: int, keepalive: int, receive: Receive, revoked: Revoked) -> None:
        super().__init__(keep_alive_timeout=keepalive, client=client, shard_id=str(shard), http=client.http)
        self.ended = asyncio.Event()
        self.reconnect_asked = asyncio.Event()
        self.reconnect_url = ""
        self._receive = receive
        self._revoked = revoked

    async def open(self, url: str) -> None:
        """Connect, and wait for the welcome.

        Raises:
            OSError: it was not to be had.
        """
        connecting = asyncio.ensure_future(self.connect(url=url, fail_once=True))
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            # A session that is closed before it was welcomed is over; twitchio would wait for the welcome all the same.
            await asyncio.wait([connecting, ended], timeout=_OPEN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise ConnectionError("the server did not welcome us" if self.connected else "no session was to be had")
            connecting.result()
            if self._listen_task is not None:  # twitchio's reading may end on what it does not understand
                self._listen_task.add_done_callback(lambda _: self.ended.set())
        except (TwitchioException, aiohttp.ClientError) as error:
            raise ConnectionError(f"no session was to be had: {error.__cause__ or error}") from error
        finally:
            for task in (connecting, ended):
                task.cancel()
            await asyncio.wait([connecting, ended])

    async def finish(self) -> None:
        """Read on for a moment what may still be on its way, then close."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self.ended.wait()
        await self.close()

    async def close(self, cleanup: bool = True, *, reassociate: bool = False) -> None:
        """Close the session, and wait until nothing of it runs; there is no asking for another one."""
        tasks = [task for task in (self._listen_task, self._keep_alive_task) if task is not None]
        try:
            await super().close(cleanup, reassociate=reassociate)
        finally:
            self.ended.set()
            if others := [task for task in tasks if task is not asyncio.current_task()]:
                await asyncio.wait(others)

    async def _process_notification(self, data: Any) -> None:
        await self._receive(data)

    async def _process_revocation(self, data: Any) -> None:
        self._revoked(data["payload"]["subscription"])

    async def _process_reconnect(self, data: Any) -> None:
        self.reconnect_url = data["payload"]["session"]["reconnect_url"]
        self.reconnect_asked.set()

    async def _create_connection_task(self) -> None:
        # twitchio calls this when the connection broke or fell silent.
        self.ended.set()
