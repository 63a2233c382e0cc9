"""What is stored of those who opted out is gone, wherever the job was broken off on the way."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support import lines, named

from store.erasers import Lines, erasers_of
from store.erasing import Erased, Erasing, Erasure
from store.errors import LeaseLost, StoreUnavailable
from store.keys import MS_IN_DAY, Width
from store.lease import Leases
from store.message import Message
from store.opted_out import nobody
from store.optouts import Kind, Way
from store.reader import Log, Reader
from store.retention import Retention
from store.session import Session
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER
from store.store import Store
from store.volumes import Volumes
from store.writer import Writer

LINE_TABLES = [shape.table for shape in SHAPES]
TABLES = [*LINE_TABLES, *(shape.index for shape in SHAPES), "channel_moderation", "user_moderation"]


class Killed(BaseException):
    """What a process that is killed does not live to see."""


async def erasing(store: Store, erasers: list[Any] | None = None, **more: float) -> Erasing:
    return await Erasing.open(
        store.session, store.optouts, erasers or await erasers_of(store.session), **({"settled_seconds": 0.0} | more)
    )


async def dump(store: Store) -> dict[str, list[str]]:
    """Give every row of every table that holds lines, as text."""
    return {
        table: sorted(repr(row) for row in await store.session.execute(f"SELECT * FROM {store.session.table(table)}"))
        for table in TABLES
    }


@pytest.fixture
async def chat(store: Store, writer: Writer) -> list[Message]:
    said = [Message.parse(line) for line in named.everything()]
    await writer.write(said)
    await writer.flush()
    return said


async def logs(store: Store, who: Any = nobody) -> dict[tuple[str, tuple[int, ...]], list[str]]:
    """Give the lines of every log of the chat."""
    reader = await Reader.open(store.session, who)
    users, channels = (named.ADA, named.BO, named.CY), (lines.CHANNEL_ID, named.DEMO_ID)
    asked = [Log(CHANNEL, (c,)) for c in channels] + [Log(USER, (u,)) for u in users]
    asked += [Log(CHANNEL_USER, (c, u)) for c in channels for u in users]
    return {(log.shape.name, log.key): [m.line async for piece in reader.stream(log) for m in piece] for log in asked}


async def assert_erased(store: Store, before: dict[tuple[str, tuple[int, ...]], list[str]]) -> None:
    """Hold what is stored against what was: nothing of hers is left, and all else is."""
    hers = set(named.hers())
    after = await logs(store)
    assert after == {place: [line for line in said if line not in hers] for place, said in before.items()}
    everything = await dump(store)
    assert not [row for table in ("user_moderation", "channel_moderation") for row in everything[table]]
    for index in ("user_buckets", "channel_user_buckets"):
        assert not [row for row in everything[index] if str(named.ADA) in row]
    (row,) = store.optouts.rows
    assert row.is_erased


async def test_everything_of_hers_goes_and_nothing_else(store, chat):
    before = await logs(store)
    assert set(named.hers()) <= {line for said in before.values() for line in said}
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    (done,) = await (await erasing(store)).run()
    assert (done.kind, done.id) == (Kind.USER, named.ADA)
    await assert_erased(store, before)
    ((kind, number, way, found, parts, begun, finished),) = await store.session.execute(
        f"SELECT kind, id, way, lines, done, begun, finished FROM {store.session.table('erasures')}"
    )
    assert (kind, number, way, set(parts)) == ("user", named.ADA, "admin", {"lines", "volumes", "archive"})
    assert found["lines"] == len(named.hers())
    assert begun <= finished
    assert await (await erasing(store)).run() == []
    # The names stay: she is still known by them, and by the old one.
    assert await store.directory.user_id("ada_before") == named.ADA


async def ends_within(store: Store, requests: int) -> bool:
    """Run the job in a process that is killed before one more request than these; say whether it came to its end."""
    session, left = store.session, [requests]
    execute = Session.execute

    def until_killed(statement: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return execute(session, statement)

    await store.optouts.refresh()
    job = await erasing(store)
    session.execute = until_killed  # type: ignore[method-assign]
    try:
        for row in job.due():
            await job._erase(row, lambda: None)
    except Killed:
        return False
    finally:
        del session.execute
    return True


@pytest.fixture
def in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some lines in a piece and some deletes in a request, so that there are many places to be killed at."""
    monkeypatch.setattr("store.reader._SCAN_ROWS", 3)
    monkeypatch.setattr("store.deletions._IN_A_BATCH", 2)


