"""Opting out by a sentence in chat, and what the ingest keeps of those who did."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import lines, named
from support.chat import opened, settings_for, until
from support.patience import patience

from ingest.demo import DemoChatServer
from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.said_optouts import SaidOptouts
from ingest.worker import work
from store.errors import StoreUnavailable
from store.opted_out import nobody
from store.optouts import Kind, Optouts, Way
from store.reader import Log, Reader
from store.shapes import CHANNEL
from store.store import Store
from store.writer import Writer


async def stored(store: Store, channel_id: int = lines.CHANNEL_ID) -> list[str]:
    """Give what really is stored, also of those who are out."""
    reader = await Reader.open(store.session, nobody)
    log = Log(CHANNEL, (channel_id,), newest_first=False)
    return [message.line async for piece in reader.stream(log) for message in piece]


@pytest.fixture
async def said(store: Store) -> SaidOptouts:
    return await SaidOptouts.open(store.session)


async def piped(writer: Writer, said: SaidOptouts, folder: Path, *given: str) -> Pipeline:
    path = folder / "chat.irc"
    path.write_text("\n".join(given))
    pipeline = Pipeline(opened(writer), Quarantine(folder))
    pipeline.optouts = said
    await pipeline.run(Replay([path]))
    return pipeline


@pytest.mark.parametrize(
    ("words", "is_channel"),
    [
        ("!rustlog optout {}", False),
        ("!justlog optout {}", False),
        ("!logstv optout {} ", False),
        ("!logstv optout channel {}", True),
        ("!rustlog optout-channel {}", True),
    ],
)
async def test_who_says_a_code_is_out_and_the_line_that_says_it_is_not_kept(
    store, writer, said, tmp_path, words, is_channel
):
    code = (await store.codes.give()).text
    user_id = lines.CHANNEL_ID if is_channel else 7
    spoken = lines.privmsg(words.format(code.upper()), number=1, user_id=user_id)
    pipeline = await piped(writer, said, tmp_path, spoken, lines.privmsg("hi", number=2, channel_id=5, channel="demo"))
    kind = Kind.CHANNEL if is_channel else Kind.USER
    (row,) = said.optouts.rows
    assert (row.kind, row.id, row.way, row.until_ms) == (kind, user_id, Way.CODE, None)
    assert await stored(store) == []
    assert len(await stored(store, 5)) == 1
    assert pipeline.counts.left_out == 1
    assert not await store.codes.is_good(code)


@pytest.mark.parametrize(
    "words",
    [
        "!logstv optout channel {}",  # said by someone else than the broadcaster
        "!logstv optout",
        "!logstv optout {}x",
        "please say !logstv optout {}",
        "!otherlog optout {}",
        "!logstv optout {} and more",
    ],
)
async def test_other_sentences_opt_nobody_out(store, writer, said, tmp_path, words):
    code = (await store.codes.give()).text
    await piped(writer, said, tmp_path, lines.privmsg(words.format(code), user_id=7))
    assert not said.optouts.rows
    assert await store.codes.is_good(code)
    assert len(await stored(store)) == 1


async def test_lines_of_those_who_are_out_are_not_kept_and_others_without_what_they_quote(
    store, writer, said, tmp_path
):
    await said.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    await said.optouts.learn(named.ADA, "ada_before")
    await said.optouts.learn(named.ADA, "ada_lift")
    pipeline = await piped(writer, said, tmp_path, *named.everything())
    kept = [*await stored(store), *await stored(store, named.DEMO_ID)]
    assert pipeline.counts.left_out == len(named.hers())
    assert len(kept) == len(named.quoting()) + len(named.of_others())
    assert not [trace for line in kept for trace in named.TRACES if trace in line.lower()]
    assert set(named.of_others()) <= set(kept)
    for table in ("user_moderation", "channel_moderation"):
        assert not await store.session.execute(f"SELECT * FROM {store.session.table(table)}")


async def test_a_new_name_of_who_is_out_is_learnt_and_what_names_no_id_is_known_by_it(store, writer, said, tmp_path):
    await said.optouts.add(Kind.USER, [7], Way.ADMIN)
    renamed = lines.privmsg("hello", number=1, user_id=7, login="new_name")
    removed = lines.clearmsg(lines.message_id(1), "hello", login="New_Name").replace("room-id=", "room-id=9001")
    await piped(writer, said, tmp_path, renamed)
    await piped(writer, said, tmp_path, removed)
    await writer.flush()
    assert await stored(store) == []
    assert await store.directory.user_id("new_name") == 7
    elsewhere = await Optouts.open(store.session)
    await elsewhere.refresh()
    assert "new_name" in elsewhere.current.logins


async def test_a_line_without_a_place_does_not_go_to_the_quarantine(store, writer, said, tmp_path):
    await said.optouts.add(Kind.USER, [7], Way.ADMIN)
    await piped(writer, said, tmp_path, lines.without(lines.privmsg("x", user_id=7), "room-id", "tmi-sent-ts"))
    assert not (tmp_path / "quarantine.ndjson").exists()


async def test_a_line_waits_until_cassandra_says_whether_its_code_is_good(store, writer, said, tmp_path, monkeypatch):
    code = (await store.codes.give()).text
    is_good, asked = said._codes.is_good, []

    async def away_at_first(text: str) -> bool:
        asked.append(text)
        if len(asked) < 3:
            raise StoreUnavailable("away")
        return await is_good(text)

    monkeypatch.setattr("ingest.pipeline._BACKOFF_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(said._codes, "is_good", away_at_first)
    await piped(writer, said, tmp_path, lines.privmsg(f"!logstv optout {code}", user_id=7))
    assert len(asked) == 3
    assert said.current.has_user(7)


async def test_after_opting_in_lines_are_kept_from_then_on(store, writer, said, tmp_path):
    await said.optouts.add(Kind.USER, [7], Way.ADMIN)
    (row,) = await said.optouts.remove(Kind.USER, [7])
    before = lines.privmsg("before", number=1, user_id=7, sent_ms=row.until_ms - 1)
    after = lines.privmsg("after", number=2, user_id=7, sent_ms=row.until_ms)
    await piped(writer, said, tmp_path, before, after)
    assert await stored(store) == [after]


async def test_a_worker_parts_a_channel_that_is_out_erases_it_and_comes_back(
    store: Store, server: DemoChatServer, tmp_path: Path
):
    settings = settings_for(server, channels=("moonbase",), worker="ada", worker_heartbeat=0.1, erase_after=0.2)
    channel_id = server.chat.channel_id("moonbase")
    optouts = await Optouts.open(store.session)
    working = asyncio.create_task(work(store.session.settings, settings, tmp_path))

    def heard() -> set[str]:
        return {channel for client in server._clients for channel in client.channels}

    async def says(text: str) -> str:
        line = server.say("moonbase", text)
        async with patience():
            while line not in await stored(store, channel_id):
                await asyncio.sleep(0.05)
        return line

    try:
        await until(lambda: heard() == {"moonbase"})
        await says("one")
        await optouts.add(Kind.CHANNEL, [channel_id], Way.ADMIN)
        await until(lambda: not heard())
        async with patience():
            while not optouts.rows[0].is_erased:
                await asyncio.sleep(0.05)
                await optouts.refresh()
        assert await stored(store, channel_id) == []
        await optouts.remove(Kind.CHANNEL, [channel_id])
        await until(lambda: heard() == {"moonbase"})
        # The same bucket as before: its index row is written anew.
        again = await says("two")
        assert again in await stored(store, channel_id)
        assert not working.done()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
