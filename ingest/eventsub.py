"""Reads Twitch's chat over EventSub, as an application that the channels consented to.

The application's conduit collects what it subscribed to, however many channels, and sends it to a few sessions. Those
are `ingest.eventsub_shards`', asking Twitch is `ingest.eventsub_api`'s, and the line that a notification stands for
`ingest.eventsub_line`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import structlog
from twitchio import Conduit

from ingest.errors import ApiError, LoginRefused, NotificationError, SourceUrlError
from ingest.eventsub_api import TwitchApi
from ingest.eventsub_line import SUBSCRIPTION_TYPES, line_of
from ingest.eventsub_shards import ConduitLost, Shards
from ingest.eventsub_state import EventSubCounts, SubscribedChannel
from ingest.irc_state import ChannelState
from ingest.recent import RecentIds
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine

log = structlog.get_logger(__name__)

_LINES_WAITING = 4096
"""Lines that wait for the reader before the sessions are held back."""
_LINES_AT_ONCE = 512
_IDS_REMEMBERED = 100_000
"""Notifications: minutes of all that one application is likely to read; Twitch repeats one within seconds."""
_LOOK_SECONDS = 1.0
_SOON_SECONDS = 10.0
"""Until what Twitch could not answer is asked again; what it refused waits longer (`eventsub_retry`)."""


class EventSubSource:
    """Chat lines of a set of channels, for as long as it is entered.

    Attributes:
        counts: what was seen.
    """

    def __init__(self, settings: IngestSettings, channels: Iterable[str] = ()) -> None:
        _check_addresses(settings)
        self.counts = EventSubCounts()
        self._settings = settings
        self._first = tuple(channels) or settings.channels
        self._channels: dict[str, SubscribedChannel] = {}
        self._by_id: dict[int, SubscribedChannel] = {}
        self._lines: asyncio.Queue[ReceivedLine | None] = asyncio.Queue(_LINES_WAITING)
        self._recent = RecentIds(_IDS_REMEMBERED)
        self._look = asyncio.Event()
        self._check_at = 0.0
        self._received_ms = 0
        self._shards: Shards | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        for login in self._first:
            self.join(login)
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._running = self._tasks.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        assert self._running is not None
        self._running.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        """Yield the chat lines as they come; end after `stop`."""
        while (line := await self._lines.get()) is not None:
            chunk = [line]
            while len(chunk) < _LINES_AT_ONCE and not self._lines.empty():
                line = self._lines.get_nowait()
                if line is None:
                    yield chunk
                    return
                chunk.append(line)
            yield chunk

    async def stop(self) -> None:
        """Have `chunks` end after what was read."""
        await self._lines.put(None)

    def join(self, login: str) -> None:
        """Read a channel too; harmless if it is read already."""
        if login not in self._channels:
            self._channels[login] = SubscribedChannel(ChannelState(login))
            self._look.set()

    async def part(self, login: str) -> None:
        """Read a channel no more: from now on no line of it is handed on."""
        channel = self._channels.pop(login, None)
        if channel is not None:
            self._by_id.pop(channel.state.channel_id or 0, None)
            if channel.state.readers:
                channel.state.leave(self)  # what comes from now on is not handed on
            self._check_at = 0.0  # the next look finds that nobody wants its subscriptions
            self._look.set()

    @property
    def channels(self) -> list[ChannelState]:
        """How the reading of each channel stands."""
        return [channel.state for channel in self._channels.values()]

    @property
    def figures(self) -> dict[str, float]:
        """What was counted over all sessions."""
        return self.counts.figures

    async def _run(self) -> None:
        """Read a conduit, and when it is lost, another one."""
        api = TwitchApi(self._settings)
        try:
            while True:
                conduit = await self._found_conduit(api)
                log.info("eventsub.conduit", conduit=conduit.id, shards=self._settings.eventsub_shards)
                try:
                    await self._read(api, conduit)
                except* ConduitLost as errors:
                    log.error("eventsub.conduit_lost", reason=str(_first(errors)))
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await api.close()

    async def _found_conduit(self, api: TwitchApi) -> Conduit:
        """Log in and get a conduit; while Twitch refuses, say so of each channel, and ask again slowly."""
        while True:
            try:
                await api.log_in()
                return await api.conduit()
            except LoginRefused as error:
                self.counts.logins_refused += 1
                reason, pause = str(error), self._settings.eventsub_retry
            except ApiError as error:
                reason, pause = str(error), self._patience(error)
            log.error("eventsub.not_started", reason=reason, retry_seconds=pause)
            for channel in self._channels.values():
                channel.state.failure = reason
            await asyncio.sleep(pause)

    async def _read(self, api: TwitchApi, conduit: Conduit) -> None:
        shards = Shards(
            self._settings, api, conduit, self.counts, self._receive, self._revoked, changed=self._show_readers
        )
        self._shards, self._check_at = shards, 0.0
        for channel in self._channels.values():
            channel.subscriptions.clear()
            channel.state.failure, channel.state.retry_at = "", 0.0
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(shards.keep_up())
                group.create_task(self._keep_subscribed(api, conduit, shards))
        finally:
            self._shards = None
            self._show_readers()

    async def _keep_subscribed(self, api: TwitchApi, conduit: Conduit, shards: Shards) -> None:
        """Subscribe to what is to be read; see now and then that Twitch thinks so too."""
        clock = asyncio.get_running_loop().time
        while True:
            self._look.clear()
            if shards.live:
                try:
                    await self._find_ids(api)
                    if clock() >= self._check_at:
                        self._check_at = clock() + self._settings.eventsub_check
                        await shards.check()
                        await self._compare(api, conduit)
                    for channel in list(self._channels.values()):
                        await self._subscribe(api, conduit, channel)
                except ApiError as error:
                    pause = min(_SOON_SECONDS, self._settings.eventsub_retry)
                    log.warning("eventsub.api_failed", reason=str(error), retry_seconds=pause)
                    self._check_at = 0.0
                    await asyncio.sleep(pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._look.wait()

    async def _find_ids(self, api: TwitchApi) -> None:
        """Look up the ids of channels that have none yet."""
        now = asyncio.get_running_loop().time()
        asked = [
            channel
            for channel in self._channels.values()
            if channel.state.channel_id is None and now >= channel.state.retry_at
        ]
        found = await api.channel_ids(channel.state.login for channel in asked) if asked else {}
        for channel in asked:
            state = channel.state
            if self._channels.get(state.login) is not channel:
                continue  # parted while we asked
            if (channel_id := found.get(state.login)) is None:
                self._fail(channel, "Twitch knows no channel of that name", self._settings.eventsub_retry)
            else:
                state.channel_id, state.failure = channel_id, ""
                self._by_id[channel_id] = channel

    async def _compare(self, api: TwitchApi, conduit: Conduit) -> None:
        """Learn what the conduit is subscribed to: take that over, and delete what nobody wants."""
        known: dict[int, dict[str, str]] = {}
        for each in await api.subscriptions(conduit):
            wanted = (
                each.channel_id in self._by_id
                and each.type in SUBSCRIPTION_TYPES
                and each.user_id == self._settings.eventsub_user_id
            )
            if wanted and each.status == "enabled":
                known.setdefault(each.channel_id, {})[each.type] = each.id
            else:
                await api.unsubscribe(each.id)
        for channel_id, channel in self._by_id.items():
            lost = channel.subscriptions.keys() - known.get(channel_id, {}).keys()
            channel.subscriptions = known.get(channel_id, {})
            if lost:
                why = f"Twitch does not list {', '.join(sorted(lost))} among what our conduit is subscribed to"
                self._fail(channel, why, self._settings.eventsub_retry)
        self._show_readers()

    async def _subscribe(self, api: TwitchApi, conduit: Conduit, channel: SubscribedChannel) -> None:
        """Subscribe to what a channel lacks, if that is due."""
        clock, state = asyncio.get_running_loop().time, channel.state
        if state.channel_id is None or not channel.missing or (state.failure and clock() < state.retry_at):
            return
        state.failure, doubtful = "", False
        for kind in channel.missing:
            if self._channels.get(state.login) is not channel:
                return  # parted meanwhile
            try:
                channel.subscriptions[kind] = await api.subscribe(conduit, kind, state.channel_id)
            except ApiError as error:
                if error.status != 409:
                    self.counts.subscriptions_failed += 1
                    self._fail(channel, str(error), self._patience(error))
                    return
                channel.subscriptions[kind], doubtful = "", True
        if doubtful:  # there was one already: see whether it is our conduit's
            await self._compare(api, conduit)
        self._show_readers()

    def _fail(self, channel: SubscribedChannel, why: str, pause: float) -> None:
        state = channel.state
        state.failure = why
        state.retry_at = asyncio.get_running_loop().time() + pause
        log.warning("eventsub.join_failed", channel=state.login, reason=why, retry_seconds=pause)
        self._show_readers()

    def _patience(self, error: ApiError) -> float:
        """Give the seconds until something is asked again: few if Twitch was not able, many if it did not want to."""
        refused = 400 <= error.status < 500 and error.status != 429
        return self._settings.eventsub_retry if refused else min(_SOON_SECONDS, self._settings.eventsub_retry)

    def _show_readers(self) -> None:
        """Say of each channel whether it is read: by any session, once all of it is subscribed to."""
        live = self._shards is not None and bool(self._shards.live)
        for channel in self._channels.values():
            state, reads = channel.state, live and not channel.missing
            if reads and not state.readers:
                self._received_ms = time.time_ns() // 1_000_000
                state.enter(self)
            elif not reads and state.readers:
                state.leave(self)
        self._look.set()

    @property
    def heard_ms(self) -> int:
        """How far channels surely were read, Unix milliseconds: a dead session is noticed by its missing keepalives."""
        now_ms = time.time_ns() // 1_000_000
        return max(self._received_ms, now_ms - self._settings.eventsub_keepalive * 1000)

    def _revoked(self, subscription: Any) -> None:
        """Take note that Twitch has taken a subscription away: consent was withdrawn, or the account was banned."""
        reason, kind = str(subscription["status"]), str(subscription["type"])
        self.counts.revoked[reason] += 1
        channel = self._by_id.get(int(subscription["condition"].get("broadcaster_user_id") or 0))
        if channel is not None and channel.subscriptions.pop(kind, None) is not None:
            self._fail(channel, f"Twitch has revoked {kind}: {reason}", self._settings.eventsub_retry)

    async def _receive(self, notification: Any) -> None:
        """Hand on the line of a notification, once."""
        received_ms = self._received_ms = time.time_ns() // 1_000_000
        self.counts.notifications += 1
        try:
            metadata, event = notification["metadata"], notification["payload"]["event"]
            channel_id = int(event["broadcaster_user_id"])
            if channel_id not in self._by_id:
                self.counts.strays += 1
                return
            # Twitch may send an event twice as one notification, or as two: https://github.com/twitchdev/issues/issues/918
            own = f"{metadata['subscription_type']} {channel_id} {event.get('message_id') or metadata['message_id']}"
            if self._recent.seen(metadata["message_id"]) | self._recent.seen(own):
                self.counts.duplicates += 1
                return
            received = ReceivedLine(line_of(notification), received_ms, channel_id)
        except (NotificationError, AttributeError, KeyError, TypeError, ValueError) as error:
            self.counts.unreadable += 1
            log.warning("eventsub.unreadable", reason=str(error) or type(error).__name__)
            received = ReceivedLine(json.dumps(notification), received_ms)  # no line: it ends in the quarantine
        await self._lines.put(received)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _check_addresses(settings: IngestSettings) -> None:
    """See that the addresses are some.

    Raises:
        SourceUrlError: one is not.
    """
    for name, url, schemes in (
        ("LOGSTV_EVENTSUB_URL", settings.eventsub_url, ("wss", "ws")),
        ("LOGSTV_EVENTSUB_API_URL", settings.eventsub_api_url, ("https", "http")),
        ("LOGSTV_EVENTSUB_AUTH_URL", settings.eventsub_auth_url, ("https", "http")),
    ):
        try:
            found = urlsplit(url)
            sound = found.scheme in schemes and bool(found.hostname) and (found.port is None or found.port > 0)
        except ValueError:
            sound = False
        if not sound or (schemes[0] == "https" and not url.endswith("/")):
            raise SourceUrlError(
                f"{url!r} is no address for {name}: write {schemes[0]}://host/path"
                f"{'/, with a slash at the end' if schemes[0] == 'https' else ''}"
            )