async def test_a_job_that_is_killed_at_every_request_ends_complete(store, chat, in_small_pieces):
    before = await logs(store)
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    requests = 0
    while not await ends_within(store, requests):
        requests += 1
    assert requests > 20
    await assert_erased(store, before)


@pytest.mark.parametrize("seed", range(3))
async def test_a_job_that_is_killed_by_chance_ends_complete(store, chat, in_small_pieces, seed):
    before = await logs(store)
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    chance = random.Random(seed)
    while not await ends_within(store, chance.randrange(40)):
        pass
    await assert_erased(store, before)


@pytest.mark.parametrize("seed", range(2))
async def test_a_channels_lines_go_from_every_log(store, chat, in_small_pieces, seed):
    before = await logs(store)
    await store.optouts.add(Kind.CHANNEL, [lines.CHANNEL_ID], Way.ADMIN)
    chance = random.Random(seed)
    while not await ends_within(store, chance.randrange(300)):
        pass
    gone = set(before["channel", (lines.CHANNEL_ID,)])
    assert await logs(store) == {place: [line for line in said if line not in gone] for place, said in before.items()}
    everything = await dump(store)
    for table in ("channel_moderation", "user_moderation", "channel_buckets", "channel_user_buckets"):
        assert not [row for row in everything[table] if f"({lines.CHANNEL_ID}," in row], table


async def test_what_is_said_after_opting_in_stays_and_is_found(store, writer, chat):
    before = await logs(store)
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    (row,) = await store.optouts.remove(Kind.USER, [named.ADA])
    # She said something at once, while the writer remembered buckets whose index is about to be erased.
    writer.forget_buckets()
    again = Message.parse(
        lines.privmsg("back", number=500, sent_ms=row.until_ms + 5, user_id=named.ADA, login="ada_lift")
    )
    await writer.write([again])
    await (await erasing(store)).run()
    hers = set(named.hers())
    after = await logs(store, store.optouts.now)
    for place in before:
        kept = [line for line in after[place] if line != again.line and "*" not in line]
        assert not hers & set(kept)
    for shape, key in (
        (CHANNEL, (lines.CHANNEL_ID,)),
        (USER, (named.ADA,)),
        (CHANNEL_USER, (lines.CHANNEL_ID, named.ADA)),
    ):
        assert again.line in after[shape.name, key]


async def test_a_line_of_before_that_comes_late_is_not_there(store, writer, chat):
    """A spool may bring it: in the logs that were erased whole it lies under their tombstones."""
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    await (await erasing(store)).run()
    await store.optouts.remove(Kind.USER, [named.ADA])
    late = Message.parse(named.hers()[1])
    await writer.write([late])
    found = await logs(store)
    assert late.line not in found["user", (named.ADA,)]
    assert late.line not in found["channel", (lines.CHANNEL_ID,)]


async def test_it_waits_until_all_know_of_the_opt_out(store, chat):
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    patient = await erasing(store, settled_seconds=3600.0)
    assert await patient.run() == []
    assert not store.optouts.rows[0].is_erased


async def test_one_works_at_a_time_and_another_takes_over_when_it_is_done(store, chat):
    leases = await Leases.open(store.session)
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    job = await erasing(store)
    async with leases.held("erasing") as lease:
        assert lease is not None
        lease.check()
        assert await job.run() is None
    assert len(await job.run()) == 1


async def test_who_has_lost_the_lease_goes_no_further(store, chat):
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)

    def lost() -> None:
        raise LeaseLost("lost")

    job = await erasing(store)
    before = await dump(store)
    with pytest.raises(LeaseLost):
        await job._erase(job.due()[0], lost)
    assert await dump(store) == before


class Recorded:
    """An eraser that notes when it is asked, and can fail or leave something."""

    def __init__(self, name: str, order: list[str], *, fails: int = 0, leaves: int = 0) -> None:
        self.name = name
        self.order = order
        self.fails = fails
        self.leaves = leaves

    async def erase(self, erasure: Erasure) -> Erased:
        self.order.append(self.name)
        await erasure.found(3)
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("away")
        if self.leaves:
            self.leaves -= 1
            return Erased.PARTLY
        return Erased.WHOLLY


