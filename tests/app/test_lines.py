from __future__ import annotations

import uuid

import pytest

from app.routes.lines import _EXAMPLE, _position

LOG = "/v1/channels/moonbase/messages"


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 4), (5, 5), (500, 500)])
@pytest.mark.parametrize("place", [0, 17, 39, 40, -1])
async def test_a_line_comes_with_its_neighbours_oldest_first(client, chat, place, before, after):
    place %= len(chat)
    answer = await client.get(f"{LOG}/{chat[place].sent}", params={"before": before, "after": after})
    wanted = chat[max(0, place - before) : place + after + 1]
    assert [message["raw"] for message in answer.json()["messages"]] == [message.line for message in wanted]


async def test_its_cursors_walk_on_through_the_log_in_both_directions(client, chat):
    answer = await client.get(f"{LOG}/{chat[30].sent}", params={"before": 2, "after": 2})
    for way, links, wanted in (("next", "next", chat[33:36]), ("previous", "prev", chat[25:28])):
        page = await client.get(LOG, params={"cursor": answer.json()["page"][way], "limit": 3})
        assert [message["raw"] for message in page.json()["messages"]] == [message.line for message in wanted]
        assert (await client.get(answer.links[links]["url"])).status_code == 200
    alone = (await client.get(f"{LOG}/{chat[30].sent}", params={"format": "raw"})).content
    assert alone == chat[30].line.encode() + b"\r\n"


async def test_a_line_that_is_not_there_is_not_found(client, chat):
    for sent in (chat[3].position.before(), chat[-1].position.after()):
        number = chat[3].sent.int >> 64 << 64 | sent.low
        answer = await client.get(f"{LOG}/{uuid.UUID(int=number)}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "sent", ["1", "x" * 36, str(uuid.UUID(int=5)), "5eed0000-0000-4001-8000-000000001eef", "5fc9f4b1-c971-11f0-8000-1"]
)
async def test_what_is_no_key_of_a_line_is_answered_with_a_sentence(client, sent):
    answer = await client.get(f"{LOG}/{sent}")
    assert answer.status_code == 400
    assert "`sent` of a message" in answer.json()["detail"]


def test_the_example_is_a_key():
    assert _position(_EXAMPLE).sent_ms == 1_764_015_300_123
