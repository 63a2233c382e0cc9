"""A line as the archive keeps it: the line itself, its place, and in whose logs it stands."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from store.glance import Glance
from store.keys import SIGN_BITS, Position
from store.message import Message
from store.opted_out import OptedOut
from store.quotes import may_quote


class Told(NamedTuple):
    """A line of a channel's day; sorts as its log does.

    Attributes:
        sent_ms: when it was sent, Unix milliseconds.
        signed_low: the low half of its key, such that numbers have Cassandra's order.
        line: without its line end.
        users: in whose logs it stands.
        tells_place: whether what the line says is enough to know its place.
    """

    sent_ms: int
    signed_low: int
    line: bytes
    users: tuple[int, ...]
    tells_place: bool

    @classmethod
    def of(cls, message: Message) -> Told:
        """Give what the archive keeps of a message that has a place in a log."""
        sent_ms, low = message.position
        line = message.line.encode("utf-8", "surrogateescape")
        return cls(sent_ms, low ^ SIGN_BITS, line, message.users, message.tells_place)

    @classmethod
    def at_a_glance(cls, seen: Glance, line: bytes) -> Told:
        """Give what the archive keeps of a usual line."""
        return cls(seen.sent_ms, seen.key_low ^ SIGN_BITS, line, (seen.user_id,), tells_place=True)

    @property
    def position(self) -> Position:
        """Its place in every log it is in."""
        return Position(self.sent_ms, self.signed_low ^ SIGN_BITS)

    def shown(self, channel_id: int, out: OptedOut) -> Told | None:
        """Give the line as it may be kept: None if it is that of someone who is out, else without what it quotes."""
        if not out:
            return self
        is_named = not self.users or channel_id in out.channels or any(user in out.users for user in self.users)
        if not is_named and not may_quote(self.line):
            return self
        message = self.message(channel_id)
        shown = out.shown(message)
        if shown is message:
            return self
        return None if shown is None else Told.of(shown)

    def message(self, channel_id: int) -> Message:
        """Give the whole message."""
        return read(self.line, channel_id, None if self.tells_place else self.position)


def read(line: bytes, channel_id: int, place: Position | None = None) -> Message:
    """Give the message of a line of a channel's archived day.

    Args:
        line: without its line end.
        channel_id: whose day it is.
        place: where it stands, if the line does not tell that.
    """
    message = Message.parse(line.decode("utf-8", "surrogateescape"), channel_id=channel_id)
    return message if place is None else replace(message, sent_ms=place.sent_ms, key_low=place.low)
