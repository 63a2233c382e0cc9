from __future__ import annotations

import orjson
import pytest
from support import lines

from app import render
from app.json import dump
from app.models import MessageBody
from store.message import Message
from store.tags import of_line


def shown(line: str, **more) -> dict:
    return orjson.loads(dump(render.as_json(Message.parse(line, **more))))


def test_something_said():
    line = lines.privmsg("good  evening", display_name="Ada_Lift")
    message = Message.parse(line)
    assert shown(line) == {
        "sent": str(message.sent),
        "id": lines.message_id(1),
        "type": "privmsg",
        "timestamp": "2026-03-01T21:30:00.000Z",
        "channel": {"id": "9001", "login": "moonbase"},
        "user": {"id": "501", "login": "ada_lift", "displayName": "Ada_Lift"},
        "text": "good  evening",
        "systemText": "",
        "tags": message.tags,
        "raw": line,
    }
    assert render.as_text(message) == "[2026-03-01 21:30:00] #moonbase ada_lift: good  evening"
    assert render.as_raw(message) == line.encode()


EVENTS = [
    (lines.clearchat(seconds=600), "ada_lift has been timed out for 600 seconds", "ada_lift: "),
    (lines.clearchat(seconds=600).replace(" :ada_lift", " ada_lift"),
     "ada_lift has been timed out for 600 seconds", "ada_lift: "),
    (lines.clearchat(seconds=None), "ada_lift has been banned", "ada_lift: "),
    (lines.clearchat(None), "Chat has been cleared", ""),
    (lines.usernotice(), "Ada_Lift subscribed for 7 months!", "ada_lift: "),
    (lines.usernotice(system_msg="", msg_id="announcement"), "", "ada_lift: "),
]  # fmt: skip


@pytest.mark.parametrize(("line", "sentence", "who"), EVENTS)
def test_an_event_is_a_sentence(line, sentence, who):
    assert shown(line)["systemText"] == sentence
    assert shown(line)["text"] == ""
    assert render.as_text(Message.parse(line)) == f"[2026-03-01 21:30:00] #moonbase {who}{sentence}"


def test_a_subscription_shows_its_sentence_and_what_was_said_with_it():
    line = lines.usernotice("seven already")
    assert render.as_text(Message.parse(line)).endswith("ada_lift: Ada_Lift subscribed for 7 months! seven already")
    assert shown(line)["text"] == "seven already"


def test_an_announcement_has_no_space_before_its_text():
    line = lines.usernotice("the stream ends at ten", system_msg="", msg_id="announcement")
    assert render.as_text(Message.parse(line)).endswith("#moonbase ada_lift: the stream ends at ten")


def test_a_deleted_message_is_told_with_its_text():
    line = lines.clearmsg(lines.message_id(5), "oops")
    assert render.as_text(Message.parse(line, channel_id=9001)).endswith(
        "#moonbase ada_lift: A message from ada_lift was deleted oops"
    )


@pytest.mark.parametrize(
    ("said", "text", "action"),
    [
        ("\x01ACTION waves at chat\x01", "waves at chat", True),
        ("\x01ACTION waves", "waves", True),
        ("\x01ACTION \x01", "", True),
        ("\x01ACTIONwaves\x01", "\x01ACTIONwaves\x01", None),
    ],
)
def test_a_me_is_shown_without_its_wrapper_and_marked(said, text, action):
    found = shown(lines.privmsg(said))
    assert (found["text"], found.get("action"), found["raw"]) == (text, action, lines.privmsg(said))


@pytest.mark.parametrize(
    "said",
    [
        "again \U000e0000",
        ": leading colon",
        " leading space",
        "two  spaces ",
        "e\u0301 is not \u00e9",
        "abc \u202e cba \u200d",
        "a\u2028b\u2029c\u0085d\x0be\x0cf",
        "nul \x00 and bell \x07",
        "\U0001f600" * 500,
    ],
)
def test_text_is_never_folded_or_split(said):
    line = lines.privmsg(said)
    message = Message.parse(line)
    assert shown(line)["text"] == said
    assert render.as_raw(message) == line.encode()
    assert render.as_text(message).endswith(f"ada_lift: {said}")
    assert b"\n" not in dump(render.as_json(message))


def test_a_line_end_that_a_tag_stands_for_breaks_no_line():
    line = lines.usernotice(system_msg="one\\r\\ntwo\\nthree\\:\\\\")
    text = render.as_text(Message.parse(line))
    assert text.endswith("ada_lift: one two three;\\")
    assert shown(line)["systemText"] == "one\r\ntwo\nthree;\\"
    assert shown(line)["tags"]["system-msg"] == "one\r\ntwo\nthree;\\"
    assert b"\n" not in dump(render.as_json(Message.parse(line)))


@pytest.mark.parametrize(("name", "displayed"), [("비서91", "비서91"), ("", "ada_lift"), ("Ada\\s", "Ada ")])
def test_the_login_stays_and_the_display_name_is_shown(name, displayed):
    line = lines.privmsg("hi", display_name=name)
    assert shown(line)["user"] == {"id": "501", "login": "ada_lift", "displayName": displayed}
    assert "#moonbase ada_lift: hi" in render.as_text(Message.parse(line))


def test_a_time_of_reading_is_marked():
    line = lines.without(lines.privmsg("no time"), "tmi-sent-ts")
    found = shown(line, received_ms=lines.EVENING_MS)
    assert (found["timestamp"], found["timestampSource"]) == ("2026-03-01T21:30:00.000Z", "received")
    assert "timestampSource" not in shown(lines.privmsg("a time"))


def test_bytes_that_are_no_utf8_are_raw_as_they_were_and_readable_elsewhere():
    sent = lines.privmsg("caf").encode() + b"\xe9"
    line = sent.decode("utf-8", "surrogateescape")
    message = Message.parse(line)
    assert render.as_raw(message) == sent
    assert shown(line)["text"] == "caf\ufffd"
    assert shown(line)["raw"].endswith("caf\ufffd")
    assert render.as_text(message).encode().endswith("caf\ufffd".encode())


TAGS = [
    lines.privmsg("plain"),
    lines.gift(),
    lines.without(lines.privmsg("x"), "tmi-sent-ts", "id"),
    "@badges;color;display-name=V;room-id=9001;tmi-sent-ts=1772400600000 :v!v@v.tmi.twitch.tv PRIVMSG #moonbase :k",
    "@a=b=c;a=d;room-id=9001;tmi-sent-ts=1772400600000 :v!v@v.tmi.twitch.tv PRIVMSG #moonbase :equals",
    ":v!v@v.tmi.twitch.tv PRIVMSG #moonbase :no tags; at=all",
]


@pytest.mark.parametrize("line", TAGS)
def test_the_short_way_to_the_tags_gives_the_same_tags(line):
    found = shown(line, channel_id=9001, received_ms=lines.EVENING_MS)
    assert found["tags"] == of_line(line)
    MessageBody.model_validate(found)
