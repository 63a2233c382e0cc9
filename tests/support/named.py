"""A chat in which one user shows in every place where a line can show someone.

She is `ada_lift`, once `ada_before`, and says SECRET in everything she says. Whoever has not opted out is `bo_nord` or
`cy_west`. Nothing that may be shown once she has opted out holds any of TRACES.
"""

from __future__ import annotations

from support import lines
from support.lines import CHANNEL_ID, EVENING_MS

ADA, BO, CY = 77_001_501, 502, 503
SECRET = "plumduff"
TRACES = ("ada_lift", "ada_before", "aida new", str(ADA), SECRET)
DEMO_ID = 9002

BO_SAID = 40

_BO = {"user_id": BO, "login": "bo_nord"}
_ADA_REPLIED = {
    "reply-parent-display-name": "Ada_Lift",
    "reply-parent-msg-body": f"they\\ssay\\s{SECRET}",
    "reply-parent-msg-id": lines.message_id(101),
    "reply-parent-user-id": str(ADA),
    "reply-parent-user-login": "ada_lift",
    "reply-thread-parent-msg-id": lines.message_id(101),
    "reply-thread-parent-user-login": "ada_lift",
}
_GIVEN = {"display_name": "Bo_Nord", "login": "bo_nord", "user_id": str(BO)}


def _ada(text: str, number: int, *, login: str = "ada_lift", **more: object) -> str:
    at = EVENING_MS + number * 1000
    return lines.privmsg(f"{text} {SECRET}", number=number, sent_ms=at, user_id=ADA, login=login, **more)  # type: ignore[arg-type]


def hers() -> list[str]:
    """Give the lines that are hers: she wrote them, they hit her, or she was given something."""
    return [
        _ada("under another name", 100, login="ada_before"),
        _ada("they say", 101),
        lines.privmsg(
            f"\x01ACTION waves {SECRET}\x01", number=102, sent_ms=EVENING_MS + 102_000, user_id=ADA, login="ada_lift"
        ),
        _ada("elsewhere", 103, channel_id=DEMO_ID, channel="demo"),
        lines.usernotice(SECRET, number=104, sent_ms=EVENING_MS + 104_000, user_id=str(ADA)),
        lines.gift(number=105, sent_ms=EVENING_MS + 105_000, user_id=str(ADA)),
        lines.gift(
            number=106, sent_ms=EVENING_MS + 106_000, **_GIVEN, msg_param_recipient_id=str(ADA),
            msg_param_recipient_user_name="ada_lift", msg_param_recipient_display_name="Ada_Lift",
            system_msg="Bo_Nord\\sgifted\\sa\\sTier\\s1\\ssub\\sto\\sAda_Lift!",
        ),
        lines.clearchat("ada_lift", user_id=ADA, sent_ms=EVENING_MS + 107_000),
        lines.without(lines.clearchat("ada_lift", user_id=ADA, sent_ms=EVENING_MS + 108_000), "target-user-id"),
        lines.clearmsg(lines.message_id(101), f"they say {SECRET}", sent_ms=EVENING_MS + 109_000).replace(
            "room-id=", f"room-id={CHANNEL_ID}"
        ),
        # Next month, too: another bucket of her logs.
        lines.privmsg(SECRET, number=110, sent_ms=EVENING_MS + 31 * 86_400_000, user_id=ADA, login="ada_lift"),
    ]  # fmt: skip


def quoting() -> list[str]:
    """Give the lines of others that quote or name her."""
    answered = lines.privmsg(
        "@Ada_Lift no way",
        number=201,
        sent_ms=EVENING_MS + 201_000,
        **_BO,
        **_ADA_REPLIED,  # type: ignore[arg-type]
    )
    thread = {
        "reply-parent-display-name": "Cy_West",
        "reply-parent-msg-body": "so\\sit\\sis",
        "reply-parent-msg-id": lines.message_id(202),
        "reply-parent-user-id": str(CY),
        "reply-parent-user-login": "cy_west",
        "reply-thread-parent-display-name": "Ada_Lift",
        "reply-thread-parent-msg-id": lines.message_id(101),
        "reply-thread-parent-user-id": str(ADA),
        "reply-thread-parent-user-login": "ada_lift",
    }
    # Its tags are in an odd order, so the line is kept as it is beside the columns.
    tags, _, rest = answered.replace(lines.message_id(201), lines.message_id(203))[1:].partition(" ")
    odd = "@" + ";".join(sorted(tags.split(";"), reverse=True)) + " " + rest
    return [
        answered,
        lines.privmsg("@cy_west yes", number=202, sent_ms=EVENING_MS + 202_000, **_BO, **thread),  # type: ignore[arg-type]
        odd,
        lines.usernotice(
            number=204, sent_ms=EVENING_MS + 204_000, **_GIVEN, msg_id="giftpaidupgrade",
            msg_param_sender_login="ada_lift", msg_param_sender_name="Ada_Lift",
            system_msg="Bo_Nord\\sis\\scontinuing\\sthe\\sGift\\sSub\\sthey\\sgot\\sfrom\\sAda_Lift!",
        ),
        lines.usernotice(
            number=205, sent_ms=EVENING_MS + 205_000, **_GIVEN, msg_id="communitypayforward",
            msg_param_prior_gifter_id=str(ADA), msg_param_prior_gifter_user_name="ada_lift",
            msg_param_prior_gifter_display_name="Aida\\sNew",
            system_msg="Bo_Nord\\sis\\spaying\\sforward\\sthe\\sGift\\sthey\\sgot\\sfrom\\sAida\\sNew!",
        ),
    ]  # fmt: skip


def of_others() -> list[str]:
    """Give lines that have nothing to do with her, all around hers."""
    return [
        lines.privmsg(
            f"number {number}",
            number=300 + number,
            sent_ms=EVENING_MS + 98_000 + number * 400,
            user_id=(BO, CY)[number % 2],
            login=("bo_nord", "cy_west")[number % 2],
        )
        for number in range(2 * BO_SAID)
    ] + [
        lines.privmsg("hi", number=399, sent_ms=EVENING_MS, channel_id=DEMO_ID, channel="demo", **_BO),  # type: ignore[arg-type]
        lines.privmsg("later", number=400, sent_ms=EVENING_MS + 31 * 86_400_000 + 1, **_BO),  # type: ignore[arg-type]
    ]


def everything() -> list[str]:
    """Give all of them."""
    return [*hers(), *quoting(), *of_others()]
