"""From a notification of EventSub to the IRC line that Twitch's chat would have carried.

What a notice (a subscription, a raid, an announcement) says in its tags is `ingest.eventsub_notice`'s; how
notifications get here is `ingest.eventsub`'s. A tag that EventSub says nothing about is left out, never made up;
docs/operations.md lists them. Fields: https://dev.twitch.tv/docs/eventsub/eventsub-subscription-types/.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ingest.errors import NotificationError
from ingest.eventsub_notice import notice_tags
from store import tags

Event = Mapping[str, Any]
"""The `event` of a notification."""
Tags = dict[str, str | None]
"""By name, unescaped; None where the tag is left out."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_LOGIN = re.compile(r"[a-z0-9_]+")
_ACTION = re.compile(r"\x01ACTION (.*?)\x01?", re.DOTALL)
_NUL = "\0"
_LINE_ENDS = str.maketrans("\r\n\0", "   ")
"""What cannot stand in a line becomes a space each, so that the ranges of emotes still hold."""

_MESSAGE_KINDS: dict[str, str] = {
    "channel_points_highlighted": "highlighted-message",
    "channel_points_sub_only": "skip-subs-mode-message",
    "user_intro": "user-intro",
    "power_ups_message_effect": "animated-message",
    "power_ups_gigantified_emote": "gigantified-emote-message",
}
"""What the tag `msg-id` of a PRIVMSG says, by `message_type`."""

_USER_TYPES: dict[str, str] = {"staff": "staff", "admin": "admin", "global_mod": "global_mod", "moderator": "mod"}
"""What the tag `user-type` says, by badge, the first that there is."""

# As Twitch's IRC names who gives anonymously; EventSub leaves the chatter null.
_ANONYMOUS = {
    "chatter_user_id": "274598607",
    "chatter_user_login": "ananonymousgifter",
    "chatter_user_name": "AnAnonymousGifter",
}


