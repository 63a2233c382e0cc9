from __future__ import annotations

from support import lines
from support.chat import opened

from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.rules import ChannelRules
from store.message import Message, MessageType
from store.reader import Log
from store.shapes import CHANNEL
from store.wanted import WantedChannel

NO_BANS = frozenset({MessageType.CLEARCHAT})


def test_a_channel_is_known_by_its_id_or_by_its_login_until_that_is_learnt():
    banned = Message.parse(lines.clearchat())
    said = Message.parse(lines.privmsg("hi"))
    for channel_id in (None, lines.CHANNEL_ID):
        rules = ChannelRules.of([WantedChannel(lines.CHANNEL, 0, channel_id, 7, NO_BANS), WantedChannel("demo", 0)])
        assert not rules.keep(banned)
        assert rules.keep(said)
        assert rules.seconds == {channel_id or lines.CHANNEL: 7 * 86_400}
    # A user's months are of all channels: the rows that list them outlive the lines of those too that are read no more.
    removed = WantedChannel("id:5", 0, 5, 0, NO_BANS, is_removed=True)
    assert ChannelRules.of([removed, WantedChannel("demo", 0, 6, 7)]).seconds == {5: 0, 6: 7 * 86_400}
    elsewhere = ChannelRules.of([WantedChannel("demo", 0, 5, None, NO_BANS)])
    assert elsewhere.keep(banned)
    assert ChannelRules().keep(banned)


async def test_what_is_not_kept_is_not_written_and_is_counted_by_itself(store, writer, tmp_path):
    said = [lines.privmsg("one", number=1), lines.clearchat(), lines.privmsg("two", number=2)]
    path = tmp_path / "chat.irc"
    path.write_text("\n".join(said))
    pipeline = Pipeline(opened(writer), Quarantine(tmp_path))
    pipeline.rules = ChannelRules.of([WantedChannel("id:9001", 0, lines.CHANNEL_ID, None, NO_BANS)])
    await pipeline.run(Replay([path]))
    log = Log(CHANNEL, (lines.CHANNEL_ID,))
    assert {message.line async for piece in store.reader.stream(log) for message in piece} == {said[0], said[2]}
    counts = pipeline.counts
    assert (
        counts.written,
        counts.left_out,
        counts.refused.total(),
        counts.written + counts.refused.total() + counts.left_out,
    ) == (2, 1, 0, 3)
