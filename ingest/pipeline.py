"""From received lines to acknowledged rows: parses, gathers and writes, and holds the source back when it must.

Where lines come from is the sources'; how rows reach Cassandra is `store.writer`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import structlog

from ingest.quarantine import Quarantine
from ingest.rules import ChannelRules
from ingest.source import ReceivedLine, Source
from store.errors import LineError, StoreUnavailable
from store.message import Message
from store.writer import Writer

log = structlog.get_logger(__name__)

MOST_WAITING = 4096
"""Messages that wait for a write before the source is held back."""
MOST_AT_ONCE = 512
"""Messages in one write."""
WRITES_AT_ONCE = 4
"""Writes under way at the same time: one less leaves Cassandra waiting, more only wait there (bench/ingest.py)."""

_BACKOFF_SECONDS = (0.2, 10.0)
_FLUSH_SECONDS = 5.0
_DRAIN_SECONDS = 10.0
_MOST_CHANNELS = 100_000


@dataclass(slots=True)
class IngestCounts:
    """What became of the lines.

    Attributes:
        received: handed over by the source.
        written: acknowledged in every log they stand in.
        retries: writes that were repeated because Cassandra could not answer.
        refused: lines without a place in a log, by reason.
        left_out: messages that are not kept by the rules of their channels.
    """

    received: int = 0
    written: int = 0
    retries: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left_out: int = 0

    @property
    def settled(self) -> int:
        """How many lines are written, refused or left out."""
        return self.written + self.refused.total() + self.left_out


class _Waiting:
    """The messages between the source and the writes: a bounded queue that is emptied in bulk."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._messages: list[Message] = []
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, messages: list[Message]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._messages) < self._most)
            self._messages += messages
            self._changed.notify_all()

    async def take(self, most: int) -> list[Message]:
        """Give the oldest messages, as many as there are up to `most`; none when it is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._closed)
            taken, self._messages = self._messages[:most], self._messages[most:]
            self._changed.notify_all()
            return taken

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()


class Pipeline:
    """Takes a source's lines to the store.

    Attributes:
        counts: what became of them.
        rules: which messages are kept; to be set anew whenever that changes.
    """

    def __init__(self, writer: Writer, quarantine: Quarantine, counts: IngestCounts | None = None) -> None:
        self.counts = counts if counts is not None else IngestCounts()
        self.rules = ChannelRules()
        self._writer = writer
        self._quarantine = quarantine
        self._channel_ids: dict[str, int] = {}

    async def run(self, source: Source) -> None:
        """Write everything that a source gives; return when it ends and all of it is acknowledged.

        While Cassandra cannot answer, writes are repeated and the source is held back. Cancelled, it stops reading
        and still writes what it has read, for as long as `_DRAIN_SECONDS`.
        """
        waiting = _Waiting(MOST_WAITING)
        async with asyncio.TaskGroup() as group:
            writes = [group.create_task(self._write_all(waiting)) for _ in range(WRITES_AT_ONCE)]
            flushes = group.create_task(self._flush_now_and_then())
            patience: float | None = _DRAIN_SECONDS
            try:
                async for chunk in source.chunks():
                    if messages := self._parsed(chunk):
                        await waiting.put(messages)
                patience = None
            finally:
                await waiting.close()
                _, late = await asyncio.wait(writes, timeout=patience)
                flushes.cancel()
                if late:
                    log.error("ingest.unwritten", messages=self.counts.received - self.counts.settled)
                    for write in late:
                        write.cancel()
                with contextlib.suppress(StoreUnavailable):
                    await self._writer.flush()

    def _parsed(self, chunk: Iterable[ReceivedLine]) -> list[Message]:
        messages = []
        for received in chunk:
            self.counts.received += 1
            try:
                message = self._parse(received)
            except LineError as error:
                self._refuse(received.line, str(error))
                continue
            if message.unstorable is not None:
                self._refuse(received.line, message.unstorable)
            elif not self.rules.keep(message):
                self.counts.left_out += 1
            else:
                messages.append(message)
        return messages

    def _parse(self, received: ReceivedLine) -> Message:
        """Parse a line; one that does not say in which channel it was sent takes the id from lines before it.

        Twitch leaves the room-id of a CLEARMSG empty, and in a file no ROOMSTATE said what the channel's id is.
        """
        message = Message.parse(
            received.line,
            received_ms=received.received_ms,
            channel_id=received.channel_id,
            occurrence=received.occurrence,
        )
        login = message.channel_login
        if login is None:
            return message
        if message.channel_id is not None:
            if self._channel_ids.get(login) != message.channel_id and len(self._channel_ids) < _MOST_CHANNELS:
                self._channel_ids[login] = message.channel_id
        elif (known := self._channel_ids.get(login)) is not None:
            return self._parse(replace(received, channel_id=known))
        return message

    async def _write_all(self, waiting: _Waiting) -> None:
        while messages := await waiting.take(MOST_AT_ONCE):
            await self._write(messages)

    async def _write(self, messages: list[Message]) -> None:
        pause, longest = _BACKOFF_SECONDS
        while True:
            try:
                written = await self._writer.write(messages)
            except StoreUnavailable as error:
                self.counts.retries += 1
                log.warning("write.repeated", reason=str(error), messages=len(messages), pause_seconds=round(pause, 1))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, longest)
            else:
                self.counts.written += written.messages
                for refused in written.refused:
                    self._refuse(refused.message.line, refused.reason)
                return

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await self._writer.flush(everything=False)

    def _refuse(self, line: str, reason: str) -> None:
        self.counts.refused[reason] += 1
        self._quarantine.keep(line, reason)
