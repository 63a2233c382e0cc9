from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import lines

from store.errors import LineError, UnstorableMessage
from store.message import Message, MessageType

KINDS = [
    lines.privmsg("good evening"),
    lines.privmsg("\x01ACTION waves\x01"),
    lines.privmsg("hi", client_nonce="00112233445566778899aabbccddeeff"),
    lines.privmsg("hi", color="", badges="", badge_info="", display_name=""),
    lines.privmsg("Kappa", emotes="25:0-4", emote_only="1", mod="1", user_type="mod", vip="1"),
    lines.privmsg("@Bo_Nord yes", reply_parent_msg_body="is\\sit\\slive\\:\\snow?", reply_parent_user_id="502"),
    lines.privmsg("from next door", source_room_id="77", source_id=lines.message_id(9), source_badges=""),
    lines.usernotice(),
    lines.usernotice("seven months already"),
    lines.usernotice("starts at 8 : see you", msg_id="announcement", system_msg=""),
    lines.gift(),
    lines.clearchat(),
    lines.clearchat(seconds=None),
    lines.clearchat(None),
    lines.clearmsg(lines.message_id(1)),
]


@pytest.mark.parametrize("line", KINDS)
def test_every_kind_of_line_is_rebuilt_from_its_columns(line):
    message = Message.parse(line, channel_id=lines.CHANNEL_ID)
    assert message.exact is None
    assert message.line == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "PING :tmi.twitch.tv",
        ":tmi.twitch.tv 001 justinfan1 :Welcome, GLHF!",
        "@emote-sets=0;user-id=1 :tmi.twitch.tv GLOBALUSERSTATE",
        "@user-id=1 :w!w@w.tmi.twitch.tv WHISPER bot :psst",
        "PRIVMSG",
        "PRIVMSG #x",
        "@ PRIVMSG #x :y",
        "@;;=;; :a PRIVMSG #x :y",
        "@mod=0;mod=1 :a!a@a.tmi.twitch.tv PRIVMSG #x :y",
        "@login= :tmi.twitch.tv CLEARCHAT #x",
        "@id=6BA7B810-9DAD-41D1-80B4-00C04FD430C8 :a!a@a.tmi.twitch.tv PRIVMSG #x :upper case",
        "@id=6ba7b810-9dad-41d1-00b4-00c04fd430c8 :a!a@a.tmi.twitch.tv PRIVMSG #x :another variant",
        "@tmi-sent-ts=0;room-id=-1;user-id=٣ :a!a@a.tmi.twitch.tv PRIVMSG #x :odd numbers",
        "@color=#12345g;client-nonce=xyz :a!a@a.tmi.twitch.tv PRIVMSG #x :odd values",
        "@display-name=a\\ :a!a@a.tmi.twitch.tv PRIVMSG #x :lone escape",
        ":!@.tmi.twitch.tv CLEARCHAT x",
        ":a!a@a.tmi.twitch.tv PRIVMSG #x y",
        ":a!a@a.tmi.twitch.tv PRIVMSG #x :inner\rreturn",
        ":a!a@a.tmi.twitch.tv PRIVMSG #x :\x00\x07\u2028\u0085\x0b\x0c",
    ],
)
def test_odd_lines_give_themselves_back(line):
    assert Message.parse(line).line == line


def test_bytes_that_are_no_utf8_come_back_as_they_were():
    raw = b":a!a@a.tmi.twitch.tv PRIVMSG #x :caf\xe9 \xf0\x9f\x94"
    message = Message.parse(raw.decode("utf-8", "surrogateescape"))
    assert message.line.encode("utf-8", "surrogateescape") == raw
    assert message.text == "caf\ufffd \ufffd"


