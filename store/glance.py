"""Reads of a usual line of chat only what decides where it belongs and whom it names: a tenth of the work of a message.

Whoever takes in millions of lines that stay as they are needs no more. What is not usual is `store.message`'s to read;
where both read a line, they say the same.
"""

from __future__ import annotations

from typing import NamedTuple

from store import keys, tags


class Glance(NamedTuple):
    """What a line that somebody said tells at a glance.

    Attributes:
        sent_ms: when it was sent, Unix milliseconds.
        key_low: the low half of its clustering key.
        channel_id: where it was said.
        user_id: who said it.
        channel_login: the channel's login.
        login: the user's.
    """

    sent_ms: int
    key_low: int
    channel_id: int
    user_id: int
    channel_login: str
    login: str


def glance(line: bytes) -> Glance | None:
    """Look at a line, without its line end; None if it has to be parsed to be understood."""
    tag_end = line.find(b" ")
    # With badges first, as Twitch sorts them, none of the tags that are looked for is the first.
    if not line.startswith(b"@bad") or line[tag_end : tag_end + 2] != b" :":
        return None
    name_end = line.find(b"!", tag_end)
    command = line.find(b" ", tag_end + 2)
    if not 0 < name_end < command or line[command : command + 10] != b" PRIVMSG #":
        return None
    text = line.find(b" :", command + 10)
    own_id = _value(line, b";id=", tag_end)
    uuid = keys.message_uuid(own_id.decode("latin-1"))
    sent_ms = _number(_value(line, b";tmi-sent-ts=", tag_end))
    channel_id, user_id = _number(_value(line, b";room-id=", tag_end)), _number(_value(line, b";user-id=", tag_end))
    if text < 0 or uuid is None or sent_ms is None or channel_id is None or user_id is None:
        return None
    channel, login = line[command + 10 : text], line[tag_end + 2 : name_end]
    if b" " in channel or not (channel.isascii() and login.isascii()) or line.find(b";target-user-id=", 0, tag_end) > 0:
        return None
    return Glance(sent_ms, uuid & keys.LOW_MASK, channel_id, user_id, channel.decode(), login.decode())


def _value(line: bytes, name: bytes, end: int) -> bytes:
    start = line.find(name, 0, end)
    if start < 0:
        return b""
    start += len(name)
    stop = line.find(b";", start, end)
    return line[start : end if stop < 0 else stop]


def _number(value: bytes) -> int | None:
    return tags.number(value.decode("latin-1"))
