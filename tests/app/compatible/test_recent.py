from __future__ import annotations

import pytest
from support import lines

from app.compatible.recent import RecentParams, duration, exported
from store.message import Message
from store.tags import of_line


def privmsg(number: int, user_id: int = 501, login: str = "ada_lift") -> str:
    return lines.privmsg(
        f"line {number}", number=number, user_id=user_id, login=login, sent_ms=lines.EVENING_MS + number
    )


def clearmsg(target: int, number: int) -> str:
    return lines.clearmsg(lines.message_id(target), sent_ms=lines.EVENING_MS + number)


def clearchat(number: int, login: str | None = "ada_lift", seconds: int | None = 600) -> str:
    return lines.clearchat(login, seconds=seconds, sent_ms=lines.EVENING_MS + number)


def parsed(*said: str) -> list[Message]:
    return [Message.parse(line, channel_id=lines.CHANNEL_ID) for line in said]


def deleted(said, later=()) -> list[bool]:
    shown = exported(parsed(*said), parsed(*later), RecentParams())
    assert len(shown) == len(said)
    return ["rm-deleted" in of_line(line) for line in shown]


def test_a_line_is_as_it_was_but_for_the_tags_that_say_it_is_old():
    line = privmsg(1)
    tags, _, rest = line.partition(" ")
    (shown,) = exported(parsed(line), [], RecentParams())
    assert shown == f"{tags};historical=1;rm-received-ts={lines.EVENING_MS + 1} {rest}"
    bare = Message.parse(rest, received_ms=5, channel_id=9001)
    assert exported([bare], [], RecentParams()) == [f"@historical=1;rm-received-ts=5 {rest}"]


def test_a_line_that_such_a_service_gave_has_the_tags_once():
    line = privmsg(1).replace("@", "@historical=1;rm-deleted=1;rm-received-ts=7;", 1)
    (shown,) = exported(parsed(line), [], RecentParams())
    assert shown.count("historical") == shown.count("rm-received-ts") == 1
    assert of_line(shown)["rm-received-ts"] == str(lines.EVENING_MS + 1)
    assert "rm-deleted" not in shown


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ([privmsg(1), privmsg(2, 502, "bo_nord"), clearchat(3), privmsg(4)], [1, 0, 0, 0]),
        ([privmsg(1), clearchat(2, seconds=None)], [1, 0]),
        ([privmsg(1), lines.usernotice("sub", number=2), privmsg(3, 502, "bo"), clearchat(4)], [1, 1, 0, 0]),
        ([privmsg(1), clearchat(2), privmsg(3, 502, "bo_nord"), clearchat(4, None), privmsg(5)], [1, 1, 1, 0, 0]),
        ([privmsg(1), privmsg(2), clearmsg(1, 3), clearmsg(99, 4)], [1, 0, 0, 0]),
        ([clearmsg(1, 0), clearchat(0), privmsg(1)], [0, 0, 0]),
        ([privmsg(1), lines.without(clearchat(2), "target-user-id")], [1, 0]),
    ],
)
def test_what_follows_marks_what_it_removed(said, gone):
    assert deleted(said) == [bool(mark) for mark in gone]
    assert deleted(said[:1], said[1:]) == [bool(gone[0])]


def test_what_was_moderated_or_moderates_can_be_hidden():
    said = [privmsg(1), privmsg(2, 502, "bo_nord"), clearchat(3), clearmsg(9, 4)]

    def left(**hide) -> list[int]:
        shown = exported(parsed(*said), [], RecentParams(**hide))
        return [int(of_line(line)["rm-received-ts"]) - lines.EVENING_MS for line in shown]

    assert left() == [1, 2, 3, 4]
    assert left(hide_moderated_messages=True) == [2, 3, 4]
    assert left(hideModerationMessages=True) == [1, 2]
    assert left(hide_moderated_messages=True, hide_moderation_messages=True) == [2]


@pytest.mark.parametrize(
    ("login", "seconds", "kind", "text"),
    [
        (None, None, "rm-clearchat", "Chat has been cleared by a moderator."),
        ("ada_lift", None, "rm-permaban", "ada_lift has been permanently banned."),
        ("ada_lift", 302, "rm-timeout", "ada_lift has been timed out for 5m 2s."),
    ],
)
def test_a_clearchat_can_be_a_notice(login, seconds, kind, text):
    said = parsed(clearchat(1, login, seconds))
    (shown,) = exported(said, [], RecentParams(clearchatToNotice=True))
    ours = f"historical=1;rm-received-ts={lines.EVENING_MS + 1}"
    assert shown == f"@msg-id={kind};{ours} :tmi.twitch.tv NOTICE #moonbase :{text}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1, "1s"), (600, "10m"), (86_400, "1day"), (1_209_600, "14days"), (93_784, "1day 2h 3m 4s")],
)
def test_a_duration_is_written_as_chatterino_knows_it(seconds, text):
    assert duration(seconds) == text


def test_bytes_that_are_no_utf8_become_readable():
    line = (lines.privmsg("caf").encode() + b"\xe9").decode("utf-8", "surrogateescape")
    (shown,) = exported(parsed(line), [], RecentParams())
    assert shown.endswith("caf\ufffd")