TAG_NAMES = st.sampled_from(
    ["badge-info", "badges", "client-nonce", "color", "display-name", "emotes", "flags", "id", "login", "mod",
     "room-id", "subscriber", "system-msg", "target-user-id", "tmi-sent-ts", "user-id", "user-type", "x", "msg-id", ""]
)  # fmt: skip
TAG_VALUES = st.one_of(
    st.sampled_from(["", "0", "1", "mod", "#FF00aa", "#FF00AA", lines.message_id(3), "00" * 16, "007", "a\\sb", "\\"]),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r; "), max_size=12),
    st.integers(0, 2**70).map(str),
)
TAGS = st.lists(st.tuples(TAG_NAMES, TAG_VALUES, st.booleans()), max_size=12).map(
    lambda rows: ";".join(f"{name}={value}" if has_value else name for name, value, has_value in rows)
)
WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)
LINES = st.builds(
    lambda tags, at, prefix, command, rest: f"{at}{tags} {prefix} {command} {rest}",
    TAGS,
    st.sampled_from(["@", ""]),
    st.sampled_from([":tmi.twitch.tv", ":a!a@a.tmi.twitch.tv", ":a", ""]),
    st.sampled_from(["PRIVMSG", "USERNOTICE", "CLEARCHAT", "CLEARMSG", "NOTICE", "privmsg", ""]),
    st.one_of(WORDS, WORDS.map(lambda text: f"#x :{text}"), WORDS.map(lambda text: f"#x :\x01ACTION {text}\x01")),
)


@given(st.one_of(LINES, WORDS))
@example("@login :tmi.twitch.tv CLEARCHAT #x")
def test_no_line_is_changed_by_parsing(line):
    assert Message.parse(line).line == line


@given(LINES)
def test_the_tags_are_those_of_the_line(line):
    assert set(Message.parse(line).tags) == {
        pair.partition("=")[0] for pair in line[1:].partition(" ")[0].split(";") if line.startswith("@")
    }


@pytest.mark.parametrize("text", ["two\nlines", "lone \ud800 surrogate"])
def test_what_is_no_line_is_refused_with_a_sentence(text):
    with pytest.raises(LineError, match="line"):
        Message.parse(text)


def test_columns_of_something_said():
    message = Message.parse(lines.privmsg("good evening", number=4))
    assert message.type is MessageType.PRIVMSG
    assert (message.channel_id, message.channel_login) == (lines.CHANNEL_ID, lines.CHANNEL)
    assert (message.author_id, message.login, message.shown_name) == (501, "ada_lift", "Ada_Lift")
    assert (message.text, message.color, message.badges) == ("good evening", 0x1E90FF, "subscriber/6,premium/1")
    assert message.id == lines.message_id(4)
    assert message.sent_ms == lines.EVENING_MS
    assert not message.time_is_receipt
    assert message.users == (501,)


@pytest.mark.parametrize(
    ("said", "text", "is_action"),
    [
        ("\x01ACTION waves\x01", "waves", True),
        ("\x01ACTION\x01", "\x01ACTION\x01", False),
        ("\x01ACTION \x01", "", True),
        ("\x01ACTION no end mark", "no end mark", True),
    ],
)
def test_only_the_wrapper_that_is_there_is_taken_off(said, text, is_action):
    message = Message.parse(lines.privmsg(said))
    assert (message.text, message.is_action) == (text, is_action)
    assert message.exact is None


@pytest.mark.parametrize(("said", "text"), [(":) hi", ":) hi"), (":::", ":::"), (" x  y ", " x  y "), ("", "")])
def test_just_one_colon_and_no_space_is_taken_off(said, text):
    assert Message.parse(lines.privmsg(said)).text == text


def test_a_display_name_keeps_its_spaces_and_the_system_text_its_escapes():
    message = Message.parse(lines.usernotice(display_name="Ada\\sLift\\s", system_msg="Ada\\sLift\\s\\sgifted\\:\\\\"))
    assert message.shown_name == "Ada Lift "
    assert message.system_text == "Ada Lift  gifted;\\"


