from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2
import pytest
from support import lines
from support.cassandra import unused_ports
from support.chat import until
from support.events import listening
from support.flaky import Door
from support.patience import PATIENCE_SECONDS, patience
from support.recording import recorded
from support.serving import served, until_ready

from app import live as live_module
from app.given import Given
from app.live import Live
from app.models import MessageBody
from store.errors import StoreUnavailable
from store.keys import Width
from store.message import Message

QUICK = {"live_seconds": 0.05}
_CHANNELS = itertools.count(77_001)


class Room:
    """A channel of its own, in which lines are said."""

    def __init__(self, writer) -> None:
        self.channel_id = next(_CHANNELS)
        self.route = f"/v1/channels/id:{self.channel_id}/live"
        self.said: list[str] = []
        self._numbers = itertools.count(self.channel_id * 10_000)
        self._writer = writer

    async def say(self, *, ago_ms: int = 0, count: int = 1) -> None:
        """Let lines become visible that were sent a while ago."""
        now = time.time_ns() // 1_000_000 - ago_ms
        said = [
            lines.privmsg(
                "hello",
                number=number,
                sent_ms=now,
                channel_id=self.channel_id,
                channel=f"room{self.channel_id}",
            )
            for number in itertools.islice(self._numbers, count)
        ]
        self.said += said
        await self._writer.write([Message.parse(line) for line in said])
        await self._writer.flush()

    def heard_in(self, *heard) -> bool:
        return sorted(line for each in heard for line in each.lines) == sorted(self.said)


@pytest.fixture
async def room(module_writer) -> Room:
    room = Room(module_writer)
    await room.say(ago_ms=60_000)  # an evening that is over
    room.said.clear()
    return room


@pytest.fixture(scope="module")
async def quick(module_store):
    async with served(module_store.session.settings, **QUICK) as client:
        await until_ready(client)
        yield client


async def test_what_is_said_from_now_on_comes_as_events_with_the_lines_as_in_a_log(quick, room):
    async with listening(quick, room.route) as heard:
        for _ in range(3):
            await room.say(count=2)
        await heard.until(lambda: len(heard.lines) >= 6)
    assert room.heard_in(heard)
    log = (await quick.get(room.route.replace("live", "messages"), params={"limit": 6})).json()["messages"]
    assert sorted(map(str, log)) == sorted(str(data) for _, data in heard.events)
    MessageBody.model_validate(heard.events[0][1])


async def test_a_line_that_becomes_visible_late_is_given_once(quick, room):
    async with listening(quick, room.route) as heard:
        for ago in (0, 4000, 2000, 9000, 0):
            await room.say(ago_ms=ago)
            await heard.until(lambda: room.heard_in(heard))


async def test_it_goes_on_after_any_event_without_a_hole_and_without_a_double(module_store, quick, room):
    async with listening(quick, room.route) as heard:
        for ago in (0, 3000, 1000):
            await room.say(ago_ms=ago, count=2)
        await heard.until(lambda: len(heard.lines) >= 6)
    first = len(heard.lines)
    await room.say(ago_ms=5000)  # late, and nobody listens
    await room.say()
    async with served(module_store.session.settings, **QUICK) as restarted:
        await until_ready(restarted)
        for place in range(first):
            missed = len(room.said) - place - 1
            headers = {"last-event-id": heard.ids[place]}
            async with listening(restarted, room.route, headers=headers, params={"cursor": heard.ids[0]}) as again:
                await again.until(lambda missed=missed: len(again.lines) >= missed)
                assert sorted(heard.lines[: place + 1] + again.lines) == sorted(room.said)
        async with listening(restarted, room.route, params={"cursor": heard.ids[-1]}) as again:
            await again.until(lambda: len(again.lines) >= 2)
            await room.say(ago_ms=7000)
            await again.until(lambda: len(again.lines) >= 3)
            assert sorted(heard.lines + again.lines) == sorted(room.said)
        async with listening(restarted, room.route, params={"cursor": again.last_id}) as third:
            await room.say()
            await third.until(lambda: third.lines)
            assert third.lines == room.said[-1:]


async def test_where_nothing_was_heard_yet_the_first_id_is_good_too(quick, room):
    async with listening(quick, room.route) as heard:
        start = heard.last_id
    await room.say(count=3)
    async with listening(quick, room.route, params={"cursor": start}) as again:
        await again.until(lambda: room.heard_in(again))


async def test_the_newest_lines_can_come_first(quick, room):
    await room.say(count=5)
    async with listening(quick, room.route, params={"last": 3}) as heard:
        await heard.until(lambda: len(heard.lines) == 3)
        await room.say()
        await heard.until(lambda: len(heard.lines) == 4)
    assert set(heard.lines) < set(room.said)


