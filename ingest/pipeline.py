"""From received lines to acknowledged rows: parses, gathers and writes, and holds the source back when it must.

Where lines come from is the sources'; how rows reach Cassandra is `store.writer`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from ingest.quarantine import Quarantine
from ingest.rules import ChannelRules
from ingest.said_optouts import MARK, SaidOptouts
from ingest.source import ReceivedLine, Source
from ingest.waiting import InMemory, Taken, WaitingLines
from store.errors import LineError, NodesMissing, StoreError, StoreUnavailable
from store.message import Message
from store.opted_out import NOBODY, OptedOut
from store.writer import Writer, Written

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 512
"""Messages in one write."""
WRITES_AT_ONCE = 4
"""Writes under way at the same time: one less leaves Cassandra waiting, more only wait there (bench/ingest.py)."""

_BACKOFF_SECONDS = (0.2, 10.0)
_FLUSH_SECONDS = 5.0
_DRAIN_SECONDS = 10.0
_AWAY_SECONDS = 2.0
_AWAY_AFTER_SECONDS = 5.0
"""Cassandra was away when for so long no write was acknowledged; one that only timed out has lost nothing."""
_MOST_CHANNELS = 100_000
_SPLIT_AFTER = 3
_GIVE_UP_AFTER = 20
_OTHERS_WRITTEN = 1000
"""A single message that failed so often, while so many others were written, is at fault itself."""


@dataclass(slots=True)
class IngestCounts:
    """What became of the lines.

    Attributes:
        received: handed over by the source.
        written: acknowledged in every log they stand in.
        rows: in how many rows of message tables.
        retries: writes that were repeated because Cassandra could not answer.
        refused: lines without a place in a log, by reason.
        left_out: messages that are not kept, by the rules of their channels or since someone opted out.
        backfilled: lines among those received that came from a recent-messages service.
        gaps_unfilled: gaps that it did not fill, or not wholly.
        lag_ms: how old the newest message of the last write was when that was acknowledged.
    """

    received: int = 0
    written: int = 0
    rows: int = 0
    retries: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    backfilled: int = 0
    gaps_unfilled: int = 0
    lag_ms: int = 0


class Meter(Protocol):
    """Measures writes (`ingest.metrics`)."""

    def written(self, messages: Sequence[Message], outcome: Written, seconds: float) -> None:
        """Take note of a write that was acknowledged."""
        ...


class Pipeline:
    """Takes a source's lines to the store.

    Attributes:
        counts: what became of them.
        rules: which messages are kept; to be set anew whenever that changes.
        optouts: whose are not, and what is said to opt out; None: everyone's are.
        meter: measures the writes, if it is set.

    Args:
        open_writer: gives the writer once the store can be reached; lines are read, and wait, meanwhile.
        quarantine: keeps the lines that have no place in a log.
        counts: what became of the lines; for whoever wants to see.
        waiting: where lines wait to be written; by default in memory.
        written: told of messages that were written.
    """

    def __init__(
        self,
        open_writer: Callable[[], Awaitable[Writer]],
        quarantine: Quarantine,
        counts: IngestCounts | None = None,
        waiting: WaitingLines | None = None,
        written: Callable[[Sequence[Message]], object] = lambda _: None,
    ) -> None:
        self.counts = counts if counts is not None else IngestCounts()
        self.rules = ChannelRules()
        self.optouts: SaidOptouts | None = None
        self.meter: Meter | None = None
        self._open_writer = open_writer
        self._quarantine = quarantine
        self._waiting = waiting if waiting is not None else InMemory()
        self._written = written
        self._channel_ids: dict[str, int] = {}
        self._was_away = True
        self._acknowledged_at = time.monotonic()

    async def run(self, source: Source) -> None:
        """Write everything that a source gives; return when it ends and all of it is acknowledged.

        While Cassandra cannot answer, writes are repeated; the source is held back once no more lines can wait.
        Cancelled, it stops reading and still writes what it has read, for a few seconds.

        Raises:
            StoreError: the tables are not there.
        """
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self._write_all())
            reading = group.create_task(self._read(source))
            patience: float | None = None
            try:
                await asyncio.shield(reading)
            except asyncio.CancelledError:
                patience = _DRAIN_SECONDS
                await self._stop(source, reading)
                raise
            finally:
                await self._waiting.end()
                if self._waiting.durable and self._was_away:
                    patience = _AWAY_SECONDS  # it can wait where it is for the next time
                await asyncio.wait([writing], timeout=patience)
                if not writing.done():
                    if not self._waiting.durable:
                        log.error("ingest.unwritten", messages=self._waiting.unsettled)
                    writing.cancel()

    async def _read(self, source: Source) -> None:
        async for chunk in source.chunks():
            await self.take(chunk)

    async def take(self, chunk: list[ReceivedLine]) -> None:
        """Take lines in; wait while no more can wait."""
        self.counts.received += len(chunk)
        await self._waiting.put(chunk)

    async def _stop(self, source: Source, reading: asyncio.Task[None]) -> None:
        """Have the source end, and take in what it had read by then."""
        stopping = asyncio.create_task(source.stop())
        try:
            await asyncio.wait([stopping, reading], timeout=_DRAIN_SECONDS, return_when=asyncio.ALL_COMPLETED)
        finally:
            stopping.cancel()
            reading.cancel()

    async def _write_all(self) -> None:
        writer = await self._open_writer()
        async with asyncio.TaskGroup() as group:
            writes = [group.create_task(self._write_some(writer)) for _ in range(WRITES_AT_ONCE)]
            flushes = group.create_task(self._flush_now_and_then(writer))
            await asyncio.wait(writes)
            flushes.cancel()
        with contextlib.suppress(StoreUnavailable):
            await writer.flush()

    async def _write_some(self, writer: Writer) -> None:
        while (taken := await self._waiting.take(MOST_AT_ONCE)).lines:
            await self._hear([received for received in taken.lines if MARK in received.line])
            left_out: list[Message] = []
            if messages := self._parsed(taken, left_out):
                await self._write(writer, messages)
            if left_out:
                await self._learn(left_out, writer)
            self._waiting.done(taken)

    @property
    def _out(self) -> OptedOut:
        return NOBODY if self.optouts is None else self.optouts.current

    async def _hear(self, maybe_said: Sequence[ReceivedLine]) -> None:
        """Let those opt out who say so, however long that takes: their lines are not to be kept."""
        if self.optouts is None:
            return
        for received in maybe_said:
            with contextlib.suppress(LineError):
                message = self._parse(received)
                await self._persist(functools.partial(self.optouts.hear, message))

    async def _learn(self, left_out: Sequence[Message], writer: Writer) -> None:
        """Learn new names of those who opted out."""
        if self.optouts is not None:
            for message in left_out:
                await self._persist(functools.partial(self.optouts.learn, message, writer))

    async def _persist(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something again until Cassandra answers."""
        pause, longest = _BACKOFF_SECONDS
        while True:
            try:
                await act()
            except StoreUnavailable as error:
                log.warning("write.repeated", reason=str(error), messages=0, pause_seconds=round(pause, 1))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, longest)
            else:
                return

    def _parsed(self, taken: Taken, left_out: list[Message]) -> list[Message]:
        """Parse lines, and give what is to be written.

        Args:
            taken: the lines.
            left_out: to it the messages of those who opted out are added.
        """
        messages, out = [], self._out
        for received in taken.lines:
            try:
                message = self._parse(received)
            except LineError as error:
                self._refuse(received.line, str(error))
                continue
            except Exception as error:  # a fault of ours in one line must not stop the others
                log.exception("parse.failed")
                self._refuse(received.line, f"it cannot be parsed: {error!r}")
                continue
            shown = out.shown(message) if out else message
            if shown is None:
                self.counts.left_out += 1
                left_out.append(message)
                continue
            message = shown
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

    async def _write(self, writer: Writer, messages: Sequence[Message], written_before: int | None = None) -> None:
        """Write messages, however long that takes; what can never be written is set aside, and holds up nothing.

        Args:
            writer: where to.
            messages: some.
            written_before: how many messages of all were written when these were tried first; None: now.
        """
        pause, longest = _BACKOFF_SECONDS
        if written_before is None:
            written_before = self.counts.written
        for attempt in itertools.count(1):
            try:
                await self._write_once(writer, messages)
            except StoreUnavailable as error:
                self._was_away = True
                self.counts.retries += 1
                log.warning("write.repeated", reason=str(error), messages=len(messages), pause_seconds=round(pause, 1))
                if attempt >= _SPLIT_AFTER and len(messages) > 1:
                    await self._write_halves(writer, messages, written_before)
                    return
                at_fault = not isinstance(error, NodesMissing)  # too few nodes are up for the rows of some, not of all
                others = self.counts.written - written_before
                if at_fault and attempt >= _GIVE_UP_AFTER and others > _OTHERS_WRITTEN:
                    self._refuse(messages[0].line, f"Cassandra takes others, but never this one: {error}")
                    return
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, longest)
                # Who has opted out meanwhile is not written any more: what was stored of him may be erased already.
                messages = [message for message in messages if not self._out.hides(message)]
            except StoreError:
                raise
            except Exception as error:
                # A fault of ours in one message must not keep the others from being written, now and at each restart.
                log.exception("write.failed", messages=len(messages))
                if len(messages) > 1:
                    await self._write_halves(writer, messages, written_before)
                else:
                    self._refuse(messages[0].line, f"it cannot be written: {error!r}")
                return
            else:
                return

    async def _write_halves(self, writer: Writer, messages: Sequence[Message], written_before: int) -> None:
        middle = len(messages) // 2
        await self._write(writer, messages[:middle], written_before)
        await self._write(writer, messages[middle:], written_before)

    async def _write_once(self, writer: Writer, messages: Sequence[Message]) -> None:
        begun = time.monotonic()
        written = await writer.write(messages)
        if self.meter is not None:
            self.meter.written(messages, written, time.monotonic() - begun)
        now = time.monotonic()
        if self._was_away and now - self._acknowledged_at > _AWAY_AFTER_SECONDS:
            self._waiting.again()
        self._was_away, self._acknowledged_at = False, now
        self.counts.written += written.messages
        # Of the newest: what fills a gap, or was sent late, is old without anyone being behind.
        newest_ms = max((message.sent_ms for message in messages if message.sent_ms is not None), default=None)
        if newest_ms is not None:
            self.counts.lag_ms = max(time.time_ns() // 1_000_000 - newest_ms, 0)
        self._written(messages)
        self.counts.rows += written.rows
        for refused in written.refused:
            self._refuse(refused.message.line, refused.reason)

    async def _flush_now_and_then(self, writer: Writer) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                await writer.flush(everything=False)

    def _refuse(self, line: str, reason: str) -> None:
        self.counts.refused[reason] += 1
        self._quarantine.keep(line, reason)
