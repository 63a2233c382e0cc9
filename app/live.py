"""The live tail: one poller a channel, whatever the number of listeners, and what each of them is given.

Lines are found by reading the end of the channel's log once a second, as far back as a line may still come late: in one
request, and now and then by way of the index, which also knows of lines that claim to be from another time. What was
given is `app.given`'s to remember.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from app import render
from app.errors import TooManyListeners
from app.flights import Flights
from app.given import Given
from app.json import dump
from store.errors import StoreError
from store.keys import FIRST_LOW, Position
from store.message import Message
from store.opted_out import WhoIsOut, nobody
from store.reader import Log
from store.shapes import CHANNEL
from store.store import Store
from store.tiers import TieredReader

log = structlog.get_logger(__name__)

WINDOW_MS = 10_000
"""How much later than lines sent after it a line may become visible and still be given. A worker writes what it read
within a second and repeats a failed write after at most ten; what comes later than that is in the log alone."""

_CALM_MS = 30_000  # after Cassandra was away, workers bring what they held back in any order: so long nothing settles
_LONGEST_WINDOW_MS = 300_000
_BY_THE_INDEX = 30  # one look of so many
_LINGER_SECONDS = 10.0  # a listener whose connection broke comes back to the same poller
_KEEPALIVE_SECONDS = 15.0  # proxies give up a connection that is silent for 30 to 60 s
_MOST_WAITING = 1000  # events that a listener may be behind
_SHORT_SECONDS = 2.0

STOPPING = "the service is stopping: connect again in a moment, with Last-Event-ID"
_TOO_SLOW = f"this listener is more than {_MOST_WAITING} lines behind: connect again with Last-Event-ID"
_NO_STORE = "the store cannot answer now: connect again in a moment, with Last-Event-ID"
_OPTED_OUT = "the channel has opted out of being logged"
_FAULT = "this is a fault of the service, and it was logged: connect again with Last-Event-ID"


def now_ms() -> int:
    """Give our clock's time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Event:
    """A line as an event.

    Attributes:
        position: of the line.
        body: the line as JSON.
        whole: the event with the cursor of whoever has had exactly what the poller gave; the same for all of those.
    """

    position: Position
    body: bytes
    whole: bytes

    @classmethod
    def of(cls, message: Message, cursor: str) -> _Event:
        body = dump(render.as_json(message))
        return cls(message.position, body, _written(cursor, body))

    def with_cursor(self, cursor: str) -> bytes:
        return _written(cursor, self.body)


