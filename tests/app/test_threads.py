from __future__ import annotations

import pytest
from support import lines

from app.models import MessageBody
from store.keys import MS_IN_DAY
from store.message import Message

LOG = "/v1/channels/moonbase/messages"
START = lines.EVENING_MS + 5 * MS_IN_DAY
FIRST = lines.message_id(5001)
THREAD = f"/v1/channels/moonbase/threads/{FIRST}"


def reply(number: int, to: int, text: str, **tags: str) -> str:
    about = {
        "reply_parent_msg_id": lines.message_id(to),
        "reply_parent_user_id": "501",
        "reply_parent_user_login": "ada_lift",
        "reply_parent_display_name": "Ada_Lift",
        "reply_parent_msg_body": "who\\sis\\sthere",
        "reply_thread_parent_msg_id": FIRST,
        "reply_thread_parent_user_login": "ada_lift",
    }
    return lines.privmsg(
        text, number=number, sent_ms=START + number - 5001, user_id=502, login="bo_nord", **about | tags
    )


@pytest.fixture(scope="module")
async def talk(client, module_writer) -> list[str]:
    """A thread with other lines in between, some of them from another channel of a shared chat."""
    said = [
        lines.privmsg("who is there", number=5001, sent_ms=START),
        lines.privmsg("hello", number=5002, sent_ms=START + 1),
        reply(5003, 5001, "me"),
        lines.privmsg("from afar", number=5004, sent_ms=START + 3, source_room_id="9002", source_id="abc"),
        lines.privmsg("from here", number=5005, sent_ms=START + 4, source_room_id="9001", source_id="def"),
        reply(5006, 5003, "me too"),
    ]
    await module_writer.write([Message.parse(line) for line in said])
    await module_writer.flush()
    return said


def raw(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    for message in answer.json()["messages"]:
        MessageBody.model_validate(message)
    return [message["raw"] for message in answer.json()["messages"]]


async def test_a_thread_is_its_first_line_and_the_replies_page_by_page(client, talk):
    wanted = [talk[0], talk[2], talk[5]]
    assert raw(await client.get(THREAD, params={"from": START})) == wanted
    assert raw(await client.get(THREAD, params={"to": START + 100})) == wanted
    found, url = [], f"{THREAD}?from={START}&limit=1"
    while url:
        answer = await client.get(url)
        found += raw(answer)
        url = answer.links.get("next", {}).get("url")
    assert found == wanted


async def test_a_thread_that_is_not_in_the_range_is_empty_and_an_id_that_is_none_is_a_sentence(client, talk):
    assert raw(await client.get(THREAD)) == []
    answer = await client.get("/v1/channels/moonbase/threads/5001")
    assert answer.status_code == 400
    assert "UUID" in answer.json()["detail"]


async def test_a_reply_says_what_it_answers(client, talk):
    answer = await client.get(THREAD, params={"from": START})
    assert [message.get("reply") for message in answer.json()["messages"]] == [
        None,
        *(
            {
                "id": lines.message_id(number),
                "threadId": FIRST,
                "user": {"id": "501", "login": "ada_lift", "displayName": "Ada_Lift"},
                "text": "who is there",
            }
            for number in (5001, 5003)
        ),
    ]


async def test_lines_of_a_shared_chat_say_where_they_were_said_and_can_be_told_apart(client, talk):
    within = {"from": START, "to": START + 100}
    answer = await client.get(LOG, params={**within, "shared": "foreign"})
    assert raw(answer) == [talk[3]]
    assert answer.json()["messages"][0]["source"] == {"channelId": "9002", "id": "abc"}
    assert raw(await client.get(LOG, params={**within, "shared": "home"})) == [*talk[:3], *talk[4:]]
    assert raw(await client.get(LOG, params={**within, "shared": "all"})) == talk
