"""Notifications of EventSub of our own making, as they come over a WebSocket."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from support.lines import CHANNEL, CHANNEL_ID, EVENING_MS, message_id

USER_ID = "8008"
"""The account that reads."""


def rfc3339(at_ms: int) -> str:
    """Give a time as Twitch writes it: to the nanosecond."""
    at = dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}456789Z"


def notification(kind: str, event: dict[str, Any], *, at_ms: int = EVENING_MS, number: object = None) -> dict[str, Any]:
    """Give a notification; one with the same number is the same one again."""
    own = uuid.uuid4() if number is None else uuid.uuid5(uuid.NAMESPACE_OID, str(number))
    channel = event["broadcaster_user_id"]
    return {
        "metadata": {
            "message_id": str(own),
            "message_type": "notification",
            "message_timestamp": rfc3339(at_ms),
            "subscription_type": kind,
            "subscription_version": "1",
        },
        "payload": {
            "subscription": {
                "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {channel}")),
                "status": "enabled",
                "type": kind,
                "version": "1",
                "condition": {"broadcaster_user_id": channel, "user_id": USER_ID},
                "transport": {"method": "conduit", "conduit_id": "c0"},
                "created_at": rfc3339(at_ms),
                "cost": 0,
            },
            "event": event,
        },
    }


def room(channel: str = CHANNEL, channel_id: int = CHANNEL_ID) -> dict[str, Any]:
    return {
        "broadcaster_user_id": str(channel_id),
        "broadcaster_user_login": channel,
        "broadcaster_user_name": channel.title(),
    }


def chatter(login: str = "ada_lift", user_id: int = 501) -> dict[str, Any]:
    return {
        "chatter_user_id": str(user_id),
        "chatter_user_login": login,
        "chatter_user_name": login.title(),
        "color": "#1E90FF",
        "badges": [badge("subscriber", "6", "7"), badge("premium")],
    }


def badge(name: str, version: str = "1", info: str = "") -> dict[str, str]:
    return {"set_id": name, "id": version, "info": info}


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "cheermote": None, "emote": None, "mention": None}


def emote(text: str, emote_id: str) -> dict[str, Any]:
    found = {"id": emote_id, "emote_set_id": "0", "owner_id": "0", "format": ["static"]}
    return words(text) | {"type": "emote", "emote": found}


SOURCE_NONE: dict[str, Any] = {
    "source_broadcaster_user_id": None,
    "source_broadcaster_user_login": None,
    "source_broadcaster_user_name": None,
    "source_message_id": None,
    "source_badges": None,
    "is_source_only": None,
}


def said(
    text: str = "hello",
    *fragments: dict[str, Any],
    number: int = 1,
    at_ms: int = EVENING_MS,
    again: object = None,
    **event: Any,
) -> dict[str, Any]:
    """Give a `channel.chat.message`; its fragments are the text unless some are given.

    Args:
        text: what was said.
        fragments: its pieces.
        number: decides the message's id.
        at_ms: when the notification was sent.
        again: decides the notification's id.
        event: further fields, or others.
    """
    found: dict[str, Any] = {
        **room(),
        **chatter(),
        "message_id": message_id(number),
        "message": {"text": text, "fragments": list(fragments) or [words(text)]},
        "message_type": "text",
        "cheer": None,
        "reply": None,
        "channel_points_custom_reward_id": None,
        "channel_points_animation_id": None,
        **SOURCE_NONE,
    }
    return notification("channel.chat.message", found | event, at_ms=at_ms, number=again)


def notice(kind: str, details: dict[str, Any] | None, text: str = "", **event: Any) -> dict[str, Any]:
    """Give a `channel.chat.notification`."""
    found: dict[str, Any] = {
        **room(),
        **chatter(),
        "chatter_is_anonymous": False,
        "message_id": message_id(1),
        "message": {"text": text, "fragments": [words(text)] if text else None},
        "notice_type": kind,
        "system_message": "Something; happened!",
        kind: details,
        **SOURCE_NONE,
    }
    return notification("channel.chat.notification", found | event)


def target(login: str = "ada_lift", user_id: int = 501) -> dict[str, Any]:
    return {"target_user_id": str(user_id), "target_user_login": login, "target_user_name": login.title()}
