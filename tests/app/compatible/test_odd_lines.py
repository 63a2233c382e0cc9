from __future__ import annotations

import orjson
import pytest
from support import lines

from app import render
from store.message import Message


def as_raw(messages) -> bytes:
    return b"".join(render.as_raw(message) + b"\r\n" for message in messages)


ODD = [
    "a\u2028b\u2029c\u0085d\x0be\x0cf",
    "nul \x00 and bell \x07",
    "abc \u202e cba \u2066x\u2069",
    " two  spaces  ",
    "\x01ACTION waves\x01",
    "\U0001f600" * 500,
]


@pytest.fixture(scope="module")
async def odd(both, module_writer) -> list[Message]:
    """A day of a channel whose lines would like to be more than one line each."""
    place = {"channel_id": 9003, "channel": "oddbase", "user_id": 701, "login": "ed_ge"}
    said = [
        *(
            lines.privmsg(text, number=3000 + number, sent_ms=lines.EVENING_MS + number, **place)
            for number, text in enumerate(ODD)
        ),
        lines.usernotice("x", number=3100, sent_ms=lines.EVENING_MS + 100, room_id="9003", user_id="701",
                         login="ed_ge", system_msg="one\\r\\ntwo\\nthree").replace("#moonbase", "#oddbase"),
        lines.privmsg("caf", number=3101, sent_ms=lines.EVENING_MS + 101, **place) + "\udce9",
    ]  # fmt: skip
    parsed = [Message.parse(line) for line in said]
    await module_writer.write(parsed)
    await module_writer.flush()
    return parsed


@pytest.mark.parametrize("route", ["/channel/oddbase/2026/3/1", "/channelid/9003/user/ed_ge/2026/3"])
@pytest.mark.parametrize("limit", ["", "&limit=1000"])
async def test_no_character_of_a_message_breaks_a_line_or_a_record(both, odd, route, limit):
    assert (await both.get(f"{route}?raw{limit}")).content == as_raw(odd)
    text = (await both.get(f"{route}?{limit}")).content
    assert text.count(b"\n") == text.count(b"\r\n") == text.count(b"\r") == len(odd)
    assert [line.decode() for line in text.split(b"\r\n")[:-1]] == [render.as_text(message) for message in odd]
    records = (await both.get(f"{route}?ndjson{limit}")).content
    assert records.count(b"\n") == len(odd)
    found = (await both.get(f"{route}?json{limit}")).json()["messages"]
    assert [orjson.loads(record)["text"] for record in records.split(b"\r\n")[:-1]] == [each["text"] for each in found]
    assert [each["text"] for each in found] == [
        *ODD[:4],
        "waves",
        ODD[5],
        "one\r\ntwo\nthree x",
        "caf\ufffd",
    ]


async def test_a_gift_is_in_the_logs_of_both(both, module_writer):
    line = lines.gift(room_id="9004", msg_param_recipient_id="712", user_id="711", login="gi_ver")
    gift = Message.parse(line.replace("#moonbase", "#giftbase"))
    await module_writer.write([gift])
    await module_writer.flush()
    for user in ("711", "712"):
        found = (await both.get(f"/channelid/9004/userid/{user}/2026/3?raw")).content
        assert found == as_raw([gift])
    found = (await both.get("/channelid/9004/userid/712/2026/3?json")).json()["messages"]
    assert [message["username"] for message in found] == ["gi_ver"]
