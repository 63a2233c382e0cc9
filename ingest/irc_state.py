"""How the reading of Twitch's chat stands: per channel, and over all connections."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

_COMMANDS_COUNTED = 64


@dataclass(slots=True)
class IrcCounts:
    """What was seen on all connections.

    Attributes:
        connections: how many are open.
        opened: how many were begun, whether they came about or not.
        lines: how many lines were read.
        strays: chat lines of channels that are not, or no longer, to be read.
        too_long: lines that were skipped for their length.
        joins_failed: joins that were refused or not answered.
        logins_refused: logins that the server did not take.
        ignored: lines that have no place in a log, by command.
    """

    connections: int = 0
    opened: int = 0
    lines: int = 0
    strays: int = 0
    too_long: int = 0
    joins_failed: int = 0
    logins_refused: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def figures(self) -> dict[str, float]:
        """The numbers among them, by the name that the metrics give them."""
        return {
            "connections": self.connections,
            "connections_opened": self.opened,
            "lines": self.lines,
            "strays": self.strays,
            "too_long": self.too_long,
            "joins_failed": self.joins_failed,
            "logins_refused": self.logins_refused,
            "ignored": self.ignored.total(),
        }

    def ignore(self, command: str) -> None:
        """Count a line that is left out; a server that makes up commands without end counts as `other`."""
        if command not in self.ignored and len(self.ignored) >= _COMMANDS_COUNTED:
            command = "other"
        self.ignored[command] += 1


class Hearing(Protocol):
    """A connection that is in a channel."""

    @property
    def heard_ms(self) -> int:
        """When something arrived on it last, Unix milliseconds."""
        ...


@dataclass(slots=True)
class ChannelState:
    """How the reading of a channel stands.

    Attributes:
        login: the channel's.
        channel_id: as its ROOMSTATE said; None until the first.
        readers: the connections that are in it: two for a moment while one takes over from another.
        failure: why the last join failed; empty if it did not.
        retry_at: when to ask again after a failure, by the loop's clock.
        reading_from_ms: since when it is being read, Unix milliseconds; None while it is not.
        read_spans: when it was being read before that, and nobody has taken note of.
    """

    login: str
    channel_id: int | None = None
    readers: list[Hearing] = field(default_factory=list)
    failure: str = ""
    retry_at: float = 0.0

    reading_from_ms: int | None = None
    read_spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def joined(self) -> bool:
        """Whether it is being read now."""
        return bool(self.readers)

    @property
    def heard_ms(self) -> int:
        """How far it surely was read, Unix milliseconds: a silent connection may be a dead one."""
        return max(reader.heard_ms for reader in self.readers)

    def enter(self, reader: Hearing) -> None:
        """Take note that a connection is in the channel."""
        if not self.readers:
            self.reading_from_ms = reader.heard_ms
        self.readers.append(reader)

    def leave(self, reader: Hearing) -> None:
        """Take note that a connection is no longer in the channel."""
        heard_ms = self.heard_ms
        self.readers.remove(reader)
        if not self.readers and self.reading_from_ms is not None:
            self.read_spans.append((self.reading_from_ms, heard_ms))
            self.reading_from_ms = None