async def test_a_channel_is_read_once_for_all_who_listen(serving_in_sight, room, monkeypatch):
    monkeypatch.setattr("app.live._BY_THE_INDEX", 1_000_000)
    client, session = serving_in_sight
    polls, poll = [], live_module._Tail._poll

    async def counted(tail) -> None:
        if tail.given.channel_id == room.channel_id:
            polls.append(tail.begun)
        await poll(tail)

    monkeypatch.setattr(live_module._Tail, "_poll", counted)
    async with listening(client, room.route) as one, listening(client, room.route) as two:
        await room.say()
        await until(lambda: room.heard_in(one) and room.heard_in(two))
        polls.clear()
        with recorded(session) as calls:
            await until(lambda: len(polls) >= 5)
        # One poll may have been under way at the beginning, and one may be at the end.
        reads = len([call for call in calls if "channel_messages" in call.tables])
        assert len(polls) - 1 <= reads <= len(polls) + 1
        assert not [call for call in calls if "channel_buckets" in call.tables]


async def test_lines_of_a_bucket_that_is_new_or_of_another_width_are_seen_too(quick, room, module_writer, monkeypatch):
    monkeypatch.setattr("app.live._BY_THE_INDEX", 1_000_000)
    async with listening(quick, room.route) as heard:
        await room.say()
        await heard.until(lambda: room.heard_in(heard))
        monkeypatch.setattr(module_writer, "_width_of", lambda *_: Width.HOUR)
        await room.say(count=2)
        await heard.until(lambda: room.heard_in(heard))


async def test_more_than_one_read_gives_at_once_is_given_too(quick, room, monkeypatch):
    monkeypatch.setattr("store.reader._SCAN_ROWS", 5)
    async with listening(quick, room.route) as heard:
        await room.say(count=23)
        await heard.until(lambda: room.heard_in(heard))


async def test_a_listener_that_is_too_slow_is_told_so_and_the_others_go_on(module_store, room):
    live = Live(lambda: module_store, pause_seconds=0.05, most_listeners=10)
    slow, quick = live.events(room.channel_id), live.events(room.channel_id)
    await anext(slow)
    await anext(quick)
    for _ in range(3):
        await room.say(count=400)
        got = 0
        async with patience():
            while got < 400:
                got += (await anext(quick)).count(b"data: ")
    async with patience():
        rest = b"".join([piece async for piece in slow])
    assert b"event: problem" in rest
    assert b"lines behind" in rest
    # Where it was dropped, it goes on.
    cursor = [line.removeprefix(b"id: ") for line in rest.split(b"\n") if line.startswith(b"id: ")][-1].decode()
    had = rest.count(b"\ndata: ") - 1
    again, found = live.events(room.channel_id, Given.from_cursor(cursor, room.channel_id)), 0
    async with patience():
        while found < 1200 - had:
            found += (await anext(again)).count(b"data: ")
    assert found == 1200 - had
    for stream in (again, quick):
        await stream.aclose()
    await live.close()


async def test_when_the_service_stops_streams_end_with_a_sentence_and_at_once(module_store, room, monkeypatch):
    monkeypatch.setattr("app.server._GRACE_SECONDS", PATIENCE_SECONDS)
    async with AsyncExitStack() as stack:
        async with served(module_store.session.settings, **QUICK) as client:
            await until_ready(client)
            own = await stack.enter_async_context(httpx2.AsyncClient(base_url=client.base_url))
            heard = await stack.enter_async_context(listening(own, room.route))
            began = time.monotonic()
        assert time.monotonic() - began < PATIENCE_SECONDS / 2  # it would wait twice as long for those who do not end
        await heard.until(lambda: heard.ended)
        kind, data = heard.events[-1]
    assert kind == "problem"
    assert "Last-Event-ID" in data["detail"]


async def test_it_outlives_an_outage_of_cassandra_without_a_hole(module_store, room, monkeypatch):
    monkeypatch.setattr("app.live.WINDOW_MS", 500)
    (port,) = unused_ports(1)
    settings = module_store.session.settings
    door = Door(settings.contact_points[0], settings.cql_port, port)
    await door.open()
    through = settings.model_copy(update={"contact_points": ("127.0.0.1",), "cql_port": port, "request_timeout": 10})
    async with served(through, **QUICK) as client:
        await until_ready(client)
        async with listening(client, room.route) as heard:
            await room.say()
            await heard.until(lambda: room.heard_in(heard))
            await door.shut()
            shut = time.time()
            await until_ready(client, 503)
            await room.say(count=3)
            await door.open()
            await heard.until(lambda: room.heard_in(heard))
            # A worker brings what it held back, of longer ago than a line may otherwise be late.
            ago_ms = round((time.time() - shut) * 1000)
            assert ago_ms > 500
            await room.say(ago_ms=ago_ms)
            await heard.until(lambda: room.heard_in(heard))
    await door.shut()


