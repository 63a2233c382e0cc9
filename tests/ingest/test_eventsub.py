"""The source over EventSub, against a server that speaks it over real sockets. Twitch itself was never asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import pytest
import structlog
from support import lines
from support.chat import Reading, until
from support.eventsub_server import SECRET, eventsub_server
from support.notifications import notice, notification, room, said, target
from support.patience import patience

from ingest.errors import SourceUrlError
from ingest.eventsub import EventSubSource
from ingest.eventsub_line import SUBSCRIPTION_TYPES, line_of
from ingest.eventsub_session import EventSubSession
from ingest.pipeline import Pipeline
from ingest.quarantine import Quarantine
from ingest.recent import RecentIds
from ingest.settings import IngestSettings
from ingest.worker import work
from store.message import Message
from store.reader import Log
from store.retention import Retention
from store.shapes import CHANNEL
from store.writer import Writer


@pytest.fixture
async def twitch():
    async with eventsub_server() as server:
        yield server


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Have the source look around more often than Twitch would like."""
    monkeypatch.setattr("ingest.eventsub._LOOK_SECONDS", 0.05)
    monkeypatch.setattr("ingest.eventsub_session._LINGER_SECONDS", 0.5)
    monkeypatch.setattr("ingest.eventsub_shards._BACKOFF_SECONDS", (0.02, 0.2))


@contextlib.asynccontextmanager
async def reading(settings):
    async with EventSubSource(settings) as source:
        found = Reading(source)
        task = asyncio.create_task(found.read())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def joined(found):
    return sorted(state.login for state in found.source.channels if state.joined)


async def read_moonbase(found):
    await until(lambda: joined(found) == ["moonbase"])


