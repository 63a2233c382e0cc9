"""Opting out by a sentence in a chat that is read: `!rustlog optout CODE` of a user, and one for a channel.

The codes are given out by the API and kept by `store.optout_codes`; who has opted out is `store.optouts`'.
"""

from __future__ import annotations

import re

import structlog

from store.message import Message, MessageType
from store.opted_out import OptedOut
from store.optout_codes import OptoutCodes
from store.optouts import Kind, Optouts, Way
from store.session import Session
from store.writer import Writer

log = structlog.get_logger(__name__)

MARK = " optout"
"""Stands in every line that may say a code; looking for it is all that other lines cost."""

# rustlog's and justlog's words, and ours; a fork of rustlog writes `optout-channel` (github.com/ruinateam/rustlog).
_SAID = re.compile(r"!(?:logstv|rustlog|justlog) optout(?P<channel>-channel| channel)? (?P<code>[A-Za-z0-9]{1,32})\s*")


class SaidOptouts:
    """Hears users opt out, and learns new names of those who did.

    Attributes:
        optouts: who has opted out.
    """

    def __init__(self, optouts: Optouts, codes: OptoutCodes) -> None:
        self.optouts = optouts
        self._codes = codes

    @classmethod
    async def open(cls, session: Session) -> SaidOptouts:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        return cls(await Optouts.open(session), await OptoutCodes.open(session))

    @property
    def current(self) -> OptedOut:
        """Who has opted out, as far as it is known."""
        return self.optouts.current

    async def hear(self, message: Message) -> None:
        """Opt out whoever says a good code; a code that another worker found first says nothing any more.

        A user opts out by any line of his; a channel by a line of its broadcaster in it, whose id is the channel's.

        Raises:
            StoreUnavailable: Cassandra cannot answer; hearing it again is right.
        """
        if message.type is not MessageType.PRIVMSG or message.author_id is None:
            return
        said = _SAID.fullmatch(message.text or "")
        if said is None or (said["channel"] and message.author_id != message.channel_id):
            return
        if not await self._codes.is_good(said["code"]):
            return
        kind = Kind.CHANNEL if said["channel"] else Kind.USER
        await self.optouts.add(kind, [message.author_id], Way.CODE)
        await self._codes.used(said["code"])
        log.info("optouts.changed", by="code", kind=kind.value, id=message.author_id)

    async def learn(self, message: Message, writer: Writer) -> None:
        """Learn the name of a user who is out, if it is new: he is refused by it, and what names no id is his by it.

        Args:
            message: a line that is left out.
            writer: writes down who is behind a login.

        Raises:
            StoreUnavailable: Cassandra cannot answer; learning it again is right.
        """
        user_id, login = message.author_id, (message.login or "").lower()
        if user_id is None or not login or login in self.current.logins or not self.current.has_user(user_id):
            return
        if message.sent_ms is not None:
            writer.learn_names(message)
        await self.optouts.learn(user_id, login)
