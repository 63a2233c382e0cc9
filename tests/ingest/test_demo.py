from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from support.patience import patience

from ingest.demo import DemoChat
from store.message import Message, MessageType

CHAT = DemoChat(seed=3, channels=("moonbase",), rate=7)
EPOCH = 1_772_400_000_000


@given(st.integers(0, 5_000_000))
def test_a_line_is_the_same_each_time_and_one_that_twitch_could_have_sent(number):
    line = CHAT.line("moonbase", number, EPOCH)
    assert line == DemoChat(seed=3, rate=7).line("moonbase", number, EPOCH)
    message = Message.parse(line, channel_id=1)
    assert message.exact is None
    assert message.sent_ms == CHAT.time_of(number, EPOCH)
    assert message.type is not MessageType.OTHER


@given(st.integers(0, 10**9), st.integers(0, 20_000))
def test_it_is_known_which_lines_are_sent_between_two_times(start, length):
    numbers = CHAT.numbers_between(EPOCH + start, EPOCH + start + length, EPOCH)
    times = [CHAT.time_of(number, EPOCH) for number in numbers]
    assert all(EPOCH + start <= sent < EPOCH + start + length for sent in times)
    assert CHAT.time_of(numbers.stop, EPOCH) >= EPOCH + start + length
    assert numbers.start == 0 or CHAT.time_of(numbers.start - 1, EPOCH) < EPOCH + start


def test_every_kind_of_line_comes_and_what_is_said_prevails():
    kinds = Counter(Message.parse(CHAT.line("moonbase", n, EPOCH), channel_id=1).type for n in range(5000))
    assert kinds[MessageType.PRIVMSG] > 4000
    assert min(kinds[kind] for kind in (MessageType.USERNOTICE, MessageType.CLEARCHAT, MessageType.CLEARMSG)) > 5


def test_a_deleted_line_and_a_parent_were_said_before():
    said = {}
    for number in range(3000):
        message = Message.parse(CHAT.line("moonbase", number, EPOCH), channel_id=1)
        if message.type is MessageType.CLEARMSG:
            assert said[message.tags["target-msg-id"]].login == message.login
        elif parent := message.tags.get("reply-parent-msg-id"):
            assert said[parent].author_id == int(message.tags["reply-parent-user-id"])
        said[message.id] = message


async def test_someone_can_say_something_and_everyone_else_hears_it(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"NICK visitor\r\nJOIN #moonbase\r\n")
    other_reader, other = await asyncio.open_connection("127.0.0.1", server.port)
    other.write(b"NICK justinfan1\r\nJOIN #moonbase\r\n")
    async with patience():
        while b"ROOMSTATE" not in await other_reader.readline():
            pass
        writer.write(b"PRIVMSG #moonbase :hello there\r\n")
        message = Message.parse((await other_reader.readline()).decode().strip())
    assert (message.login, message.text, message.channel_login) == ("visitor", "hello there", "moonbase")
    assert reader.at_eof() is False
    for each in (writer, other):
        each.close()
        await each.wait_closed()
