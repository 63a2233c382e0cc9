"""What a USERNOTICE says in its tags, from the notice that EventSub names by another word: one table of kinds.

The line itself is `ingest.eventsub_line`'s. IRC's tags: https://dev.twitch.tv/docs/chat/irc/#usernotice-tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Details = Mapping[str, Any]
"""What a notification says of its notice, under the name of its `notice_type`."""
Param = str | Callable[[Details], Any]
"""Where a `msg-param-` tag has its value from: a field's name, or what reads it. None: the tag is left out."""

_SHARED = "shared_chat_"


@dataclass(frozen=True, slots=True)
class Notice:
    """How a kind of notice stands in IRC.

    Attributes:
        msg_id: the tag `msg-id`, or what tells it.
        params: the tags `msg-param-…`, by what follows.
    """

    msg_id: str | Callable[[Details], str]
    params: Mapping[str, Param]


def _plan(details: Details) -> str:
    return "Prime" if details.get("is_prime") else details["sub_tier"]


def _gifter(field: str) -> Param:
    """Give the reader of a field of who gave a subscription, where it was given and not anonymously."""
    return lambda details: None if details.get("gifter_is_anonymous") else details.get(field)


def _when_gift(field: str) -> Param:
    return lambda details: details.get(field) if details.get("is_gift") else None


_RECIPIENT: Mapping[str, Param] = {
    "recipient-display-name": "recipient_user_name",
    "recipient-id": "recipient_user_id",
    "recipient-user-name": "recipient_user_login",
}
_SUBSCRIPTION: Mapping[str, Param] = {"multimonth-duration": "duration_months", "sub-plan": _plan}

NOTICES: Mapping[str, Notice] = {
    "sub": Notice("sub", _SUBSCRIPTION),
    "resub": Notice(
        "resub",
        {
            **_SUBSCRIPTION,
            "anon-gift": _when_gift("gifter_is_anonymous"),
            "cumulative-months": "cumulative_months",
            "gifter-id": _gifter("gifter_user_id"),
            "gifter-login": _gifter("gifter_user_login"),
            "gifter-name": _gifter("gifter_user_name"),
            "should-share-streak": lambda details: int(details.get("streak_months") is not None),
            "streak-months": "streak_months",
            "was-gifted": "is_gift",
        },
    ),
    "sub_gift": Notice(
        "subgift",
        {
            **_RECIPIENT,
            "community-gift-id": "community_gift_id",
            "gift-months": "duration_months",
            "sender-count": "cumulative_total",
            "sub-plan": "sub_tier",
        },
    ),
    "community_sub_gift": Notice(
        "submysterygift",
        {
            "community-gift-id": "id",
            "mass-gift-count": "total",
            "sender-count": "cumulative_total",
            "sub-plan": "sub_tier",
        },
    ),
    "gift_paid_upgrade": Notice(
        lambda details: "anongiftpaidupgrade" if details.get("gifter_is_anonymous") else "giftpaidupgrade",
        {"sender-login": _gifter("gifter_user_login"), "sender-name": _gifter("gifter_user_name")},
    ),
    "prime_paid_upgrade": Notice("primepaidupgrade", {"sub-plan": "sub_tier"}),
    "pay_it_forward": Notice(
        lambda details: "standardpayforward" if details.get("recipient_user_id") else "communitypayforward",
        {
            **_RECIPIENT,
            "prior-gifter-anonymous": "gifter_is_anonymous",
            "prior-gifter-display-name": _gifter("gifter_user_name"),
            "prior-gifter-id": _gifter("gifter_user_id"),
            "prior-gifter-user-name": _gifter("gifter_user_login"),
        },
    ),
    "raid": Notice(
        "raid",
        {
            "displayName": "user_name",
            "login": "user_login",
            "profileImageURL": "profile_image_url",
            "viewerCount": "viewer_count",
        },
    ),
    "unraid": Notice("unraid", {}),
    "announcement": Notice("announcement", {"color": "color"}),
    "bits_badge_tier": Notice("bitsbadgetier", {"threshold": "tier"}),
    "charity_donation": Notice(
        "charitydonation",
        {
            "charity-name": "charity_name",
            "donation-amount": lambda details: details["amount"]["value"],
            "donation-currency": lambda details: details["amount"]["currency"],
            "exponent": lambda details: details["amount"]["decimal_place"],
        },
    ),
    "watch_streak": Notice(
        "viewermilestone",
        {"category": lambda _: "watch-streak", "copoReward": "channel_points_awarded", "value": "streak_count"},
    ),
}
"""By `notice_type`. What Twitch adds later keeps its own name and its fields (see `notice_tags`)."""


def notice_tags(event: Mapping[str, Any]) -> dict[str, str | None]:
    """Give `msg-id`, `source-msg-id` and the `msg-param-` tags of a notification of `channel.chat.notification`.

    In a shared chat, a notice of another room is a `sharedchatnotice` whose `source-msg-id` says what it is.
    """
    notice_type: str = event["notice_type"]
    details: Details = event.get(notice_type) or {}
    notice = NOTICES.get(notice_type.removeprefix(_SHARED))
    if notice is None:
        # A kind that is not in the table: nothing it says is lost.
        plain = {name: name for name, value in details.items() if isinstance(value, str | int | float)}
        notice = Notice(notice_type.removeprefix(_SHARED), {name.replace("_", "-"): name for name in plain})
    msg_id = notice.msg_id if isinstance(notice.msg_id, str) else notice.msg_id(details)
    found: dict[str, str | None] = {"msg-id": msg_id}
    if notice_type.startswith(_SHARED):
        found = {"msg-id": "sharedchatnotice", "source-msg-id": msg_id}
    for name, param in notice.params.items():
        value = details.get(param) if isinstance(param, str) else param(details)
        found[f"msg-param-{name}"] = None if value is None else _written(value)
    return found


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
