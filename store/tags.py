"""The tags of an IRC line and how they become columns: one table that both parsing and rebuilding read.

A tag whose value is one of a few that come again and again takes two bits of the `flags` column; a tag with a value
of its own has a column; every other tag stays in `extra` as it stood. Lines are `store.line`'s.

Tag names and values: https://dev.twitch.tv/docs/chat/irc/#tags. Escapes: https://ircv3.net/specs/extensions/message-tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from store import keys

ABSENT, FIRST, SECOND, COLUMN = range(4)
"""The states of a known tag in `flags`: not there, its first or second usual value, or the value of its column."""

ACTION_SHIFT = 60
"""Where `flags` says how the wrapper of a /me stood: 0 none, 1 whole, 2 without its end mark."""

OF_RECENT_MESSAGES = ("historical", "rm-received-ts", "rm-deleted")
"""What a recent-messages service puts into lines, and Twitch never does."""

SOURCE = "logstv/source"
"""The tag, ours, of a line that was made of something else than a line of Twitch: of what."""

LONGEST_NUMBER = 18
"""Digits; every such number fits a bigint."""

_UNESCAPED = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_TO_ESCAPE = str.maketrans({";": "\\:", " ": "\\s", "\\": "\\\\", "\r": "\\r", "\n": "\\n"})


def unescape(value: str) -> str:
    """Give what an escaped tag value stands for; a lone backslash at the end stands for nothing."""
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[1]), value)


def escape(value: str) -> str:
    """Give the escaped form of a tag value, as Twitch writes it."""
    if value.isidentifier():  # as nearly every name is, and several times quicker
        return value
    return value.translate(_TO_ESCAPE)


def split_pairs(tags: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the unescaped value of each tag; a tag without `=` has an empty value.

    Args:
        tags: the tags of a line, without the leading `@`.
    """
    for pair in tags.split(";"):
        name, _, value = pair.partition("=")
        yield name, unescape(value)


def of_line(line: str) -> dict[str, str]:
    """Give every tag of a line, unescaped; of a line as `sound` gives it."""
    if not line.startswith("@"):
        return {}
    return {sound(name): sound(value) for name, value in split_pairs(line[1:].partition(" ")[0])}


def sound(text: str) -> str:
    """Give a text with U+FFFD where its bytes were no UTF-8, which neither Cassandra's text nor JSON can hold."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def find(tags: str | None, wanted: str) -> str:
    """Give the unescaped value of one tag; empty if it is not there."""
    if tags and wanted in tags:
        for name, value in split_pairs(tags):
            if name == wanted:
                return value
    return ""


def number(text: str) -> int | None:
    """Read a positive decimal number that fits a bigint; None if it is not one."""
    if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER:
        return int(text) or None
    return None


def _color(text: str) -> int | None:
    return int(text[1:], 16) if re.fullmatch("#[0-9A-Fa-f]{6}", text) else None


def _nonce(text: str) -> bytes | None:
    return bytes.fromhex(text) if re.fullmatch("[0-9a-f]{32}", text) else None


Decode = Callable[[str], Any]
"""From the escaped value to what the column holds, or None if the column cannot hold it exactly."""
Encode = Callable[[Any], str]
"""From what the column holds to the escaped value."""


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A tag that has two bits of its own in `flags`.

    Attributes:
        name: as in the line.
        usual: up to two values that need no column, in the order of the states FIRST and SECOND.
        column: which attribute of a message holds any other value; empty if none does.
        decode: reads such a value.
        encode: writes it; None: as it is.
        shown: which attribute of a message gives it when it is written; empty: the column's.
        shift: where its two bits lie.
        states: the bits of each usual value.
    """

    name: str
    usual: tuple[str, ...] = ()
    column: str = ""
    decode: Decode | None = None
    encode: Encode | None = None
    shown: str = ""
    shift: int = 0
    states: dict[str, int] = field(default_factory=dict)


_EMPTY, _BIT = ("",), ("0", "1")

# The bits are part of what is stored: a new tag goes to the end, and no row moves or goes.
_ROWS = (
    KnownTag("badge-info", _EMPTY, "badge_info", str),
    KnownTag("badges", _EMPTY, "badges", str),
    KnownTag("client-nonce", _EMPTY, "client_nonce", _nonce, bytes.hex),
    KnownTag("color", _EMPTY, "color", _color, "#{:06X}".format),
    KnownTag("display-name", _EMPTY, "display_name", unescape, escape, "shown_name"),
    KnownTag("emotes", _EMPTY, "emotes", str),
    KnownTag("id", (), "uuid", keys.message_uuid, None, "id"),
    KnownTag("login", (), "login", str, lambda login: login or ""),
    KnownTag("room-id", _EMPTY, "channel_id", number),
    KnownTag("system-msg", _EMPTY, "system_text", unescape, escape),
    KnownTag("target-user-id", (), "author_id", number),
    KnownTag("tmi-sent-ts", (), "sent_ms", number),
    KnownTag("user-id", (), "author_id", number),
    KnownTag("emote-only", _BIT),
    KnownTag("first-msg", _BIT),
    KnownTag("flags", _EMPTY),
    KnownTag("mod", _BIT),
    KnownTag("returning-chatter", _BIT),
    KnownTag("subscriber", _BIT),
    KnownTag("turbo", _BIT),
    KnownTag("user-type", ("", "mod")),
    KnownTag("vip", _BIT),
)


def _placed(tag: KnownTag, shift: int) -> KnownTag:
    states = {value: (FIRST + place) << shift for place, value in enumerate(tag.usual)}
    return replace(tag, shown=tag.shown or tag.column, shift=shift, states=states)


KNOWN_TAGS: dict[str, KnownTag] = {tag.name: _placed(tag, 2 * place) for place, tag in enumerate(_ROWS)}
"""By name. Twitch writes its tags sorted as `name=value`, and so does `store.line`."""


def state(flags: int, name: str) -> int:
    """Give the state of a known tag."""
    return flags >> KNOWN_TAGS[name].shift & 3