class _Listener:
    """The events that wait for one listener."""

    def __init__(self) -> None:
        self.ended = ""
        self._waiting: deque[_Event] = deque()
        self._changed = asyncio.Event()

    def offer(self, events: list[_Event]) -> bool:
        """Add events; False if the listener is too far behind, which ends it."""
        if len(self._waiting) + len(events) > _MOST_WAITING:
            self.end(_TOO_SLOW)
            return False
        self._waiting += events
        self._changed.set()
        return True

    def end(self, reason: str) -> None:
        """Let it end after what waits for it."""
        self.ended = self.ended or reason
        self._changed.set()

    async def take(self) -> list[_Event]:
        """Give what waits, as soon as there is something; nothing after a while, or when it ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KEEPALIVE_SECONDS):
                await self._changed.wait()
        self._changed.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class _Tail:
    """Reads the end of one channel's log again and again, for all who listen to it."""

    def __init__(self, reader: TieredReader, given: Given, pause_seconds: float, who_is_out: WhoIsOut) -> None:
        self.given = given
        self.cursor = given.cursor()
        self.listeners: set[_Listener] = set()
        self.begun = self.done = 0  # how many polls
        self._reader = reader
        self._pause = pause_seconds
        self._who_is_out = who_is_out
        self._newest_ms = given.settled.sent_ms
        self._failed_ms = 0

    @classmethod
    async def begin(cls, reader: TieredReader, channel_id: int, pause_seconds: float, who_is_out: WhoIsOut) -> _Tail:
        """Begin at the end of the log: what lies there is taken as given.

        The end is where the newest line is, not where our clock is, which may be ahead of Twitch's.
        """
        newest = (await reader.page(Log(CHANNEL, (channel_id,)), limit=1)).messages
        newest_ms = min(newest[0].position.sent_ms, now_ms()) if newest else 0
        tail = cls(reader, Given(channel_id, _start_of(newest_ms - WINDOW_MS)), pause_seconds, who_is_out)
        async for _ in tail._new():
            pass
        tail.cursor = tail.given.cursor()
        return tail

    async def run(self) -> None:
        """Give listeners what becomes visible, as long as there are any."""
        alone_since = time.monotonic()
        # A look may take longer than we linger: whoever listens when it is done is not left.
        while self.listeners or time.monotonic() - alone_since < _LINGER_SECONDS:
            await asyncio.sleep(self._pause)
            if self._who_is_out().has_channel(self.given.channel_id):
                self.end(_OPTED_OUT)
            if self.listeners:
                alone_since = time.monotonic()
            try:
                await self._poll()
            except StoreError as error:
                if not self._failed_ms:
                    log.warning("live.behind", channel_id=self.given.channel_id, reason=str(error))
                self._failed_ms = now_ms()

    def end(self, reason: str) -> None:
        """End all listeners."""
        for listener in self.listeners:
            listener.end(reason)
        self.listeners.clear()

    async def _poll(self) -> None:
        """Read once what may have become visible, give it, and move on."""
        self.begun += 1
        async for events in self._new():
            # What was taken is given at once: the next read may fail.
            self.listeners -= {listener for listener in self.listeners if not listener.offer(events)}
            await asyncio.sleep(0)
        self.done = self.begun
        now = now_ms()
        # A line that claims to be from the future must not make us leave out those of today.
        newest_ms = min(self._newest_ms, now)
        if now - self._failed_ms > _CALM_MS:
            self._failed_ms = 0
            self.given.settle(_start_of(newest_ms - WINDOW_MS))
        else:
            self.given.settle(_start_of(newest_ms - _LONGEST_WINDOW_MS))
        self.cursor = self.given.cursor()

    async def _new(self) -> AsyncIterator[list[_Event]]:
        """Yield what was not given yet, a read at a time."""
        async for piece in self._read():
            events = []
            for message in piece:
                if self.given.take(message.position):
                    self._newest_ms = max(self._newest_ms, message.position.sent_ms)
                    events.append(_Event.of(message, self.given.cursor()))
            if events:
                yield events

    async def _read(self) -> AsyncIterator[list[Message]]:
        """Yield what lies beyond the settled place, a read at a time."""
        found: list[Message] | None = None
        if self.begun % _BY_THE_INDEX:
            key, ahead_ms = (self.given.channel_id,), now_ms() + _LONGEST_WINDOW_MS
            found = await self._reader.hot.newest(CHANNEL, key, self.given.settled, ahead_ms)
        if found is not None:
            yield found
            return
        async for piece in self._reader.stream(_from(self.given)):
            yield piece


