"""What is read on the page in its tests: a long made-up chat, a short one with one of everything, and a hostile one."""

from __future__ import annotations

from ingest.demo import DemoChat
from store.coverage import Span
from store.message import Message
from support import lines

LONG = DemoChat(channels=("demo",), rate=0.08)
_LONG_NUMBERS = range(20_000)
LONG_START_MS = 1_772_272_800_000  # 2026-02-28T10:00:00Z; 20,000 lines later it is 2026-03-03
LONG_END_MS = LONG.time_of(_LONG_NUMBERS[-1], LONG_START_MS)
LONG_GAP = Span(LONG_START_MS + 7_200_000, LONG_START_MS + 7_500_000)

GREMLINS_ID = 9002
"""The channel in which the hostile lines are said."""
NOTICES_ID = 9005


def long_chat() -> list[Message]:
    """Give the long chat, without what was said while nobody listened."""
    unheard = LONG.numbers_between(LONG_GAP.from_ms, LONG_GAP.to_ms, LONG_START_MS)
    made = (LONG.line("demo", number, LONG_START_MS) for number in _LONG_NUMBERS if number not in unheard)
    return [Message.parse(line, channel_id=LONG.channel_id("demo")) for line in made]


def short_chat() -> list[Message]:
    """Give one of everything: a badge, an emote behind an emoji, a /me, a reply, events, removed lines, a link."""
    at = lines.EVENING_MS
    reply = {
        "reply_parent_msg_id": lines.message_id(1),
        "reply_parent_display_name": "Ada_Lift",
        "reply_parent_user_login": "ada_lift",
        "reply_parent_user_id": "501",
        "reply_parent_msg_body": "good\\sevening",
        "reply_thread_parent_msg_id": lines.message_id(1),
    }
    bo: dict[str, object] = {"user_id": 502, "login": "bo_nord"}
    said = [
        lines.privmsg("good evening", number=1, sent_ms=at, badges="moderator/1,subscriber/6", color="#0000FF"),
        lines.privmsg("👩‍🚀🚀 Kappa is here, Kappa", number=2, sent_ms=at + 1000, emotes="25:5-9,20-24", **bo),
        lines.privmsg("\x01ACTION waves Kappa\x01", number=3, sent_ms=at + 2000, emotes="25:6-10", **bo),
        lines.privmsg("@Ada_Lift hello", number=4, sent_ms=at + 3000, **bo, **reply),
        lines.usernotice("still here", number=5, sent_ms=at + 4000),
        lines.usernotice(
            "The next run starts", number=6, sent_ms=at + 5000, msg_id="announcement", system_msg="", login="ada_lift"
        ),
        lines.privmsg("this was removed", number=7, sent_ms=at + 6000, user_id=503, login="cy_rude", color="#FFFF00"),
        lines.privmsg("where is the Straße?", number=8, sent_ms=at + 7000),
        lines.privmsg("look at https://example.org/a?b=<c>", number=9, sent_ms=at + 8000),
        lines.privmsg("and at https://example.org/map", number=10, sent_ms=at + 9000, **bo),
        lines.clearchat("cy_rude", sent_ms=at + 10_000, user_id=503),
    ]
    deleted = lines.clearmsg(lines.message_id(10), sent_ms=at + 11_000, login="bo_nord")
    return [*map(Message.parse, said), Message.parse(deleted, channel_id=lines.CHANNEL_ID)]


def notices() -> dict[str, Message]:
    """Give notices of many kinds, by the word that they are shown with."""
    kinds = {
        "bits": {"msg_id": "bitsbadgetier"},
        "charity": {"msg_id": "charitydonation"},
        "milestone": {"msg_id": "viewermilestone"},
        "sub": {"msg_id": "communitypayforward"},
        "raid": {"msg_id": "sharedchatnotice", "source_msg_id": "raid", "source_room_id": "77"},
        "notice": {"msg_id": "somethingnew"},
    }
    said = {"room_id": str(NOTICES_ID), "system_msg": "so\\sit\\is"}
    made = {
        word: lines.usernotice(number=200 + number, sent_ms=lines.EVENING_MS + number, **said, **tags)
        for number, (word, tags) in enumerate(kinds.items())
    }
    return {word: Message.parse(line.replace(f"#{lines.CHANNEL}", "#harbour")) for word, line in made.items()}


def hostile_chat() -> list[Message]:
    """Give lines that try to be more than text."""
    texts = [
        "<img src=x onerror=\"document.title='owned'\">",
        "<script>document.title='owned'</script>",
        "javascript:alert(1) data:text/html,<script>alert(1)</script>",
        'https://evil.example/"onmouseover="alert(1)',
        "\u202eesrever si siht\u202d \u2066isolated without an end",
        "\u200b\u200c\u200d\u2060\ufeff" * 60,
        "😀" * 500,
        "Z" + "\u0300\u0316\u0489" * 150,
        "W" * 500,
        "﷽" * 30,
    ]
    made = [
        lines.privmsg(
            text,
            number=100 + number,
            sent_ms=lines.EVENING_MS + number,
            channel_id=GREMLINS_ID,
            channel="gremlins",
            login="gremlin",
            display_name="\u202e<b>nilmerg</b>" if number % 2 else "<svg/onload=alert(1)>",
            emotes="25:900-904/../../x:0-1/1:3-1" if number % 3 else "emotesv2_<b>:0-2",
            badges="<b>/1,__proto__/2,subscriber/x",
            color="red;background:url(//evil.example)" if number % 2 else "#zzzzzz",
        )
        for number, text in enumerate(texts)
    ]
    return [Message.parse(line) for line in made]
