from __future__ import annotations

import pytest
from support import lines, named

from store.message import Message
from store.opted_out import STILL_OUT, OptedOut
from store.quotes import unquoted

OUT = OptedOut(users={named.ADA: STILL_OUT}, logins={"ada_lift": STILL_OUT, "ada_before": STILL_OUT})


def shown(line: str, out: OptedOut = OUT) -> Message | None:
    return out.shown(Message.parse(line))


@pytest.mark.parametrize("line", named.hers())
def test_a_line_that_is_hers_is_not_shown(line):
    assert shown(line) is None


@pytest.mark.parametrize("line", named.quoting())
def test_a_line_that_quotes_her_is_shown_without_her(line):
    message = shown(line)
    assert message is not None
    everywhere = repr(message).lower() + message.line.lower() + repr(message.tags).lower()
    assert not [trace for trace in named.TRACES if trace in everywhere]
    before = Message.parse(line)
    assert (message.id, message.position, message.author_id) == (before.id, before.position, before.author_id)
    assert message.tags.keys() == before.tags.keys()
    assert Message.parse(message.line).line == message.line


@pytest.mark.parametrize("line", named.of_others())
def test_any_other_line_is_shown_as_it_is(line):
    message = Message.parse(line)
    assert OUT.shown(message) is message


def test_what_answers_is_kept_and_emotes_stay_in_their_places():
    line = lines.privmsg(
        "@Ada_Lift Kappa Ada_Lift", emotes="25:10-14", **{
            "user_id": 502, "login": "bo_nord", "reply-parent-user-id": str(named.ADA),
            "reply-parent-user-login": "ada_lift", "reply-parent-display-name": "Ada_Lift",
            "reply-parent-msg-id": lines.message_id(1), "reply-parent-msg-body": "x",
        }
    )  # fmt: skip
    message = shown(line)
    # What someone says of another in his own words stays his.
    assert message.text == "@******** Kappa Ada_Lift"
    assert message.text[10:15] == "Kappa"
    assert message.tags["reply-parent-msg-id"] == lines.message_id(1)


def test_a_reply_to_others_is_not_touched():
    message = Message.parse(named.quoting()[1])
    assert unquoted(message, lambda *_: False) is message


def test_an_opt_out_that_is_over_hides_what_was_said_before_its_end():
    line = Message.parse(lines.privmsg("hi", user_id=named.ADA))
    for until, hidden in ((line.sent_ms, False), (line.sent_ms + 1, True), (STILL_OUT, True)):
        assert OptedOut(users={named.ADA: until}).hides(line) is hidden
    assert not OptedOut(users={named.ADA: line.sent_ms}).has_user(named.ADA)


def test_a_channel_that_is_out_shows_nothing():
    out = OptedOut(channels={lines.CHANNEL_ID: STILL_OUT})
    assert not [
        line for line in named.everything() if (found := shown(line, out)) and found.channel_id != named.DEMO_ID
    ]
