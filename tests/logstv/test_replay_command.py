from __future__ import annotations

import pytest
from support import lines

from ingest.pipeline import IngestCounts
from ingest.replay import Replay
from logstv.commands.replay import _replay
from store.wanted import Rules, WantedChannels


@pytest.mark.parametrize(("own", "days"), [(None, {None, 90}), (5 * 86_400, {5})])
async def test_replayed_lines_are_kept_as_their_channels_are_or_as_is_asked_and_hide_no_others(
    store, tmp_path, monkeypatch, now_ms, own, days
):
    monkeypatch.setenv("LOGSTV_DATA_DIR", str(tmp_path))
    await (await WantedChannels.open(store.session)).add([lines.CHANNEL], Rules(retention_days=0))
    path = tmp_path / "chat.irc"
    said = [lines.privmsg("mine", number=1, sent_ms=now_ms)]
    said.append(lines.privmsg("theirs", number=2, sent_ms=now_ms, channel_id=77, channel="demo"))
    path.write_text("\n".join(said))
    counts = IngestCounts()
    await _replay(store.session.settings, Replay([path]), own, counts)
    assert counts.written == 2
    rows = await store.session.execute(f"SELECT TTL(type) FROM {store.session.table('channel_messages')}")
    assert {seconds and -(-seconds // 86_400) for (seconds,) in rows} == days
    rows = await store.session.execute(f"SELECT TTL(ends) FROM {store.session.table('user_buckets')}")
    assert rows == [(None,)]