async def test_there_are_no_more_listeners_than_are_allowed(module_store, room):
    async with served(module_store.session.settings, live_listeners=1, **QUICK) as client:
        await until_ready(client)
        async with listening(client, room.route):
            answer = await client.get(room.route)
            assert (answer.status_code, answer.json()["code"]) == (503, "too_many_listeners")
            assert answer.headers["retry-after"]
        async with patience():
            while (await client.head(room.route)).status_code != 200:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("asked", [{"params": {"cursor": "AAAA"}}, {"headers": {"last-event-id": "AAAA"}}])
async def test_a_cursor_that_is_none_is_refused_before_the_stream_begins(quick, room, asked):
    answer = await quick.get(room.route, **asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_a_poller_ends_when_nobody_listens_any_more(module_store, room, monkeypatch):
    monkeypatch.setattr("app.live._LINGER_SECONDS", 0.1)
    live = Live(lambda: module_store, pause_seconds=0.02, most_listeners=10)
    stream = live.events(room.channel_id)
    await anext(stream)
    assert live._tails
    await stream.aclose()
    await until(lambda: not live._tails and not live._polling)
    await live.close()


async def test_lines_that_were_read_before_a_read_failed_are_given(module_store, room, monkeypatch):
    monkeypatch.setattr("app.live._BY_THE_INDEX", 1)
    reader = module_store.reader
    stream, broken = reader.stream, []

    async def breaking(log):
        async for piece in stream(log):
            yield piece
            if not broken and room.said:
                broken.append(True)
                raise StoreUnavailable("in the middle")

    live = Live(lambda: module_store, pause_seconds=0.05, most_listeners=10)
    events = live.events(room.channel_id)
    await anext(events)
    monkeypatch.setattr(reader, "stream", breaking)
    await room.say(count=3)
    found = 0
    async with patience():
        while found < 3:
            found += (await anext(events)).count(b"data: ")
    await until(lambda: broken)
    await events.aclose()
    await live.close()


@pytest.fixture
async def lingering_briefly(module_store, monkeypatch) -> AsyncIterator[Live]:
    """Streams whose pollers give up a tenth of a second after the last listener."""
    monkeypatch.setattr("app.live._LINGER_SECONDS", 0.1)
    monkeypatch.setattr("app.live._BY_THE_INDEX", 1_000_000)
    live = Live(lambda: module_store, pause_seconds=0.02, most_listeners=10)
    yield live
    await live.close()


async def goes_on(live: Live, room: Room, events: AsyncIterator[bytes], looks: list[bool]) -> None:
    """See that the poller looks again, and that a listener is given what is said then."""
    await until(lambda: len(looks) > 1 or not live._tails)
    assert live._tails
    await room.say()
    async with patience():
        while b"data: " not in (piece := await anext(events)):
            pass
    assert b"event: problem" not in piece
    await events.aclose()


async def test_a_look_that_takes_longer_than_a_poller_lingers_ends_no_stream(
    lingering_briefly, module_store, room, monkeypatch
):
    hot, looks = module_store.reader.hot, []
    newest, events = hot.newest, lingering_briefly.events(room.channel_id)
    await anext(events)

    async def held_up(*asked):
        looks.append(True)
        if len(looks) == 1:
            await asyncio.sleep(0.3)
            raise StoreUnavailable("nobody answered in time")
        return await newest(*asked)

    monkeypatch.setattr(hot, "newest", held_up)
    await goes_on(lingering_briefly, room, events, looks)


async def test_who_comes_during_the_last_look_of_a_poller_is_not_sent_away(
    lingering_briefly, module_store, room, monkeypatch
):
    hot, looks, go_on = module_store.reader.hot, [], asyncio.Event()
    newest, first = hot.newest, lingering_briefly.events(room.channel_id)
    await anext(first)

    async def held_up(*asked):
        looks.append(True)
        await go_on.wait()
        return await newest(*asked)

    monkeypatch.setattr(hot, "newest", held_up)
    await until(lambda: looks)
    await first.aclose()
    await asyncio.sleep(0.2)  # longer than it lingers
    second = lingering_briefly.events(room.channel_id)
    await anext(second)
    go_on.set()
    await goes_on(lingering_briefly, room, second, looks)
