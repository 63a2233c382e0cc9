"""A chat message: parsed from one IRC line, kept as columns, and able to give that line back byte for byte.

How lines are read and rebuilt is `store.line`'s; where a message is stored is `store.shapes`' and `store.writer`'s;
what it looks like to a reader is `app.render`'s.
"""

from __future__ import annotations

import uuid
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from store import keys, line, tags
from store.errors import LineError, UnstorableMessage


class MessageType(IntEnum):
    """The kinds of line that have a place in a log, numbered as justlog and rustlog number them; OTHER has none."""

    OTHER = 0
    PRIVMSG = 1
    CLEARCHAT = 2
    USERNOTICE = 4
    CLEARMSG = 13


STORED_TYPES: dict[str, MessageType] = {kind.name: kind for kind in MessageType if kind is not MessageType.OTHER}
"""By the command of the line."""


_TELLS_PLACE = tags.COLUMN << tags.KNOWN_TAGS["id"].shift | tags.COLUMN << tags.KNOWN_TAGS["tmi-sent-ts"].shift


class Message(Struct, frozen=True, gc=False):
    """One line of chat.

    Attributes:
        type: what kind of line it is.
        sent_ms: when Twitch received it, Unix milliseconds (tag `tmi-sent-ts`); where that tag is missing, when it was
            read; None where neither is known.
        key_low: the low 64 bits of its clustering key, unsigned.
        uuid_high: the high 64 bits of its own UUID, unsigned; None if it has none, or an odd one, which is in `extra`.
        channel_id: Twitch's id of the channel.
        author_id: who wrote it; of a CLEARCHAT: whom it hit.
        login: the author's login.
        display_name: None if the line has none or it equals the login.
        text: what was said, without the wrapper of a /me; None if nothing was.
        system_text: the sentence of a USERNOTICE (tag `system-msg`).
        color: 0xRRGGBB.
        badges: as in the tag.
        badge_info: as in the tag.
        emotes: as in the tag, offsets in code points of `text`.
        client_nonce: 16 bytes that the sending client made up.
        channel_login: the channel's login.
        flags: which tags stood there with a usual value; `store.tags` has the table.
        extra: every other tag as it stood, sorted, joined by `;`.
        exact: the line itself, where the columns do not rebuild it.
    """

    type: MessageType
    sent_ms: int | None = None
    key_low: int = 0
    uuid_high: int | None = None
    channel_id: int | None = None
    author_id: int | None = None
    login: str | None = None
    display_name: str | None = None
    text: str | None = None
    system_text: str | None = None
    color: int | None = None
    badges: str | None = None
    badge_info: str | None = None
    emotes: str | None = None
    client_nonce: bytes | None = None
    channel_login: str | None = None
    flags: int = 0
    extra: str | None = None
    exact: str | None = None

    @classmethod
    def parse(
        cls, text: str, *, received_ms: int | None = None, channel_id: int | None = None, occurrence: int = 0
    ) -> Message:
        """Parse one IRC line.

        Every line parses: one that is no chat line gives a message of type OTHER, which gives its line back but has
        no place in a log (see `unstorable`).

        Args:
            text: the line, without its line end; bytes that were no UTF-8 as `surrogateescape` left them.
            received_ms: when it was read, Unix milliseconds; used where the line does not say when it was sent.
            channel_id: the id of the channel it was read in; used where the line does not say.
            occurrence: of lines of a file without an id that are equal byte for byte, how many came before it.

        Raises:
            LineError: it is more than one line, or holds code points that no bytes decode to.
        """
        if "\n" in text:
            raise LineError("this is more than one line: a line feed ends a line and cannot be inside one")
        clean = line.sound(text)
        tag_part, prefix, command, params, trailing = line.split(clean)
        kind = STORED_TYPES.get(command)
        if kind is None or not params:
            return cls(MessageType.OTHER, exact=text)
        if trailing is None and len(params) > 1:
            trailing = " ".join(params[1:])
        columns = line.read(command, prefix.partition("!")[0], tag_part, params[0].removeprefix("#"), trailing)
        if columns.get("channel_id") is None:
            columns["channel_id"] = channel_id
        if columns.get("sent_ms") is None:
            columns["sent_ms"] = tags.number(tags.find(tag_part, "rm-received-ts")) or received_ms
        uuid_high, key_low = line.key(command, columns, text, occurrence)
        message = cls(kind, uuid_high=uuid_high, key_low=key_low, **columns)
        return message if line.rebuild(message) == text else replace(message, exact=text)

    @property
    def line(self) -> str:
        """The line this message was parsed from, byte for byte."""
        return self.exact if self.exact is not None else line.rebuild(self)

    @property
    def line_and_tags(self) -> tuple[str, dict[str, str]]:
        """The line, and every tag of it, unescaped: who needs both gets them in one go."""
        if self.exact is not None:
            return self.exact, tags.of_line(self.exact)
        return line.rebuild_with_tags(self)

    @property
    def position(self) -> keys.Position:
        """Its place in every log it is in.

        Raises:
            UnstorableMessage: it has no time.
        """
        if self.sent_ms is None:
            raise UnstorableMessage("a line without a time has no place in a log")
        return keys.Position(self.sent_ms, self.key_low)

    @property
    def sent(self) -> uuid.UUID:
        """The clustering key: a timeuuid that only the message decides."""
        return uuid.UUID(int=keys.timeuuid(*self.position))

    @property
    def id(self) -> str:
        """The message's own id, as in the tag; empty if it has none."""
        if self.uuid_high is None:
            return tags.find(self.extra, "id")
        return keys.uuid_text(self.uuid_high, self.key_low)

    @property
    def tags(self) -> dict[str, str]:
        """Every tag of the line, unescaped."""
        return self.line_and_tags[1]

    @property
    def shown_name(self) -> str:
        """The display name, or the login where there is none."""
        return self.display_name or self.login or ""

    @property
    def is_action(self) -> bool:
        """Whether it was said with /me."""
        return bool(self.flags >> tags.ACTION_SHIFT)

    @property
    def time_is_receipt(self) -> bool:
        """Whether `sent_ms` is when the line was read, because it does not say when it was sent."""
        return tags.state(self.flags, "tmi-sent-ts") == tags.ABSENT

    @property
    def tells_place(self) -> bool:
        """Whether its line certainly says what decides its place: a UUID of its own, and when it was sent."""
        return self.flags & _TELLS_PLACE == _TELLS_PLACE

    @property
    def ban_seconds(self) -> int | None:
        """How long the time-out of a CLEARCHAT lasts; None if it is none."""
        return tags.number(tags.find(self.extra, "ban-duration"))

    @property
    def users(self) -> tuple[int, ...]:
        """The ids in whose logs the message stands: the author's, and the recipient's of a gift."""
        author = self.author_id
        if self.type is not MessageType.USERNOTICE:
            return () if author is None else (author,)
        recipient = tags.number(tags.find(self.extra, "msg-param-recipient-id"))
        return tuple(dict.fromkeys(user for user in (author, recipient) if user is not None))

    @property
    def unstorable(self) -> str | None:
        """Why the message has no place in any log; None if it has one."""
        if self.type is MessageType.OTHER:
            return "it is no PRIVMSG, USERNOTICE, CLEARCHAT or CLEARMSG"
        if self.channel_id is None:
            return "it does not say in which channel (room-id), and the channel's id is not known otherwise"
        if self.sent_ms is None:
            return "it does not say when it was sent (tmi-sent-ts), nor is it known when it was received"
        return None
