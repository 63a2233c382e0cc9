"""Who has opted out, as everything that shows or keeps lines needs it: a value in memory that decides line by line.

Where it is said is `store.optouts`'; what other people's lines quote of someone is `store.quotes`'.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from store.message import Message, MessageType
from store.quotes import unquoted
from store.shapes import Key, Shape

STILL_OUT = 1 << 62
"""As the end of an opt-out, Unix milliseconds: it has none."""


@dataclass(frozen=True, slots=True)
class OptedOut:
    """Who has opted out, each with the time (Unix milliseconds) up to which what was said is out.

    Attributes:
        users: by id.
        channels: by id.
        logins: the users by the logins they were seen under, for lines that name nobody's id.
        unerased: whether lines of any of them may still be stored.
        version: another one with every change.
    """

    users: Mapping[int, int] = field(default_factory=dict)
    channels: Mapping[int, int] = field(default_factory=dict)
    logins: Mapping[str, int] = field(default_factory=dict)
    unerased: bool = False
    version: uuid.UUID | None = None

    def __bool__(self) -> bool:
        return bool(self.users or self.channels)

    def has_user(self, user_id: int) -> bool:
        """Say whether a user is out now."""
        return self.users.get(user_id) == STILL_OUT

    def has_channel(self, channel_id: int) -> bool:
        """Say whether a channel is out now."""
        return self.channels.get(channel_id) == STILL_OUT

    def shown_from(self, shape: Shape, key: Key) -> int:
        """Give the first moment (Unix milliseconds) of which a log shows lines: who opted in again begins anew."""
        whose = dict(zip(shape.key, key, strict=True))
        return max(self.channels.get(whose.get("channel_id", 0), 0), self.users.get(whose.get("user_id", 0), 0))

    def hides_author(self, user_id: int | None, login: str | None, sent_ms: int) -> bool:
        """Say whether a line is out by who wrote it; where no id is said, by the login."""
        if user_id is not None:
            return sent_ms < self.users.get(user_id, 0)
        return bool(login) and sent_ms < self.logins.get((login or "").lower(), 0)

    def hides(self, message: Message) -> bool:
        """Say whether a line is neither kept nor shown.

        It is one of a channel that is out, or stands in the log of a user who is: who wrote it, whom it hit, who was
        given something. A removed line (CLEARMSG) says no id, and goes by the login.
        """
        sent_ms = message.sent_ms or 0
        if self.hides_author(message.author_id, message.login, sent_ms):
            return True
        if sent_ms < self.channels.get(message.channel_id or 0, 0):
            return True
        if message.type is not MessageType.USERNOTICE:
            return False
        return any(sent_ms < self.users.get(user, 0) for user in message.users)

    def shown(self, message: Message) -> Message | None:
        """Give a line as it may be kept and shown: None if it is out, else without what it quotes of those who are."""
        if self.hides(message):
            return None
        if message.extra is None:
            return message
        return unquoted(message, self.hides_author)


NOBODY = OptedOut()


def nobody() -> OptedOut:
    """Give the value for where no one has opted out."""
    return NOBODY


WhoIsOut = Callable[[], OptedOut]
"""Gives who has opted out now."""
