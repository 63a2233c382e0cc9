from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lines
from support.notifications import (
    badge,
    emote,
    notice,
    notification,
    room,
    said,
    target,
    words,
)

from ingest.errors import NotificationError
from ingest.eventsub_line import SUBSCRIPTION_TYPES, line_of, sent_ms
from ingest.eventsub_notice import NOTICES
from store.message import Message, MessageType

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "eventsub"

UNSAID = ("first-msg", "flags", "returning-chatter", "turbo")
"""Tags of a PRIVMSG of which EventSub says nothing."""


def tags_of(whole):
    return Message.parse(line_of(whole)).tags


def carried(text):
    """Give what a tag can carry of a text: no NUL, no half of a surrogate pair."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def test_what_was_said_is_the_line_that_irc_carries_but_for_tags_that_eventsub_does_not_know():
    assert line_of(said("hello; there, Ünïcode 🫣")) == lines.without(
        lines.privmsg("hello; there, Ünïcode 🫣", number=1), *UNSAID
    )


def test_the_same_message_at_the_same_time_has_the_same_place_as_over_irc():
    over_irc, over_eventsub = Message.parse(lines.privmsg("hello")), Message.parse(line_of(said("hello")))
    assert over_eventsub.sent == over_irc.sent
    assert over_eventsub.id == over_irc.id
    # The time is when the notification was sent, and so the place is another one when that is another millisecond.
    assert Message.parse(line_of(said("hello", at_ms=lines.EVENING_MS + 87))).sent != over_irc.sent


def test_the_columns_of_a_message():
    message = Message.parse(line_of(said("hi", chatter_user_name="エイダ", number=7)))
    assert (message.type, message.sent_ms, message.id) == (MessageType.PRIVMSG, lines.EVENING_MS, lines.message_id(7))
    assert (message.channel_id, message.channel_login) == (lines.CHANNEL_ID, lines.CHANNEL)
    assert (message.author_id, message.login, message.display_name) == (501, "ada_lift", "エイダ")
    assert (message.text, message.color) == ("hi", 0x1E90FF)
    assert (message.badges, message.badge_info) == ("subscriber/6,premium/1", "subscriber/7")
    assert message.exact is None  # the columns rebuild the line: the tags stand in Twitch's order


def test_me_is_an_action_and_its_emotes_are_counted_without_the_wrapper():
    whole = said("\x01ACTION waves Kappa\x01", words("waves "), emote("Kappa", "25"))
    message = Message.parse(line_of(whole))
    assert line_of(whole).endswith(f"PRIVMSG #{lines.CHANNEL} :\x01ACTION waves Kappa\x01")
    assert message.is_action
    assert (message.text, message.emotes) == ("waves Kappa", "25:6-10")


def test_emotes_are_found_in_code_points():
    whole = said("🫣é Kappa Keepo Kappa", words("🫣é "), emote("Kappa", "25"), words(" "), emote("Keepo", "1902"),
                 words(" "), emote("Kappa", "25"))  # fmt: skip
    assert tags_of(whole)["emotes"] == "25:3-7,15-19/1902:9-13"


def test_fragments_that_do_not_add_up_to_the_text_still_find_their_emotes():
    whole = said("so  many Kappa", words("so many "), emote("Kappa", "25"), emote("Gone", "9"))
    assert tags_of(whole)["emotes"] == "25:9-13"


@given(st.lists(st.tuples(st.booleans(), st.text(min_size=1, max_size=5)), max_size=8))
def test_every_emote_of_any_text_stands_where_its_range_says(pieces):
    fragments = [emote(text, f"e{n}") if is_emote else words(text) for n, (is_emote, text) in enumerate(pieces)]
    text = "".join(piece for _, piece in pieces)
    message = Message.parse(line_of(said(text, *fragments)))
    wanted = {f"e{n}": piece for n, (is_emote, piece) in enumerate(pieces) if is_emote}
    found = {}
    for each in filter(None, (message.emotes or "").split("/")):
        name, _, span = each.partition(":")
        start, end = map(int, span.split("-"))
        found[name] = text[start : end + 1]
    assert found == wanted


@given(st.text(alphabet=st.characters(), max_size=60), st.text(alphabet=st.characters(), max_size=10))
def test_any_text_and_name_is_one_line_with_the_tags_it_should_have(text, name):
    line = line_of(said(text, chatter_user_name=name, reply={"parent_message_id": "x", "parent_message_body": text}))
    assert not set(line) & {"\r", "\n", "\0"}
    message = Message.parse(line)
    assert message.line == line
    assert message.channel_id == lines.CHANNEL_ID
    shown = message.tags
    assert shown["display-name"] == carried(name)
    assert shown["reply-parent-msg-body"] == carried(text)


def test_half_a_surrogate_pair_does_no_harm():
    whole = json.loads(json.dumps(said("x")).replace('"x"', '"\\ud83d broken"'))
    assert Message.parse(line_of(whole)).text == "? broken"


def test_line_ends_become_spaces_and_ranges_hold():
    whole = said("a\r\nb Kappa", words("a\r\nb "), emote("Kappa", "25"))
    message = Message.parse(line_of(whole))
    assert (message.text, message.emotes) == ("a  b Kappa", "25:5-9")


@pytest.mark.parametrize(
    ("badges", "wanted"),
    [
        ([], {"mod": "0", "subscriber": "0", "user-type": "", "badges": "", "badge-info": ""}),
        ([badge("moderator"), badge("founder", "0", "9")], {"mod": "1", "subscriber": "1", "user-type": "mod"}),
        ([badge("broadcaster"), badge("staff")], {"mod": "0", "user-type": "staff", "badges": "broadcaster/1,staff/1"}),
        ([badge("vip"), badge("predictions", "blue-1", "yes; please")],
         {"vip": "1", "badge-info": "predictions/yes; please"}),
    ],
)  # fmt: skip
def test_what_badges_tell(badges, wanted):
    found = tags_of(said("x", badges=badges))
    assert found | wanted == found
    assert ("vip" in found) == ("vip" in wanted)


def test_bits_replies_rewards_and_shared_chat():
    reply = {
        "parent_message_id": lines.message_id(3), "parent_message_body": "what; now", "parent_user_id": "502",
        "parent_user_name": "Bo_Nord", "parent_user_login": "bo_nord", "thread_message_id": lines.message_id(2),
        "thread_user_id": "503", "thread_user_name": "Cy", "thread_user_login": "cy",
    }  # fmt: skip
    found = tags_of(said(
        "cheer100", cheer={"bits": 100}, reply=reply, channel_points_custom_reward_id="r1",
        message_type="channel_points_highlighted", source_broadcaster_user_id="9002", source_message_id="s1",
        source_badges=[badge("subscriber", "3", "4")], is_source_only=False,
    ))  # fmt: skip
    assert found.items() >= {
        "bits": "100", "custom-reward-id": "r1", "msg-id": "highlighted-message",
        "reply-parent-msg-id": lines.message_id(3), "reply-parent-msg-body": "what; now",
        "reply-parent-user-id": "502", "reply-parent-user-login": "bo_nord", "reply-parent-display-name": "Bo_Nord",
        "reply-thread-parent-msg-id": lines.message_id(2), "reply-thread-parent-user-id": "503",
        "reply-thread-parent-user-login": "cy", "reply-thread-parent-display-name": "Cy",
        "source-room-id": "9002", "source-id": "s1", "source-only": "0",
        "source-badges": "subscriber/3", "source-badge-info": "subscriber/4",
    }.items()  # fmt: skip
    assert not {name for name in tags_of(said("x")) if name.startswith(("bits", "reply", "source", "msg-id", "custom"))}


def test_a_gift_stands_in_both_logs_as_over_irc():
    whole = notice("sub_gift", {
        "duration_months": 1, "cumulative_total": None, "recipient_user_id": "502", "recipient_user_name": "Bo_Nord",
        "recipient_user_login": "bo_nord", "sub_tier": "1000", "community_gift_id": None,
    })  # fmt: skip
    message, over_irc = Message.parse(line_of(whole)), Message.parse(lines.gift())
    assert message.users == over_irc.users == (501, 502)
    assert message.sent == over_irc.sent
    assert message.system_text == "Something; happened!"
    assert message.text is None
    assert message.tags.items() >= {"msg-id": "subgift", "msg-param-gift-months": "1", "vip": "0"}.items()
    assert "msg-param-sender-count" not in message.tags


GIFTER = {
    "gifter_is_anonymous": False, "gifter_user_id": "502",
    "gifter_user_name": "Bo_Nord", "gifter_user_login": "bo_nord",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "details", "wanted"),
    [
        ("sub", {"sub_tier": "1000", "is_prime": True, "duration_months": 1},
         {"msg-id": "sub", "msg-param-sub-plan": "Prime", "msg-param-multimonth-duration": "1"}),
        ("resub", {"cumulative_months": 9, "duration_months": 1, "streak_months": 4, "sub_tier": "3000",
                   "is_prime": False, "is_gift": True, **GIFTER},
         {"msg-id": "resub", "msg-param-cumulative-months": "9", "msg-param-should-share-streak": "1",
          "msg-param-streak-months": "4", "msg-param-sub-plan": "3000", "msg-param-was-gifted": "true",
          "msg-param-anon-gift": "false", "msg-param-gifter-login": "bo_nord"}),
        ("community_sub_gift", {"id": "77", "total": 5, "cumulative_total": 20, "sub_tier": "1000"},
         {"msg-id": "submysterygift", "msg-param-mass-gift-count": "5", "msg-param-sender-count": "20",
          "msg-param-community-gift-id": "77"}),
        ("gift_paid_upgrade", GIFTER, {"msg-id": "giftpaidupgrade", "msg-param-sender-login": "bo_nord"}),
        ("gift_paid_upgrade", {"gifter_is_anonymous": True}, {"msg-id": "anongiftpaidupgrade"}),
        ("prime_paid_upgrade", {"sub_tier": "2000"}, {"msg-id": "primepaidupgrade", "msg-param-sub-plan": "2000"}),
        ("pay_it_forward", GIFTER | {"recipient_user_id": None},
         {"msg-id": "communitypayforward", "msg-param-prior-gifter-user-name": "bo_nord"}),
        ("pay_it_forward", GIFTER | {"recipient_user_id": "503", "recipient_user_login": "cy"},
         {"msg-id": "standardpayforward", "msg-param-recipient-id": "503", "msg-param-recipient-user-name": "cy"}),
        ("raid", {"user_id": "9002", "user_name": "Demo", "user_login": "demo", "viewer_count": 12,
                  "profile_image_url": "https://example.test/p.png"},
         {"msg-id": "raid", "msg-param-viewerCount": "12", "msg-param-login": "demo", "msg-param-displayName": "Demo"}),
        ("unraid", {}, {"msg-id": "unraid"}),
        ("announcement", {"color": "BLUE"}, {"msg-id": "announcement", "msg-param-color": "BLUE"}),
        ("bits_badge_tier", {"tier": 1000}, {"msg-id": "bitsbadgetier", "msg-param-threshold": "1000"}),
        ("charity_donation", {"charity_name": "Otters",
                              "amount": {"value": 550, "decimal_place": 2, "currency": "USD"}},
         {"msg-id": "charitydonation", "msg-param-donation-amount": "550", "msg-param-exponent": "2"}),
        ("watch_streak", {"streak_count": 15, "channel_points_awarded": 450},
         {"msg-id": "viewermilestone", "msg-param-category": "watch-streak", "msg-param-value": "15"}),
        ("shared_chat_raid", {"user_login": "demo", "viewer_count": 12},
         {"msg-id": "sharedchatnotice", "source-msg-id": "raid", "msg-param-viewerCount": "12"}),
        ("new_thing", {"cats": 3, "is_big": True, "inner": {"x": 1}},
         {"msg-id": "new_thing", "msg-param-cats": "3", "msg-param-is-big": "true"}),
        ("unknown", None, {"msg-id": "unknown"}),
    ],
)  # fmt: skip
def test_what_a_notice_says_is_what_irc_says(kind, details, wanted):
    message = Message.parse(line_of(notice(kind, details, text="yay")))
    assert message.type is MessageType.USERNOTICE
    assert message.text == "yay"
    found = {name: value for name, value in message.tags.items() if name in wanted}
    assert found == wanted
    assert "None" not in message.tags.values()


def test_every_kind_of_notice_has_a_case_above():
    cases = test_what_a_notice_says_is_what_irc_says.pytestmark[0].args[1]
    assert {kind for kind, _, _ in cases} | {"sub_gift"} >= set(NOTICES)


def test_who_gives_anonymously_is_named_as_irc_names_them():
    whole = notice("community_sub_gift", {"id": "7", "total": 1, "cumulative_total": None, "sub_tier": "1000"},
                   chatter_is_anonymous=True, chatter_user_id=None, chatter_user_login=None, chatter_user_name=None,
                   color="", badges=[])  # fmt: skip
    message = Message.parse(line_of(whole))
    assert (message.author_id, message.login, message.display_name) == (
        274598607, "ananonymousgifter", "AnAnonymousGifter",
    )  # fmt: skip


def test_what_moderators_do():
    assert line_of(notification("channel.chat.clear", room())) == lines.clearchat(None)
    # EventSub does not say how long a time-out lasts, nor that it was one.
    cleared = notification("channel.chat.clear_user_messages", room() | target())
    assert line_of(cleared) == lines.clearchat("ada_lift", seconds=None)
    deleted = notification("channel.chat.message_delete", room() | target() | {"message_id": lines.message_id(3)})
    message = Message.parse(line_of(deleted))
    assert (message.type, message.channel_id, message.login) == (MessageType.CLEARMSG, lines.CHANNEL_ID, "ada_lift")
    assert message.tags["target-msg-id"] == lines.message_id(3)
    assert message.text is None


def test_a_time_is_read_to_the_millisecond():
    assert sent_ms("2026-03-01T21:30:00.123999999Z") == lines.EVENING_MS + 123
    assert sent_ms("2026-03-01T21:30:00Z") == lines.EVENING_MS
    with pytest.raises(ValueError, match="time zone"):
        sent_ms("2026-03-01T21:30:00")


@pytest.mark.parametrize(
    "whole",
    [
        {},
        {"metadata": {}, "payload": {}},
        {"metadata": None, "payload": None},
        notification("channel.follow", room()),
        said("x", chatter_user_login="not a login"),
        said("x", broadcaster_user_login="a\r\nb"),
        said("x", badges=[{}]),
        said("x", message=None),
        said("x", color=7),
    ],
)
def test_what_is_no_chat_is_refused_with_a_sentence(whole):
    with pytest.raises(NotificationError, match="notification"):
        line_of(whole)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"the notifications are not there ({CAPTURES})")
def test_notifications_that_others_recorded_have_lines():
    found = set()
    for path in sorted(CAPTURES.glob("channel.chat.*.json")):
        payload = json.loads(path.read_text())
        kind = payload["subscription"]["type"]
        if kind not in SUBSCRIPTION_TYPES:
            continue
        metadata = {"subscription_type": kind, "message_timestamp": "2026-03-01T21:30:00.464757833Z"}
        message = Message.parse(line_of({"metadata": metadata, "payload": payload}))
        assert message.unstorable is None, path.name
        assert message.exact is None, path.name
        assert message.channel_id == int(payload["event"]["broadcaster_user_id"])
        found.add(kind)
    assert found == set(SUBSCRIPTION_TYPES)