def line_of(notification: Mapping[str, Any]) -> str:
    """Give the line that a notification stands for, without a line end.

    Args:
        notification: the whole of it, with `metadata` and `payload`, as it came over the WebSocket.

    Raises:
        NotificationError: it is of no kind that has a line, or lacks what the line needs.
    """
    try:
        metadata, event = notification["metadata"], notification["payload"]["event"]
        kind = metadata["subscription_type"]
        write = _WRITERS.get(kind)
        if write is None:
            raise NotificationError(f"a notification of {kind} has no line in a chat log")
        line = write(event, sent_ms(metadata["message_timestamp"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotificationError(f"a notification does not have the fields it should: {error!r}") from error
    # JSON can spell half a surrogate pair, which no bytes of a line decode to.
    return line if line.isascii() else line.encode("utf-8", "replace").decode()


def sent_ms(timestamp: str) -> int:
    """Read the time of a notification (RFC 3339, nanoseconds) as Unix milliseconds.

    EventSub says of no message when it was sent, only when the notification was: that is later than the `tmi-sent-ts`
    of the same message over IRC, by what Twitch needs to send it on.

    Raises:
        ValueError: it is no such time.
    """
    time = dt.datetime.fromisoformat(timestamp)
    if time.tzinfo is None:
        raise ValueError(f"{timestamp!r} does not say its time zone")
    return (time - _EPOCH) // _MILLISECOND


def _message(event: Event, at_ms: int) -> str:
    """`channel.chat.message`."""
    login, channel = _login(event["chatter_user_login"]), _login(event["broadcaster_user_login"])
    said = event["message"]
    text = said["text"]
    action = _ACTION.fullmatch(text)  # fragments are without the wrapper of a /me, and so are the ranges of emotes
    kind = event.get("message_type") or ""
    found = _chatter_tags(event) | {
        "animation-id": event.get("channel_points_animation_id"),
        "bits": _text((event.get("cheer") or {}).get("bits")),
        "custom-reward-id": event.get("channel_points_custom_reward_id"),
        "emotes": _emotes(action[1] if action else text, said.get("fragments")),
        "id": event["message_id"],
        "msg-id": _MESSAGE_KINDS.get(kind),
        "tmi-sent-ts": str(at_ms),
        "vip": "1" if "vip" in _badge_sets(event) else None,  # a PRIVMSG has it only where it is 1
    }
    found |= _reply_tags(event.get("reply") or {})
    return _line(found, f":{login}!{login}@{login}.tmi.twitch.tv PRIVMSG #{channel}", text)


def _notification(event: Event, at_ms: int) -> str:
    """`channel.chat.notification`."""
    if event["chatter_is_anonymous"]:
        event = {**event, **_ANONYMOUS}
    said = event.get("message") or {}
    text = said.get("text") or None
    found = _chatter_tags(event) | {
        "emotes": _emotes(text or "", said.get("fragments")),
        "id": event["message_id"],
        "login": _login(event["chatter_user_login"]),
        "system-msg": event["system_message"],
        "tmi-sent-ts": str(at_ms),
        "vip": _flag("vip" in _badge_sets(event)),
    }
    found |= notice_tags(event)
    return _line(found, f":tmi.twitch.tv USERNOTICE #{_login(event['broadcaster_user_login'])}", text)


def _clear(event: Event, at_ms: int) -> str:
    """`channel.chat.clear`."""
    found: Tags = {"room-id": event["broadcaster_user_id"], "tmi-sent-ts": str(at_ms)}
    return _line(found, f":tmi.twitch.tv CLEARCHAT #{_login(event['broadcaster_user_login'])}", None)


def _clear_user(event: Event, at_ms: int) -> str:
    """`channel.chat.clear_user_messages`, which says neither whether it was a ban nor how long a time-out lasts."""
    found: Tags = {
        "room-id": event["broadcaster_user_id"],
        "target-user-id": event["target_user_id"],
        "tmi-sent-ts": str(at_ms),
    }
    channel, target = _login(event["broadcaster_user_login"]), _login(event["target_user_login"])
    return _line(found, f":tmi.twitch.tv CLEARCHAT #{channel}", target)


def _delete(event: Event, at_ms: int) -> str:
    """`channel.chat.message_delete`, which does not repeat the text that IRC repeats."""
    found: Tags = {
        "login": _login(event["target_user_login"]),
        "room-id": event["broadcaster_user_id"],
        "target-msg-id": event["message_id"],
        "tmi-sent-ts": str(at_ms),
    }
    return _line(found, f":tmi.twitch.tv CLEARMSG #{_login(event['broadcaster_user_login'])}", None)


_WRITERS: dict[str, Callable[[Event, int], str]] = {
    "channel.chat.message": _message,
    "channel.chat.notification": _notification,
    "channel.chat.clear": _clear,
    "channel.chat.clear_user_messages": _clear_user,
    "channel.chat.message_delete": _delete,
}

SUBSCRIPTION_TYPES = tuple(_WRITERS)
"""The subscriptions that make up a channel's chat; each of version 1."""


def _chatter_tags(event: Event) -> Tags:
    """Give the tags that a PRIVMSG and a USERNOTICE share: who wrote, where, and from which room of a shared chat."""
    sets = _badge_sets(event)
    found: Tags = {
        "badge-info": _badge_info(event["badges"]),
        "badges": _badges(event["badges"]),
        "color": event["color"] or "",
        "display-name": event["chatter_user_name"],
        "mod": _flag("moderator" in sets),
        "room-id": event["broadcaster_user_id"],
        "subscriber": _flag(bool(sets & {"subscriber", "founder"})),
        "user-id": event["chatter_user_id"],
        "user-type": next((user_type for badge, user_type in _USER_TYPES.items() if badge in sets), ""),
    }
    if event.get("source_broadcaster_user_id"):
        only = event.get("is_source_only")
        found |= {
            "source-badge-info": _badge_info(event.get("source_badges")),
            "source-badges": _badges(event.get("source_badges")),
            "source-id": event.get("source_message_id"),
            "source-only": None if only is None else _flag(only),
            "source-room-id": event["source_broadcaster_user_id"],
        }
    return found


def _reply_tags(reply: Event) -> Tags:
    if not reply:
        return {}
    return {
        "reply-parent-display-name": reply.get("parent_user_name"),
        "reply-parent-msg-body": reply.get("parent_message_body"),
        "reply-parent-msg-id": reply["parent_message_id"],
        "reply-parent-user-id": reply.get("parent_user_id"),
        "reply-parent-user-login": reply.get("parent_user_login"),
        "reply-thread-parent-display-name": reply.get("thread_user_name"),
        "reply-thread-parent-msg-id": reply.get("thread_message_id"),
        "reply-thread-parent-user-id": reply.get("thread_user_id"),
        "reply-thread-parent-user-login": reply.get("thread_user_login"),
    }


def _badge_sets(event: Event) -> set[str]:
    return {badge["set_id"] for badge in event["badges"] or ()}


def _badges(badges: Iterable[Event] | None) -> str:
    return ",".join(f"{badge['set_id']}/{badge['id']}" for badge in badges or ())


def _badge_info(badges: Iterable[Event] | None) -> str:
    return ",".join(f"{badge['set_id']}/{badge['info']}" for badge in badges or () if badge.get("info"))


def _emotes(text: str, fragments: Iterable[Event] | None) -> str:
    """Give the tag `emotes`: where each stands, in code points.

    Fragments do not always add up to the text, so each is looked for from where the one before it ended.
    """
    found: dict[str, list[str]] = {}
    end = 0
    for fragment in fragments or ():
        start = text.find(fragment["text"], end)
        if start < 0 or not fragment["text"]:
            continue
        end = start + len(fragment["text"])
        if emote := fragment.get("emote"):
            found.setdefault(emote["id"], []).append(f"{start}-{end - 1}")
    return "/".join(f"{emote}:{','.join(ranges)}" for emote, ranges in found.items())


def _login(login: str) -> str:
    lowered = login.lower()
    if not _LOGIN.fullmatch(lowered):
        raise ValueError(f"{login!r} is no login")
    return lowered


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _flag(holds: bool) -> str:
    return "1" if holds else "0"


def _line(found: Tags, rest: str, text: str | None) -> str:
    """Put a line together: tags escaped and in Twitch's order, which sorts them as `name=value`."""
    pairs = sorted(
        f"{name}={tags.escape(value.replace(_NUL, ' '))}" for name, value in found.items() if value is not None
    )
    trailing = "" if text is None else f" :{text.translate(_LINE_ENDS)}"
    return f"@{';'.join(pairs)} {rest}{trailing}"