async def test_erasers_work_in_order_and_one_that_is_done_is_not_asked_again(store, chat):
    order: list[str] = []
    parts = [Recorded("a", order), Recorded("b", order, fails=1), Recorded("c", order, leaves=1)]
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    with pytest.raises(StoreUnavailable):
        await (await erasing(store, parts)).run()
    assert await (await erasing(store, parts)).run() == []
    assert len(await (await erasing(store, parts)).run()) == 1
    assert order == ["a", "b", "b", "c", "c"]
    ((found, done),) = await store.session.execute(f"SELECT lines, done FROM {store.session.table('erasures')}")
    assert dict(found) == {"a": 3, "b": 6, "c": 6}
    assert set(done) == {"a", "b", "c"}


async def test_what_goes_wrong_with_one_keeps_back_no_other(store, chat):
    class FailsForAda(Recorded):
        async def erase(self, erasure):
            if erasure.id == named.ADA:
                raise StoreUnavailable("a day of hers is damaged")
            return await super().erase(erasure)

    await store.optouts.add(Kind.USER, [named.ADA, named.BO], Way.ADMIN)
    with pytest.raises(StoreUnavailable):
        await (await erasing(store, [FailsForAda("a", [])])).run()
    assert {row.id: row.is_erased for row in store.optouts.rows} == {named.ADA: False, named.BO: True}


async def test_a_line_from_the_future_is_erased_later(store, writer, now_ms):
    ahead = lines.privmsg("from tomorrow", sent_ms=now_ms + 3_600_000, user_id=named.ADA, login="ada_lift")
    await writer.write([Message.parse(ahead)])
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    assert await (await erasing(store, [await Lines.open(store.session)])).run() == []
    assert not store.optouts.rows[0].is_erased


async def test_a_day_on_which_nobody_else_spoke_is_no_day_any_more(store, writer, chat):
    alone = lines.privmsg("alone", number=900, sent_ms=lines.EVENING_MS + 3 * MS_IN_DAY, user_id=named.ADA)
    await writer.write([Message.parse(alone)])
    log = Log(CHANNEL, (lines.CHANNEL_ID,))
    assert len(await store.reader.buckets(log)) == 3
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    await (await erasing(store)).run()
    assert len(await store.reader.buckets(log)) == 2


async def test_how_much_a_log_got_goes_too(store, now_ms):
    volumes, today = await Volumes.open(store.session), now_ms // MS_IN_DAY
    for shape, key in (
        (USER, (named.ADA,)),
        (USER, (named.BO,)),
        (CHANNEL_USER, (lines.CHANNEL_ID, named.ADA)),
        (CHANNEL_USER, (lines.CHANNEL_ID, named.BO)),
        (CHANNEL, (named.ADA,)),
    ):
        await volumes.record(today, shape, key, "a worker", 9)
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    await (await erasing(store)).run()
    left = {("user", (named.BO,)), ("channel_user", (lines.CHANNEL_ID, named.BO)), ("channel", (named.ADA,))}
    assert set(await volumes.of_day(today)) == left
    await store.optouts.add(Kind.CHANNEL, [lines.CHANNEL_ID], Way.ADMIN)
    await (await erasing(store)).run()
    assert set(await volumes.of_day(today)) == {("user", (named.BO,)), ("channel", (named.ADA,))}


async def test_lines_in_buckets_that_overlap_go_from_all_of_them(store):
    said = [Message.parse(line) for line in named.everything()]
    for width in (None, Width.HOUR):
        # The same lines, once in the usual buckets and once in hours: two workers that did not agree.
        wide = {} if width is None else {"width_of": lambda *_: Width.HOUR}
        await (await Writer.open(store.session, Retention.of(0), **wide)).write(said)
    before = await logs(store)
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    await (await erasing(store)).run()
    await assert_erased(store, before)


async def test_a_login_that_passed_on_keeps_what_was_done_to_its_next_owner(store, writer):
    said = [
        lines.privmsg("mine", number=1, user_id=named.ADA, login="ada_lift"),
        lines.privmsg("mine now", number=2, sent_ms=lines.EVENING_MS + 9, user_id=999, login="ada_lift"),
        lines.clearchat("ada_lift", user_id=999, sent_ms=lines.EVENING_MS + 10),
    ]
    await writer.write([Message.parse(line) for line in said])
    await store.optouts.add(Kind.USER, [named.ADA], Way.ADMIN)
    await (await erasing(store)).run()
    assert (await logs(store))["channel", (lines.CHANNEL_ID,)] == [said[2], said[1]]
    assert len((await dump(store))["user_moderation"]) == 1
