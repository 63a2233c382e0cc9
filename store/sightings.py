"""What the lines themselves say of names and channels: who was seen under which login, and which channels there are.

No Twitch API is asked. Both tables keep a first and a last sight: the earliest wins by being written with the negated
time as its write timestamp, the latest by being written with the time itself, so writing again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cassandra.query import BoundStatement, PreparedStatement

from store import tags
from store.glance import Glance
from store.message import Message, MessageType
from store.rows import bigint
from store.session import Session

_MOST_REMEMBERED = 100_000
REGISTRY = "twitch"
"""The one partition of the channels table."""

_NAMES_WAIT_SECONDS = 600.0
_CHANNELS_WAIT_SECONDS = 2.0
_LOOK_SECONDS = 1.0
"""How often the later sights are looked through, of which there may be a hundred thousand."""

Name = tuple[int, str]
"""An id and a login that belong together."""

Due = tuple[Name, int | None, int | None]
"""What is to be written of one: its first and its last sight; None where what is stored is still right."""


@dataclass(slots=True)
class _Span:
    first_ms: int
    last_ms: int
    written_first_ms: int | None = None
    written_last_ms: int | None = None
    written_at: float = 0.0


class _Seen:
    """First and last sights by key, and which of them are due to be written.

    Args:
        refresh_seconds: how long a later last sight may wait.
    """

    def __init__(self, refresh_seconds: float) -> None:
        self._refresh = refresh_seconds
        self._spans: dict[Name, _Span] = {}
        self._changed: set[Name] = set()
        self._new: set[Name] = set()  # those of them whose first sight is not written
        self._look_again_at = 0.0

    def see(self, key: Name, sent_ms: int) -> None:
        """Take note of a sight, at a time in Unix milliseconds."""
        span = self._spans.get(key)
        if span is None:
            self._spans[key] = _Span(sent_ms, sent_ms)
            self._new.add(key)
        elif sent_ms > span.last_ms:
            span.last_ms = sent_ms
        elif sent_ms < span.first_ms:
            span.first_ms = sent_ms
            self._new.add(key)
        else:
            return
        self._changed.add(key)

    def due(self, *, everything: bool = False) -> list[Due]:
        """Give what is to be written.

        A new first sight is due at once, a later last sight after the refresh time, or now if everything is asked for.
        """
        now = time.monotonic()
        waiting = self._changed if everything or now >= self._look_again_at else self._new
        if waiting is self._changed:
            self._look_again_at = now + _LOOK_SECONDS
        due: list[Due] = []
        for key in waiting:
            span = self._spans[key]
            first = span.first_ms if span.first_ms != span.written_first_ms else None
            if first is None and not everything and now - span.written_at < self._refresh:
                continue
            due.append((key, first, span.last_ms if span.last_ms != span.written_last_ms else None))
        return due

    def written(self, due: Iterable[Due]) -> None:
        """Take note that these were acknowledged."""
        now = time.monotonic()
        for key, first_ms, last_ms in due:
            span = self._spans[key]
            span.written_at = now
            if first_ms is not None:
                span.written_first_ms = first_ms
            if last_ms is not None:
                span.written_last_ms = last_ms
            if span.first_ms == span.written_first_ms:
                self._new.discard(key)
            if (span.first_ms, span.last_ms) == (span.written_first_ms, span.written_last_ms):
                self._changed.discard(key)
        while len(self._spans) > _MOST_REMEMBERED:
            oldest = next(iter(self._spans))
            if oldest in self._changed:  # as what is new is too
                break
            del self._spans[oldest]


class Sightings:
    """Learns names and channels from messages, and gives the statements that write what is new."""

    def __init__(self, statements: dict[str, PreparedStatement]) -> None:
        self._statements = statements
        self._names = _Seen(_NAMES_WAIT_SECONDS)
        self._channels = _Seen(_CHANNELS_WAIT_SECONDS)

    @classmethod
    async def open(cls, session: Session) -> Sightings:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        return cls({name: await session.prepare(cql) for name, cql in _statements(session).items()})

    def see(self, message: Message) -> None:
        """Take note of whom a message that has a place in a log names."""
        sent_ms = message.position.sent_ms
        if message.channel_id is not None and message.channel_login:
            self._channels.see((message.channel_id, message.channel_login), sent_ms)
        if message.author_id is not None and message.login:
            self._names.see((message.author_id, message.login), sent_ms)
        if message.type is MessageType.USERNOTICE and message.extra and "msg-param-recipient-id" in message.extra:
            recipient = tags.number(tags.find(message.extra, "msg-param-recipient-id"))
            login = tags.find(message.extra, "msg-param-recipient-user-name")
            if recipient is not None and login:
                self._names.see((recipient, login), sent_ms)

    def see_names(self, seen: Glance) -> None:
        """Take note of whom a usual line names."""
        self._channels.see((seen.channel_id, seen.channel_login), seen.sent_ms)
        self._names.see((seen.user_id, seen.login), seen.sent_ms)

    def due(self, *, everything: bool = False) -> SightingsDue:
        """Give what is to be written now; `everything` does not wait for more to come together."""
        return SightingsDue(self._names.due(everything=everything), self._channels.due(everything=everything))

    def statements(self, due: SightingsDue) -> Iterator[BoundStatement]:
        """Yield the statements that write what is due."""
        for (user_id, login), first_ms, last_ms in [*due.names, *due.channels]:
            packed_id, packed_login = bigint(user_id), login.encode()
            yield from self._sights("user_logins", [packed_id, packed_login], first_ms, last_ms)
            yield from self._sights("login_users", [packed_login, packed_id], first_ms, last_ms)
        for (channel_id, login), first_ms, last_ms in due.channels:
            key = [REGISTRY.encode(), bigint(channel_id)]
            yield from self._sights("channels", key, first_ms, None)
            yield from self._sights("channels", [*key, login.encode()], None, last_ms)

    def written(self, due: SightingsDue) -> None:
        """Take note that all of it was acknowledged."""
        self._names.written(due.names)
        self._channels.written(due.channels)

    def _sights(
        self, table: str, key: list[bytes], first_ms: int | None, last_ms: int | None
    ) -> Iterator[BoundStatement]:
        if first_ms is not None:
            yield self._sight(f"{table} first", key, first_ms, -first_ms * 1000)
        if last_ms is not None:
            yield self._sight(f"{table} last", key, last_ms, last_ms * 1000)

    def _sight(self, name: str, key: list[bytes], sent_ms: int, timestamp: int) -> BoundStatement:
        statement = BoundStatement(self._statements[name])
        statement.values = [*key, bigint(sent_ms), bigint(timestamp)]
        return statement


@dataclass(frozen=True, slots=True)
class SightingsDue:
    """What is to be written of names and of channels."""

    names: list[Due]
    channels: list[Due]

    def __bool__(self) -> bool:
        return bool(self.names or self.channels)


def _statements(session: Session) -> dict[str, str]:
    """Give the CQL by table and sight; a first sight is written with the negated time as its timestamp."""
    written = {
        "user_logins first": ("user_logins", "user_id, login, first_seen"),
        "user_logins last": ("user_logins", "user_id, login, last_seen"),
        "login_users first": ("login_users", "login, user_id, first_seen"),
        "login_users last": ("login_users", "login, user_id, last_seen"),
        "channels first": ("channels", "registry, channel_id, first_sent"),
        "channels last": ("channels", "registry, channel_id, login, last_sent"),
    }
    return {
        name: f"INSERT INTO {session.table(table)} ({columns}) "
        f"VALUES ({', '.join('?' * (columns.count(',') + 1))}) USING TIMESTAMP ?"
        for name, (table, columns) in written.items()
    }
