from __future__ import annotations

from collections import Counter

import pytest
from support import lines

from store import statistics
from store.keys import MS_IN_DAY
from store.message import Message
from store.reader import Log
from store.shapes import CHANNEL


@pytest.mark.parametrize("at_once", [1, 7, 5000])
async def test_chatters_are_counted_over_a_range(store, writer, monkeypatch, at_once):
    monkeypatch.setattr(statistics, "_AT_ONCE", at_once)
    said = [
        lines.privmsg(
            str(number),
            number=number,
            sent_ms=lines.EVENING_MS + number // 20 * MS_IN_DAY + number // 4,
            user_id=501 + number % 3,
        )
        for number in range(50)
    ]
    said += [lines.clearchat(None), lines.clearchat("ada_lift"), lines.usernotice(number=900), lines.gift(number=901)]
    messages = [Message.parse(line) for line in said]
    await writer.write(messages)
    await writer.flush()
    for from_ms, to_ms in (
        (None, None),
        (lines.EVENING_MS + 2, None),
        (None, lines.EVENING_MS + MS_IN_DAY + 7),
        (5, 5),
    ):
        within = [
            message for message in messages if (from_ms or 0) <= message.sent_ms < (to_ms or 2 * lines.EVENING_MS)
        ]
        found = await store.statistics.chatters(Log(CHANNEL, (lines.CHANNEL_ID,), from_ms, to_ms))
        assert found.lines == len(within)
        assert found.by_user == Counter(message.author_id for message in within if message.author_id is not None)
