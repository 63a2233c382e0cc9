"""What a message looks like to a reader: as JSON, as a line of text, as the raw line."""

from __future__ import annotations

import re
from typing import Any

from app.times import in_words, rfc3339
from store import keys, tags
from store.message import Message, MessageType
from store.moderation import Removal

_LINE_ENDS = re.compile(r"[\r\n]+")


def sentence(message: Message) -> str:
    """Give what an event says: a ban, a time-out, a cleared chat, a deleted message, a subscription; else nothing."""
    login = message.login or ""
    if message.type is MessageType.CLEARCHAT:
        if not login:
            return "Chat has been cleared"
        seconds = message.ban_seconds
        return f"{login} has been banned" if seconds is None else f"{login} has been timed out for {seconds} seconds"
    if message.type is MessageType.CLEARMSG:
        return f"A message from {login} was deleted"
    return message.system_text or ""


def said(message: Message) -> str:
    """Give what a reader is told: the sentence of an event and what was said with it, or what was said."""
    told, text = sentence(message), message.text or ""
    return f"{told} {text}" if told and text else told or text


def as_json(message: Message, removal: Removal | None = None) -> dict[str, Any]:
    """Give the message as /v1 shows it.

    Args:
        message: the line.
        removal: how it was removed from the chat, if it was.
    """
    raw, tags_shown = raw_and_tags(message)
    sent_ms, author_id, login = message.sent_ms or 0, message.author_id, message.login or ""
    shown: dict[str, Any] = {
        "sent": keys.uuid_text(keys.timeuuid(sent_ms, message.key_low) >> 64, message.key_low),
        "id": tags_shown.get("id", ""),
        "type": _TYPES[message.type],
        "timestamp": rfc3339(sent_ms),
        "channel": {"id": str(message.channel_id), "login": message.channel_login},
        "user": {
            "id": "" if author_id is None else str(author_id),
            "login": login,
            "displayName": message.display_name or login,
        },
        "text": message.text or "",
        "systemText": sentence(message),
        "tags": tags_shown,
        "raw": raw,
    }
    if message.is_action:
        shown["action"] = True
    if message.time_is_receipt:
        shown["timestampSource"] = "received"
    if message.extra is not None:
        _show_source_and_reply(shown, tags_shown)
    if removal is not None:
        shown["deleted"] = {"by": removal.by.value, "at": rfc3339(removal.at_ms)}
    return shown


def _show_source_and_reply(shown: dict[str, Any], found: dict[str, str]) -> None:
    """Say of a line from a shared chat where it was said, and of a reply what it answers."""
    if room := found.get("source-room-id"):
        shown["source"] = {"channelId": room, "id": found.get("source-id", "")}
    if answered := found.get("reply-parent-msg-id"):
        login = found.get("reply-parent-user-login", "")
        shown["reply"] = {
            "id": answered,
            "threadId": found.get("reply-thread-parent-msg-id") or answered,
            "user": {
                "id": found.get("reply-parent-user-id", ""),
                "login": login,
                "displayName": found.get("reply-parent-display-name") or login,
            },
            "text": found.get("reply-parent-msg-body", ""),
        }


def raw_and_tags(message: Message) -> tuple[str, dict[str, str]]:
    """Give the line, and every tag of it, unescaped; both with U+FFFD where its bytes were no UTF-8."""
    raw, found = message.line_and_tags
    if message.exact is None:  # what columns hold is UTF-8
        return raw, found
    raw = tags.sound(raw)
    return raw, tags.of_line(raw)


_TYPES = {kind: kind.name.lower() for kind in MessageType}


def as_text(message: Message) -> str:
    """Give the message as a line of text, without its line end.

    `[YYYY-MM-DD HH:MM:SS] #channel login: text`, UTC, as rustlog writes it. A line end that a tag stands for would
    break the line and becomes a space.
    """
    who = f"{message.login}: " if message.login else ""
    text = f"[{in_words(message.sent_ms or 0)}] #{message.channel_login} {who}{said(message)}"
    return _LINE_ENDS.sub(" ", text) if "\n" in text or "\r" in text else text


def as_raw(message: Message) -> bytes:
    """Give the line as Twitch sent it, without its line end."""
    return message.line.encode("utf-8", "surrogateescape")