def test_a_tag_without_a_value_is_an_empty_one():
    message = Message.parse("@color;display-name=V;room-id=1;tmi-sent-ts=5 :v!v@v.tmi.twitch.tv PRIVMSG #x :hi")
    assert (message.tags["color"], message.color) == ("", None)


def test_a_gift_stands_in_two_users_logs_once_each():
    assert Message.parse(lines.gift()).users == (501, 502)
    assert Message.parse(lines.gift(msg_param_recipient_id="501")).users == (501,)


def test_a_clearchat_stands_in_the_log_of_whom_it_hit():
    message = Message.parse(lines.clearchat(seconds=600))
    assert (message.users, message.login, message.ban_seconds, message.text) == ((501,), "ada_lift", 600, None)
    assert Message.parse(lines.clearchat(None)).users == ()


def test_a_second_look_at_a_line_gives_the_same_key():
    line = lines.privmsg("once")
    assert Message.parse(line).sent == Message.parse(line).sent
    assert Message.parse(line).sent.version == 1


def test_a_back_filled_copy_has_the_key_of_the_live_one():
    live = lines.privmsg("once", number=8)
    copy = live.replace("@", "@rm-received-ts=1772400600200;historical=1;", 1)
    assert Message.parse(live).sent == Message.parse(copy).sent


def test_an_event_without_id_is_one_event_however_its_line_is_written():
    plain = lines.clearchat("ada_lift", seconds=30)
    unmarked = plain.replace(" :ada_lift", " ada_lift").replace("@", "@historical=1;", 1)
    assert Message.parse(plain).sent == Message.parse(unmarked).sent
    assert Message.parse(plain).sent != Message.parse(lines.clearchat("ada_lift", seconds=31)).sent


def test_equal_old_lines_of_a_file_are_told_apart_by_their_occurrence():
    old = lines.without(lines.privmsg("gg"), "id")
    keys = {Message.parse(old, occurrence=occurrence).sent for occurrence in (0, 1, 2, 1)}
    assert len(keys) == 3


def test_an_id_that_cannot_be_half_a_key_is_kept_all_the_same():
    odd = lines.privmsg("hi", id="00000000-0000-0000-0000-000000000001")
    message = Message.parse(odd)
    assert message.id == "00000000-0000-0000-0000-000000000001"
    assert message.line == odd
    assert message.sent.variant == "specified in RFC 4122"


def test_the_time_of_receipt_is_used_and_marked_where_the_line_has_none():
    line = lines.without(lines.privmsg("no time"), "tmi-sent-ts")
    message = Message.parse(line, received_ms=1234)
    assert (message.sent_ms, message.time_is_receipt, message.line) == (1234, True, line)
    stamped = line.replace("@", "@rm-received-ts=99;", 1)
    assert Message.parse(stamped, received_ms=1234).sent_ms == 99


@pytest.mark.parametrize("room", ["0", "", "x", None])
def test_the_joined_channel_stands_in_for_a_missing_room(room):
    line = lines.without(lines.privmsg("hi"), "room-id") if room is None else lines.privmsg("hi", room_id=room)
    message = Message.parse(line, channel_id=77)
    assert (message.channel_id, message.line, message.unstorable) == (77, line, None)
    assert "channel" in (Message.parse(line).unstorable or "")


def test_what_has_no_place_in_a_log_says_why():
    assert "PRIVMSG" in (Message.parse("PING :x").unstorable or "")
    timeless = Message.parse(lines.without(lines.privmsg("hi"), "tmi-sent-ts"))
    assert "tmi-sent-ts" in (timeless.unstorable or "")
    with pytest.raises(UnstorableMessage):
        _ = timeless.sent


def test_a_message_cannot_be_changed():
    with pytest.raises(AttributeError, match="immutable"):
        Message.parse(lines.privmsg("hi")).text = "bye"  # type: ignore[misc]


def test_unknown_tags_never_reject_a_line():
    odd = {f"msg_param_{letter}": "\\s" for letter in string.ascii_lowercase}
    assert Message.parse(lines.usernotice(**odd)).unstorable is None