class Live:
    """The pollers of the channels that are listened to.

    Args:
        open_store: gives the store, or raises StoreUnavailable.
        pause_seconds: between two looks at a channel.
        most_listeners: of all channels.
        who_is_out: which channels' streams end.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        pause_seconds: float,
        most_listeners: int,
        who_is_out: WhoIsOut = nobody,
    ) -> None:
        self._open_store = open_store
        self._who_is_out = who_is_out
        self._pause = pause_seconds
        self._most = most_listeners
        self._tails: dict[int, _Tail] = {}
        self._begun = Flights()
        self._polling: set[asyncio.Task[None]] = set()
        self._listening = 0
        self._stopped = False

    async def check(self, channel_id: int) -> None:
        """Raise what a stream would begin with, while it can still be said with a status.

        Raises:
            TooManyListeners: so many listen already.
            StoreUnavailable: Cassandra cannot answer.
        """
        if self._listening >= self._most:
            raise TooManyListeners(f"{self._most} listen already: ask again later, or read the log page by page")
        await self._tail(channel_id)

    async def events(self, channel_id: int, given: Given | None = None, *, last: int = 0) -> AsyncIterator[bytes]:
        """Yield a channel's lines as Server-Sent Events, as they become visible; the id of each is a cursor.

        Args:
            channel_id: which channel.
            given: what another stream gave, to go on after it; None: begin now.
            last: where nothing was given, begin with so many of the newest lines.
        """
        self._listening += 1
        try:
            if given is None and last:
                given = await self._before_the_last(channel_id, last)
            if given is not None:
                async for piece in self._missed_long(given):
                    yield piece
            tail = await self._tail(channel_id)
            listener = _Listener()
            tail.listeners.add(listener)
            if self._stopped:
                listener.end(STOPPING)
            try:
                async for piece in self._listen(tail, listener, given):
                    yield piece
            finally:
                tail.listeners.discard(listener)
        except StoreError as error:
            log.warning("live.broken", channel_id=channel_id, reason=str(error))
            yield _problem(_NO_STORE)
        finally:
            self._listening -= 1

    def stop(self) -> None:
        """End every stream, and begin none."""
        self._stopped = True
        for tail in self._tails.values():
            tail.end(STOPPING)

    async def close(self) -> None:
        """End every stream, and wait for the pollers."""
        self.stop()
        for polling in self._polling:
            polling.cancel()
        await asyncio.gather(*self._polling, return_exceptions=True)
        await self._begun.close()

    async def _tail(self, channel_id: int) -> _Tail:
        """Give the poller of a channel, which begins when the first listener comes."""
        tail = self._tails.get(channel_id)
        if tail is None:
            tail = await self._begun.share(channel_id, lambda: self._begin(channel_id))
        return tail

    async def _begin(self, channel_id: int) -> _Tail:
        tail = self._tails[channel_id] = await _Tail.begin(
            self._open_store().reader, channel_id, self._pause, self._who_is_out
        )
        polling = asyncio.create_task(self._run(tail))
        self._polling.add(polling)
        polling.add_done_callback(self._polling.discard)
        return tail

    async def _run(self, tail: _Tail) -> None:
        try:
            await tail.run()
        except Exception as error:
            log.error("app.fault", exc_info=error)
            tail.end(_FAULT)
        finally:
            del self._tails[tail.given.channel_id]

    async def _before_the_last(self, channel_id: int, count: int) -> Given:
        page = await self._open_store().reader.page(Log(CHANNEL, (channel_id,)), limit=count)
        return Given(channel_id, page.messages[-1].position.before() if page.messages else Position(0, FIRST_LOW))

    async def _missed_long(self, given: Given) -> AsyncIterator[bytes]:
        """Yield what was missed until little can be left: the poller's events wait only for who is nearly there."""
        while not self._stopped:
            began = time.monotonic()
            async for event in self._missed(given):
                yield event
            if time.monotonic() - began < _SHORT_SECONDS:
                return

    async def _missed(self, given: Given) -> AsyncIterator[bytes]:
        """Yield what lies in the log beyond what was given."""
        horizon = _start_of(now_ms() - _LONGEST_WINDOW_MS)
        async for piece in self._open_store().reader.stream(_from(given)):
            written = []
            for message in piece:
                if given.take(message.position):
                    written.append(_Event.of(message, given.cursor()).whole)
                given.settle(min(message.position, horizon))
            if written:
                yield b"".join(written)

    async def _listen(self, tail: _Tail, listener: _Listener, given: Given | None) -> AsyncIterator[bytes]:
        """Yield what the poller gives, after what was missed.

        Who has read what was missed is ahead of the poller, until a poll that begins afterwards is done; so long what
        the poller gives is held against what this listener has, and the cursors are this listener's own.
        """
        level_at = 0
        if given is not None:
            async for event in self._missed(given):
                yield event
            given.caught_up()
            level_at = tail.begun + 1
        yield _place(given.cursor() if given is not None else tail.cursor)
        while True:
            events = await listener.take()
            if given is None:
                written = [event.whole for event in events]
            else:
                written = [event.with_cursor(given.cursor()) for event in events if given.take(event.position)]
                if tail.done >= level_at:
                    given = None
            if written:
                yield b"".join(written)
            if listener.ended:
                yield _problem(listener.ended)
                return
            if not events:
                yield b": still here\n" + _place(given.cursor() if given is not None else tail.cursor)


def _from(given: Given) -> Log:
    return Log(CHANNEL, (given.channel_id,), from_ms=max(given.settled.sent_ms, 0), newest_first=False)


def _start_of(ms: int) -> Position:
    return Position(max(ms, 0), FIRST_LOW)


def _written(cursor: str, body: bytes) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (cursor.encode(), body)


def _place(cursor: str) -> bytes:
    """Say where the stream stands, without an event: a browser takes the id all the same."""
    return b"id: %b\n\n" % cursor.encode()


def _problem(reason: str) -> bytes:
    return b"event: problem\ndata: %b\n\n" % dump({"code": "stream_ended", "detail": reason})
