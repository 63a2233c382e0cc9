from __future__ import annotations

import orjson
import pytest
from support import lines

from app import render as shared
from app.compatible.params import Form
from app.compatible.render import WRITINGS, basic, full
from app.times import rfc3339_brief
from store.message import Message

SAID = [
    "good  evening",
    ": leading colon",
    " leading space and two after  ",
    "again \U000e0000",
    "abc \u202e cba \u200d \u2066x\u2069",
    "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei",
    "nul \x00 and bell \x07",
    "a lone \r in the middle",
    "\U0001f600" * 500,
    '{"json":"\\n"}',
]


@pytest.mark.parametrize("said", SAID)
def test_one_message_is_one_line_in_every_form_and_its_text_is_kept(said):
    line = lines.privmsg(said)
    message = Message.parse(line)
    written = {form: writing.line(message) for form, writing in WRITINGS.items()}
    assert written[Form.RAW] == line.encode()
    assert all(b"\n" not in one for one in written.values())
    assert not any(b"\r" in one for form, one in written.items() if form is not Form.RAW)
    assert orjson.loads(written[Form.JSON])["text"] == said
    assert orjson.loads(written[Form.JSON])["raw"] == line
    assert orjson.loads(written[Form.NDJSON])["text"] == said
    text = f"[2026-03-01 21:30:00] #moonbase ada_lift: {said}".replace("\r", " ")
    assert written[Form.TEXT].decode() == text


def test_a_line_end_that_a_tag_stands_for_breaks_no_line_and_stays_in_json():
    message = Message.parse(lines.usernotice(system_msg="one\\r\\ntwo\\nthree", display_name="A\\nB"))
    written = {form: writing.line(message) for form, writing in WRITINGS.items()}
    assert not any(b"\n" in one or b"\r" in one for one in written.values())
    assert written[Form.TEXT].endswith(b"ada_lift: one two three")
    found = orjson.loads(written[Form.JSON])
    assert (found["text"], found["systemText"], found["displayName"]) == (*["one\r\ntwo\nthree"] * 2, "A\nB")


def test_bytes_that_are_no_utf8_are_raw_as_they_were_and_readable_elsewhere():
    sent = lines.privmsg("caf").encode() + b"\xe9"
    message = Message.parse(sent.decode("utf-8", "surrogateescape"))
    assert WRITINGS[Form.RAW].line(message) == sent
    assert full(message)["text"] == "caf\ufffd"
    for form in (Form.TEXT, Form.JSON, Form.NDJSON):
        assert "caf\ufffd" in WRITINGS[form].line(message).decode()


@pytest.mark.parametrize(
    ("line", "text", "system_text", "username", "shown"),
    [
        (lines.privmsg("\x01ACTION waves\x01"), "waves", "", "ada_lift", "Ada_Lift"),
        (lines.privmsg("x", display_name=""), "x", "", "ada_lift", "ada_lift"),
        (lines.privmsg("x", display_name="비서91"), "x", "", "ada_lift", "비서91"),
        (lines.clearchat(seconds=600), *["ada_lift has been timed out for 600 seconds"] * 2, "ada_lift", "ada_lift"),
        (lines.clearchat().replace(" :ada", " ada"), *["ada_lift has been timed out for 600 seconds"] * 2,
         "ada_lift", "ada_lift"),
        (lines.clearchat(seconds=None), *["ada_lift has been banned"] * 2, "ada_lift", "ada_lift"),
        (lines.clearchat(None), *["Chat has been cleared"] * 2, "", ""),
        (lines.usernotice(), *["Ada_Lift subscribed for 7 months!"] * 2, "ada_lift", "Ada_Lift"),
        (lines.usernotice("hm"), "Ada_Lift subscribed for 7 months! hm", "Ada_Lift subscribed for 7 months!",
         "ada_lift", "Ada_Lift"),
        (lines.usernotice("news", system_msg="", msg_id="announcement"), "news", "", "ada_lift", "Ada_Lift"),
    ],
)  # fmt: skip
def test_what_a_reader_is_told(line, text, system_text, username, shown):
    message = Message.parse(line)
    found = full(message)
    assert (found["text"], found["systemText"]) == (text, system_text)
    assert (found["username"], found["displayName"]) == (username, shown)
    assert found["raw"] == line
    assert found["tags"] == message.tags
    assert shared.as_text(message).endswith(f"{username}: {text}" if username else f"#moonbase {text}")
    assert list(basic(message)) == list(found)[:5]


def test_a_line_with_hardly_any_tags():
    line = "@badges;color;room-id=9001 :v!v@v.tmi.twitch.tv PRIVMSG #moonbase :k"
    found = full(Message.parse(line, received_ms=lines.EVENING_MS))
    assert found == {
        "text": "k",
        "displayName": "v",
        "timestamp": "2026-03-01T21:30:00Z",
        "id": "",
        "tags": {"badges": "", "color": "", "room-id": "9001"},
        "username": "v",
        "channel": "moonbase",
        "raw": line,
        "type": 1,
        "systemText": "",
    }


def test_a_time_has_a_fraction_only_where_there_is_one():
    assert rfc3339_brief(lines.EVENING_MS) == "2026-03-01T21:30:00Z"
    assert rfc3339_brief(lines.EVENING_MS + 500) == "2026-03-01T21:30:00.500Z"
    assert rfc3339_brief(lines.EVENING_MS + 1) == "2026-03-01T21:30:00.001Z"