async def test_the_chat_of_a_channel_comes_as_the_lines_of_irc(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        session = await twitch.shard()
        sent = [
            said("hello"),
            notice("announcement", {"color": "BLUE"}, text="hear, hear"),
            notification("channel.chat.clear_user_messages", room() | target()),
            notification("channel.chat.message_delete", room() | target() | {"message_id": lines.message_id(1)}),
            notification("channel.chat.clear", room()),
        ]
        for each in sent:
            await session.notify(each)
        await until(lambda: len(found.lines) == len(sent))
    assert found.lines == [line_of(each) for each in sent]
    kinds = [Message.parse(line).type.name for line in found.lines]
    assert kinds == ["PRIVMSG", "USERNOTICE", "CLEARCHAT", "CLEARMSG", "CLEARCHAT"]
    assert {received.channel_id for received in found.received} == {lines.CHANNEL_ID}
    assert twitch.subscribed == {(kind, str(lines.CHANNEL_ID)) for kind in SUBSCRIPTION_TYPES}
    assert found.source.counts.notifications == len(sent)


async def test_a_channel_counts_as_read_only_when_all_of_it_is_subscribed_to(twitch):
    held = asyncio.Event()
    twitch.refuse = lambda request, body: (
        (500, "busy") if request.method == "POST" and body and body.get("type") == "channel.chat.clear"
        and not held.is_set() else None
    )  # fmt: skip
    async with reading(twitch.settings()) as found:
        await until(lambda: found.source.channels[0].failure)
        assert "busy" in found.source.channels[0].failure
        assert joined(found) == []
        assert ("channel.chat.message", str(lines.CHANNEL_ID)) in twitch.subscribed
        held.set()
        await read_moonbase(found)
        assert found.source.channels[0].failure == ""


async def test_a_notification_that_comes_again_is_dropped(twitch):
    async with reading(twitch.settings(eventsub_shards=2)) as found:
        await read_moonbase(found)
        first, second = await twitch.shard(0), await twitch.shard(1)
        await first.notify(said("once", number=1, again="a"))
        await first.notify(said("once", number=1, again="a"))
        await second.notify(said("once", number=1, again="a"))
        await second.notify(said("once", number=1, again="b", at_ms=lines.EVENING_MS + 5))  # as another notification
        await until(lambda: found.source.counts.duplicates == 3)
        await second.notify(said("twice", number=2))
        await until(lambda: len(found.lines) == 2)
    assert [Message.parse(line).text for line in found.lines] == ["once", "twice"]


def test_the_memory_of_notifications_is_bounded():
    recent = RecentIds(3)
    assert [recent.seen(each) for each in "abcab"] == [False, False, False, True, True]
    assert not recent.seen("d")
    assert len(recent) == 3
    assert not recent.seen("a")


@pytest.mark.parametrize("moved_id", [None, "another"])
async def test_a_move_to_another_session_loses_nothing(twitch, moved_id, monkeypatch):
    monkeypatch.setattr("ingest.eventsub_session._LINGER_SECONDS", 2)
    twitch.moved_id = None
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        old = await twitch.session(0)
        twitch.moved_id, twitch.welcomes = moved_id, False
        await twitch.move(old)
        await old.notify(said("right after", number=1))
        new = await twitch.session(1)
        # The new session is there but not welcomed yet: what comes on the old one is still ours.
        await old.notify(said("while connecting", number=2))
        await until(lambda: len(found.lines) == 2)
        await new.send("session_welcome", {"session": {
            "id": new.id, "status": "connected", "connected_at": "2026-03-01T21:30:00Z",
            "keepalive_timeout_seconds": 10, "reconnect_url": None,
        }})  # fmt: skip
        await until(lambda: found.source.counts.connections == 2)
        await old.notify(said("after the welcome", number=3))
        await new.notify(said("on the new one", number=4))
        await until(lambda: len(found.lines) == 4)
        await until(lambda: old.gone)
        await new.notify(said("later", number=5))
        await until(lambda: len(found.lines) == 5)
        assert joined(found) == ["moonbase"]
        await until(lambda: found.source.counts.connections == 1)
        assert len(twitch.sessions) == 2
    assert {Message.parse(line).id for line in found.lines} == {lines.message_id(number) for number in range(1, 6)}
    assert [session for session, _ in next(iter(twitch.conduits.values())).shards.values()] == [new.id]


async def test_a_moved_session_that_kept_its_id_needs_no_api(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        twitch.refuse = lambda *_: (500, "down")
        await twitch.move(await twitch.session(0))
        new = await twitch.session(1)
        await until(lambda: twitch.sessions[0].gone)
        await new.notify(said("still here"))
        await until(lambda: len(found.lines) == 1)
        assert len(twitch.sessions) == 2


async def test_where_the_move_fails_any_session_will_do(twitch):
    twitch.reconnects = False
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        old = await twitch.session(0)
        await twitch.move(old)
        new = await twitch.session(1)
        assert new.path.startswith("/ws")
        await until(lambda: old.gone)
        assert (await twitch.shard()) is new
        await new.notify(said("still here"))
        await until(lambda: len(found.lines) == 1)


async def test_a_lost_session_is_opened_again_and_nothing_subscribed_anew(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        subscribed = twitch.times("POST /helix/eventsub/subscriptions")
        old = await twitch.shard()
        old.socket._req.transport.abort()  # as when a cable is pulled
        await until(lambda: len(twitch.sessions) == 2)
        new = await twitch.shard()
        assert new is not old
        await read_moonbase(found)
        await new.notify(said("back"))
        await until(lambda: len(found.lines) == 1)
        assert twitch.times("POST /helix/eventsub/subscriptions") == subscribed


@pytest.mark.parametrize("code", [4000, 4001, 4003, 4006])
async def test_whatever_the_server_closes_with_the_session_is_opened_again(twitch, code):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        await (await twitch.session(0)).socket.close(code=code)
        await twitch.session(1)
        await read_moonbase(found)


async def test_a_silent_session_is_given_up(twitch, monkeypatch):
    # Ten seconds of silence, and five of patience, are the least that Twitch and twitchio know; tests have less.
    original = EventSubSession.__init__

    def hasty(self, *args):
        original(self, *args)
        self._keep_alive_timeout = -4.5  # with twitchio's five seconds of patience: half a second

    monkeypatch.setattr(EventSubSession, "__init__", hasty)
    async with reading(twitch.settings()) as found:
        await twitch.session(2)
        await until(lambda: twitch.sessions[0].gone)
        assert found.source.counts.opened >= 3


async def test_a_session_that_is_never_welcomed_is_given_up(twitch, monkeypatch):
    monkeypatch.setattr("ingest.eventsub_session._OPEN_SECONDS", 0.5)
    twitch.welcomes = False
    async with reading(twitch.settings()) as found:
        await twitch.session(1)
        assert joined(found) == []
        twitch.welcomes = True
        await read_moonbase(found)


@pytest.mark.parametrize("why", ["user_removed", "authorization_revoked", "a_reason_of_tomorrow"])
async def test_a_revoked_subscription_is_a_failure_and_tried_again_later(twitch, why):
    async with reading(twitch.settings(eventsub_retry=0.5)) as found:
        await read_moonbase(found)
        session = await twitch.shard()
        twitch.refuse = lambda request, _: (403, "not authorized") if request.method == "POST" else None
        with structlog.testing.capture_logs() as told:
            await twitch.revoke(session, "channel.chat.message", why=why)
            await until(lambda: "not authorized" in found.source.channels[0].failure)
        failures = [each["reason"] for each in told if each["event"] == "eventsub.join_failed"]
        assert failures[0] == f"Twitch has revoked channel.chat.message: {why}"
        assert joined(found) == []
        assert found.source.counts.revoked[why] == 1
        await session.notify(said("the session still lives"))
        await until(lambda: len(found.lines) == 1)
        twitch.refuse = lambda *_: None
        await read_moonbase(found)


async def test_a_channel_that_has_not_consented_is_a_failure_and_no_other_suffers(twitch):
    twitch.refuse = lambda _, body: (
        (403, "subscription missing proper authorization")
        if body and body.get("condition", {}).get("broadcaster_user_id") == "9002" else None
    )  # fmt: skip
    async with reading(twitch.settings("demo", "nobody", "moonbase", eventsub_retry=60)) as found:
        await read_moonbase(found)
        failures = {state.login: state.failure for state in found.source.channels}
        assert "missing proper authorization" in failures["demo"]
        assert "no channel of that name" in failures["nobody"]
        assert failures["moonbase"] == ""
        assert found.source.counts.subscriptions_failed == 1
        asked = len(twitch.asked)
        found.source.join("moonbase")
        for _ in range(2):  # looks around, which ask nothing that is not due: the second begins when the first is over
            found.source._look.set()
            await until(lambda: not found.source._look.is_set())
        assert len(twitch.asked) == asked


async def test_channels_come_and_go_while_it_reads(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        session = await twitch.shard()
        found.source.join("demo")
        found.source.join("demo")
        await until(lambda: joined(found) == ["demo", "moonbase"])
        await found.source.part("moonbase")
        await session.notify(said("not for us"))
        await session.notify(said("for us", **room("demo", 9002)))
        await until(lambda: len(found.lines) == 1)
        assert found.source.counts.strays == 1
        await until(lambda: twitch.subscribed == {(kind, "9002") for kind in SUBSCRIPTION_TYPES})
        assert joined(found) == ["demo"]


async def test_a_restart_takes_the_idle_conduit_and_what_it_is_subscribed_to(twitch):
    twitch.page = 3  # subscriptions come in pages
    other = twitch.add_conduit()
    other.shards["0"] = ("somebody", "enabled")
    theirs = twitch.subscribe(other, "channel.chat.message", 9002)
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        ours = next(each for each in twitch.conduits.values() if each is not other)
    await until(lambda: ours.shards["0"][1] == "websocket_disconnected")
    stale = twitch.subscribe(ours, "channel.chat.message", 9003)
    foreign = twitch.subscribe(ours, "channel.follow", lines.CHANNEL_ID)
    subscribed = twitch.times("POST /helix/eventsub/subscriptions")
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        assert not {stale, foreign} & set(twitch.subscriptions)
        assert theirs in twitch.subscriptions
    assert len(twitch.conduits) == 2
    assert twitch.times("POST /helix/eventsub/subscriptions") == subscribed


async def test_a_named_conduit_is_read_and_resized_and_one_that_is_not_there_is_said(twitch):
    ours, other = twitch.add_conduit(5), twitch.add_conduit()
    async with reading(twitch.settings(eventsub_conduit=ours.id, eventsub_shards=2)) as found:
        await read_moonbase(found)
        await until(lambda: len(ours.shards) == 2)
    assert ours.shard_count == 2
    assert not other.shards
    async with reading(twitch.settings(eventsub_conduit="nowhere")) as found:
        await until(lambda: found.source.channels[0].failure)
        assert "LOGSTV_EVENTSUB_CONDUIT" in found.source.channels[0].failure


@pytest.mark.parametrize("closes", [True, False])
async def test_a_conduit_that_is_gone_is_replaced(twitch, closes):
    async with reading(twitch.settings(eventsub_check=300 if closes else 0.2)) as found:
        await read_moonbase(found)
        twitch.conduits.clear()
        twitch.subscriptions.clear()
        if closes:
            await (await twitch.session(0)).socket.close()
        await until(lambda: len(twitch.conduits) == 1)
        await until(lambda: len(twitch.subscribed) == len(SUBSCRIPTION_TYPES))
        await read_moonbase(found)
        await (await twitch.shard()).notify(said("on the new conduit"))
        await until(lambda: len(found.lines) == 1)


async def test_what_twitch_ended_without_a_word_is_noticed(twitch):
    async with reading(twitch.settings(eventsub_check=0.1)) as found:
        await read_moonbase(found)
        twitch.refuse = lambda request, _: (403, "no") if request.method == "POST" else None
        twitch.subscriptions.clear()
        await until(lambda: joined(found) == [] and found.source.channels[0].failure)
        twitch.refuse = lambda *_: None
        await read_moonbase(found)
        conduit = next(iter(twitch.conduits.values()))
        conduit.shards["0"] = (conduit.shards["0"][0], "websocket_failed_ping_pong")
        await twitch.session(1)
        await read_moonbase(found)
        conduit.shards["0"] = ("somebody else's", "enabled")
        await until(lambda: len(twitch.conduits) == 2)
        await until(lambda: joined(found) == ["moonbase"])


async def test_what_is_subscribed_to_already_is_believed_only_of_our_own_conduit(twitch):
    ours, other = twitch.add_conduit(), twitch.add_conduit()
    other.shards["0"] = ("somebody", "enabled")
    twitch.one_for_all = True
    taken = twitch.subscribe(other, "channel.chat.message", lines.CHANNEL_ID)
    async with reading(twitch.settings(eventsub_conduit=ours.id)) as found:
        await until(lambda: found.source.channels[0].failure)
        assert "does not list channel.chat.message" in found.source.channels[0].failure
        assert joined(found) == []
        del twitch.subscriptions[taken]
        await read_moonbase(found)


async def test_an_expired_token_is_renewed(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        twitch.token = "token1"
        found.source.join("demo")
        await until(lambda: joined(found) == ["demo", "moonbase"])
        assert twitch.times("POST /id/oauth2/token") == 2


async def test_a_secret_that_is_wrong_is_said_without_the_secret(twitch, caplog, capsys):
    caplog.set_level(logging.INFO)
    wrong = "s3cret-and-wrong"
    with structlog.testing.capture_logs() as logged:
        async with reading(twitch.settings(eventsub_client_secret=wrong)) as found:
            await until(lambda: found.source.counts.logins_refused >= 2)
            failure = found.source.channels[0].failure
    assert "invalid client secret" in failure
    assert "LOGSTV_EVENTSUB_CLIENT_SECRET" in failure
    told = f"{logged} {caplog.text} {capsys.readouterr()} {twitch.settings()!r}"
    assert wrong not in told
    assert SECRET not in told


async def test_an_api_that_does_not_answer_is_asked_again(twitch):
    settings = twitch.settings(eventsub_auth_url="http://127.0.0.1:1/")
    async with reading(settings) as found:
        await until(lambda: found.source.channels[0].failure)
        assert "could not be asked" in found.source.channels[0].failure


async def test_what_stands_for_no_line_goes_on_to_the_quarantine(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        session = await twitch.shard()
        await session.notify(said("x", badges=[{"no": "badge"}]))
        await session.notify(notification("channel.chat.novelty", room()))
        await session.socket.send_str("no json")
        await until(lambda: len(found.lines) == 2)
        assert found.source.counts.unreadable == 2
    assert all("PRIVMSG" in Message.parse(line).unstorable for line in found.lines)


@pytest.mark.parametrize("text", ["{}", "7", '{"metadata": {"message_type": "session_reconnect"}}'])
async def test_what_ends_the_reading_of_a_session_ends_the_session(twitch, text):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        await (await twitch.session(0)).socket.send_str(text)
        await twitch.session(1)
        await read_moonbase(found)


async def test_what_comes_over_eventsub_is_the_row_that_irc_would_have_made(twitch, store, tmp_path):
    pipeline = Pipeline(lambda: Writer.open(store.session, Retention.of(0)), Quarantine(tmp_path))
    async with EventSubSource(twitch.settings()) as source:
        running = asyncio.create_task(pipeline.run(source))
        await until(lambda: source.channels and source.channels[0].joined)
        for _ in range(2):
            await (await twitch.shard()).notify(said("hello", number=1))
        await (await twitch.shard()).notify(said("broken", number=2, badges=[{}]))
        await until(lambda: pipeline.counts.written + pipeline.counts.refused.total() == 2)
        await source.stop()
        await running
    over_irc = Message.parse(lines.privmsg("hello", number=1))
    page = await store.reader.page(Log(CHANNEL, (lines.CHANNEL_ID,)), limit=10)
    assert [message.sent for message in page.messages] == [over_irc.sent]
    assert page.messages[0].line == line_of(said("hello", number=1))
    assert "broken" in (tmp_path / "quarantine.ndjson").read_text()


async def test_the_worker_reads_over_eventsub_where_it_is_told_to(twitch, store, store_settings, tmp_path):
    now = time.time_ns() // 1_000_000
    working = asyncio.create_task(work(store_settings, twitch.settings(), tmp_path))
    session = await twitch.shard()
    await until(lambda: len(twitch.subscribed) == len(SUBSCRIPTION_TYPES))
    await session.notify(said("hello, worker", at_ms=now))
    log, found = Log(CHANNEL, (lines.CHANNEL_ID,)), []
    async with patience():
        while not found:
            found = (await store.reader.page(log, limit=10)).messages
            await asyncio.sleep(0.05)
    assert [message.line for message in found] == [line_of(said("hello, worker", at_ms=now))]
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await until(lambda: session.gone)


async def test_a_slow_reader_holds_the_sessions_back_and_loses_nothing(twitch, monkeypatch):
    monkeypatch.setattr("ingest.eventsub._LINES_WAITING", 8)
    async with EventSubSource(twitch.settings()) as source:
        await until(lambda: source.channels and source.channels[0].joined)
        session = await twitch.shard()
        sent = [said(f"{number}", number=number) for number in range(100)]
        sending = asyncio.create_task(send_all(session, sent))
        await until(source._lines.full)
        got = []
        async with patience():
            async for chunk in source.chunks():
                got += [received.line for received in chunk]
                if len(got) == len(sent):
                    break
            await sending
    assert got == [line_of(each) for each in sent]


async def send_all(session, sent):
    for each in sent:
        await session.notify(each)


async def test_it_ends_after_what_was_read(twitch):
    async with EventSubSource(twitch.settings()) as source:
        await until(lambda: source.channels and source.channels[0].joined)
        await (await twitch.shard()).notify(said("last"))
        await until(lambda: not source._lines.empty())
        await source.stop()
        assert [received.line async for chunk in source.chunks() for received in chunk] == [line_of(said("last"))]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("eventsub_url", "https://eventsub.example/ws"),
        ("eventsub_url", "wss://"),
        ("eventsub_api_url", "https://api.example/helix"),
        ("eventsub_auth_url", "id.example/"),
        ("eventsub_auth_url", "https://id.example:port/"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_with_a_sentence(name, url):
    with pytest.raises(SourceUrlError, match=f"LOGSTV_{name.upper()}"):
        EventSubSource(IngestSettings(**{name: url}))


async def test_a_channel_counts_as_read_until_it_is_parted_and_no_longer(twitch):
    async with reading(twitch.settings()) as found:
        await read_moonbase(found)
        session = await twitch.shard()
        (state,), from_ms = found.source.channels, found.source.channels[0].reading_from_ms
        await session.notify(said("the last that is read"))
        await until(lambda: found.lines)
        read_to_ms = state.heard_ms
        await found.source.part("moonbase")
        parted_ms = time.time_ns() // 1_000_000
        await session.notify(said("too late"))
        await until(lambda: found.source.counts.strays == 1)
        assert state.reading_from_ms is None
        ((began_ms, ended_ms),) = state.read_spans
        assert began_ms == from_ms
        assert read_to_ms <= ended_ms <= parted_ms
