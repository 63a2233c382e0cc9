from __future__ import annotations

import itertools

import pytest
from support import lines

from ingest.demo import DemoChat
from store.archive.told import Told
from store.glance import Glance, glance
from store.message import Message

USUAL = lines.privmsg("hello : there", number=7)


def odd_lines() -> list[str]:
    said = USUAL
    return [
        lines.without(said, "id"),
        lines.without(said, "tmi-sent-ts"),
        lines.without(said, "room-id"),
        lines.without(said, "user-id"),
        lines.without(said, "badge-info", "badges"),
        said.replace(";id=", ";id=not-a-uuid"),
        said.replace("room-id=9001", "room-id="),
        said.replace("user-id=501", "user-id=0"),
        said.replace("tmi-sent-ts=", "tmi-sent-ts=-"),
        said.replace(";user-id=501", ";user-id=501;target-user-id=502"),
        said.replace(";user-id=501", ";user-id=501;user-id=502"),
        said.replace("@badge-info", "@id=x;badge-info"),
        said.replace(" PRIVMSG #moonbase :", " PRIVMSG #moonbase "),
        said.replace(" PRIVMSG #moonbase", " PRIVMSG #moon base"),
        said.replace(":ada_lift!", ":"),
        said.replace(" :ada_lift!ada_lift@ada_lift.tmi.twitch.tv", ""),
        said.replace("#moonbase", "#möön"),
        said.partition(" ")[0],
        "",
        "PING :tmi.twitch.tv",
        lines.privmsg("caf\udce9 \x01", number=8),
        lines.privmsg("\x01ACTION waves\x01", number=9),
        lines.privmsg("", number=9),
        lines.usernotice("again"),
        lines.gift(),
        lines.clearchat(),
        lines.clearmsg("x"),
    ]


def demo() -> list[str]:
    chat = DemoChat(seed=5, channels=("moonbase",), rate=5)
    return list(itertools.islice(chat.lines_between("moonbase", lines.EVENING_MS, lines.EVENING_MS + 60_000, 0), 300))


@pytest.mark.parametrize("line", [*odd_lines(), *demo()])
def test_a_glance_says_what_the_message_says(line):
    packed = line.encode("utf-8", "surrogateescape")
    seen = glance(packed)
    if seen is None:
        return
    message = Message.parse(line)
    assert seen == Glance(
        *message.position, message.channel_id, message.author_id, message.channel_login, message.login
    )
    assert Told.at_a_glance(seen, packed) == Told.of(message)


def test_usual_lines_need_no_more_than_a_glance():
    assert glance(USUAL.encode()) is not None
    said = [line for line in demo() if " PRIVMSG " in line]
    assert all(glance(line.encode()) is not None for line in said)
    assert len(said) > 200
