"""Chat lines of our own making, as Twitch writes them: tags sorted as `name=value`."""

from __future__ import annotations

import uuid

CHANNEL_ID = 9001
CHANNEL = "moonbase"
EVENING_MS = 1_772_400_600_000  # 2026-03-01T21:30:00Z


def message_id(number: int) -> str:
    """Give a version 4 UUID that only the number decides."""
    return str(uuid.UUID(int=(0x5EED << 112 | number << 64 | 0x8000_0000_0000_0000 | number * 7919), version=4))


def tagged(tags: dict[str, str], rest: str) -> str:
    """Put tags, in Twitch's order, before the rest of a line."""
    return f"@{';'.join(sorted(f'{name}={value}' for name, value in tags.items()))} {rest}"


def privmsg(
    text: str,
    *,
    number: int = 1,
    user_id: int = 501,
    login: str = "ada_lift",
    sent_ms: int = EVENING_MS,
    channel_id: int = CHANNEL_ID,
    channel: str = CHANNEL,
    **tags: str,
) -> str:
    """Give the line of something said; further tags by name, with `_` for `-`, and None to leave one out."""
    found = {
        "badge-info": "subscriber/7",
        "badges": "subscriber/6,premium/1",
        "color": "#1E90FF",
        "display-name": login.title(),
        "emotes": "",
        "first-msg": "0",
        "flags": "",
        "id": message_id(number),
        "mod": "0",
        "returning-chatter": "0",
        "room-id": str(channel_id),
        "subscriber": "1",
        "tmi-sent-ts": str(sent_ms),
        "turbo": "0",
        "user-id": str(user_id),
        "user-type": "",
    } | {name.replace("_", "-"): value for name, value in tags.items()}
    return tagged(found, f":{login}!{login}@{login}.tmi.twitch.tv PRIVMSG #{channel} :{text}")


def without(line: str, *names: str) -> str:
    """Take tags out of a line."""
    tags, _, rest = line[1:].partition(" ")
    return "@" + ";".join(pair for pair in tags.split(";") if pair.partition("=")[0] not in names) + " " + rest


def usernotice(text: str | None = None, *, number: int = 1, sent_ms: int = EVENING_MS, **tags: str) -> str:
    """Give the line of a subscription; further tags by name, with `_` for `-`."""
    found = {
        "badge-info": "",
        "badges": "premium/1",
        "color": "",
        "display-name": "Ada_Lift",
        "emotes": "",
        "flags": "",
        "id": message_id(number),
        "login": "ada_lift",
        "mod": "0",
        "msg-id": "resub",
        "msg-param-months": "7",
        "msg-param-sub-plan": "1000",
        "msg-param-sub-plan-name": "Crew\\sof\\sthe\\sbase",
        "room-id": str(CHANNEL_ID),
        "subscriber": "1",
        "system-msg": "Ada_Lift\\ssubscribed\\sfor\\s7\\smonths!",
        "tmi-sent-ts": str(sent_ms),
        "user-id": "501",
        "user-type": "",
        "vip": "0",
    } | {name.replace("_", "-"): value for name, value in tags.items()}
    trailing = "" if text is None else f" :{text}"
    return tagged(found, f":tmi.twitch.tv USERNOTICE #{CHANNEL}{trailing}")


def gift(**tags: str) -> str:
    """Give the line of a gifted subscription, from ada_lift to bo_nord."""
    about = {
        "msg_id": "subgift",
        "msg_param_recipient_id": "502",
        "msg_param_recipient_user_name": "bo_nord",
        "msg_param_recipient_display_name": "Bo_Nord",
        "system_msg": "Ada_Lift\\sgifted\\sa\\sTier\\s1\\ssub\\sto\\sBo_Nord!",
    }
    return usernotice(**(about | tags))


def clearchat(
    login: str | None = "ada_lift", *, seconds: int | None = 600, sent_ms: int = EVENING_MS, user_id: int = 501
) -> str:
    """Give the line of a time-out, of a ban (no seconds), or of a cleared room (no login)."""
    tags = {"room-id": str(CHANNEL_ID), "tmi-sent-ts": str(sent_ms)}
    if login is not None:
        tags["target-user-id"] = str(user_id)
        if seconds is not None:
            tags["ban-duration"] = str(seconds)
    trailing = "" if login is None else f" :{login}"
    return tagged(tags, f":tmi.twitch.tv CLEARCHAT #{CHANNEL}{trailing}")


def clearmsg(target: str, text: str = "oops", *, sent_ms: int = EVENING_MS, login: str = "ada_lift") -> str:
    """Give the line of one deleted message."""
    tags = {"login": login, "room-id": "", "target-msg-id": target, "tmi-sent-ts": str(sent_ms)}
    return tagged(tags, f":tmi.twitch.tv CLEARMSG #{CHANNEL} :{text}")
