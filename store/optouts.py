"""Who has opted out: the table, what is held of it in memory, and how it is kept up to date.

What follows for a line is `store.opted_out`'s, what follows for what is stored `store.erasing`'s, and the codes that
are said in a chat are `store.optout_codes`'.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from cassandra.query import BatchStatement, BatchType, PreparedStatement

from store.directory import Directory
from store.errors import OptoutError
from store.opted_out import STILL_OUT, OptedOut
from store.rows import unix_ms
from store.session import Session
from store.sightings import REGISTRY
from store.wanted import LOGIN_OR_ID

_AT_ONCE = 1000


class Kind(StrEnum):
    """What can opt out."""

    USER = "user"
    CHANNEL = "channel"


class Way(StrEnum):
    """How it opted out: the operator did it, or a code was said in a chat."""

    ADMIN = "admin"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Optout:
    """A user or channel that opted out; times are Unix milliseconds.

    Attributes:
        kind: which of them.
        id: Twitch's.
        since_ms: when.
        until_ms: when it opted in again; None while it is out.
        way: how it opted out.
        logins: every login that it was seen under.
        erased_ms: the `since_ms` whose lines are all erased.
    """

    kind: Kind
    id: int
    since_ms: int
    until_ms: int | None = None
    way: Way = Way.ADMIN
    logins: frozenset[str] = frozenset()
    erased_ms: int | None = None

    @property
    def is_erased(self) -> bool:
        """Whether nothing of it is stored any more."""
        return self.erased_ms == self.since_ms

    @property
    def end_ms(self) -> int:
        """Up to when what was said is out."""
        return STILL_OUT if self.until_ms is None else self.until_ms


class Optouts:
    """The table of those who opted out, and who they are at the moment.

    Attributes:
        current: who is out, as of the last `refresh`; nobody before the first.
        told: called when that has changed, before anyone else sees it.
        rows: the same, row by row.
    """

    def __init__(self, session: Session, directory: Directory, prepared: dict[str, PreparedStatement]) -> None:
        self.current = OptedOut()
        self.told: Callable[[], None] = lambda: None
        self.rows: tuple[Optout, ...] = ()
        self._session = session
        self._directory = directory
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> Optouts:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {name: await session.prepare(cql) for name, cql in _statements(session).items()}
        return cls(session, await Directory.open(session), prepared)

    def now(self) -> OptedOut:
        """Give who is out, as of the last `refresh`."""
        return self.current

    async def refresh(self) -> bool:
        """Read who is out, if that has changed, and say whether it has.

        Raises:
            StoreUnavailable: Cassandra cannot answer; what was known stays.
        """
        found = await self._session.execute(self._prepared["changed"].bind((REGISTRY,)))
        version: uuid.UUID | None = found[0][0] if found else None
        if version == self.current.version:
            return False
        rows = tuple(await self._read())
        self.rows, self.current = rows, _opted_out(rows, version)
        self.told()
        return True

    async def ids(self, kind: Kind, names: Iterable[str]) -> list[int]:
        """Give the ids of users or channels by their names: logins, or `id:` and Twitch's number.

        Raises:
            OptoutError: one is no name, or nobody was seen under it.
            StoreUnavailable: Cassandra cannot answer.
        """
        found = []
        for text in names:
            name = text.strip().lstrip("#@").lower()
            if not LOGIN_OR_ID.fullmatch(name):
                raise OptoutError(f"{text[:60]!r} is no {kind}: write a login, or id: and Twitch's number")
            known = int(name[3:]) if name.startswith("id:") else await self._directory.user_id(name)
            if known is None:
                raise OptoutError(f"nobody was seen here under the login {name!r}: give Twitch's number, as in id:501")
            found.append(known)
        return list(dict.fromkeys(found))

    async def add(self, kind: Kind, ids: Iterable[int], way: Way) -> list[Optout]:
        """Opt users or channels out, and give how they stand; who is out already stays so since then.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        ids = list(ids)
        before = await self._by_id(kind)
        for each in ids:
            if each in before and before[each].until_ms is None:
                continue
            logins = {name.login for name in await self._directory.logins_of(each)}
            now_ms = _later(before.get(each))
            await self._change("add", (logins, now_ms, None, way.value, REGISTRY, kind.value, each))
        return await self._standing(kind, ids)

    async def remove(self, kind: Kind, ids: Iterable[int]) -> list[Optout]:
        """Opt users or channels in again, and give those that were out: lines are kept from now on.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        before = await self._by_id(kind)
        gone = [each for each in dict.fromkeys(ids) if each in before and before[each].until_ms is None]
        for each in gone:
            await self._change("remove", (_later(before[each]), REGISTRY, kind.value, each))
        return await self._standing(kind, gone)

    async def learn(self, user_id: int, login: str) -> None:
        """Take note of another login of a user who is out.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._change("learn", ({login}, REGISTRY, Kind.USER.value, user_id))
        await self.refresh()

    async def erased(self, optout: Optout) -> None:
        """Take note that nothing of an opt-out is stored any more.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._change("erased", (optout.since_ms, REGISTRY, optout.kind.value, optout.id))
        await self.refresh()

    async def _change(self, name: str, values: tuple[object, ...]) -> None:
        # One partition, so a batch is one mutation: who sees the mark sees the change.
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.is_idempotent = True
        batch.add(self._prepared[name].bind(values))
        batch.add(self._prepared["mark"].bind((uuid.uuid1(), REGISTRY)))
        await self._session.execute(batch)

    async def _by_id(self, kind: Kind) -> dict[int, Optout]:
        return {row.id: row for row in await self._read() if row.kind is kind}

    async def _standing(self, kind: Kind, ids: list[int]) -> list[Optout]:
        await self.refresh()
        found = {row.id: row for row in self.rows if row.kind is kind}
        return [found[each] for each in ids if each in found]

    async def _read(self) -> list[Optout]:
        found: list[Optout] = []
        last: tuple[str, int] = ("", 0)
        while True:
            read = await self._session.execute(self._prepared["all"].bind((REGISTRY, *last, _AT_ONCE)))
            # A row without a time is what a late `learn` left of one that is gone.
            found += [_optout(row) for row in read if row[3] is not None]
            if len(read) < _AT_ONCE:
                return found
            last = read[-1][0], read[-1][1]


def _later(before: Optout | None) -> int:
    """Give our clock's time, and never one that the row has already: each change is told from the one before it."""
    now_ms = time.time_ns() // 1_000_000
    return now_ms if before is None else max(now_ms, before.since_ms + 1, (before.until_ms or 0) + 1)


def _optout(row: tuple[object, ...]) -> Optout:
    kind, number, logins, since, until, way, erased = row
    return Optout(
        Kind(str(kind)),
        int(str(number)),
        _ms(since) or 0,
        _ms(until),
        Way(str(way)),
        frozenset(logins or ()),  # type: ignore[call-overload]
        _ms(erased),
    )


def _opted_out(rows: Iterable[Optout], version: uuid.UUID | None) -> OptedOut:
    users, channels, logins = {}, {}, dict[str, int]()
    unerased = False
    for row in rows:
        unerased = unerased or not row.is_erased
        if row.kind is Kind.CHANNEL:
            channels[row.id] = row.end_ms
            continue
        users[row.id] = row.end_ms
        for login in row.logins:
            logins[login] = max(row.end_ms, logins.get(login, 0))
    return OptedOut(users, channels, logins, unerased, version)


def _ms(moment: object) -> int | None:
    return unix_ms(moment) if isinstance(moment, dt.datetime) else None


def _statements(session: Session) -> dict[str, str]:
    table = session.table("optouts")
    where = "WHERE registry = ? AND kind = ? AND id = ?"
    return {
        "changed": f"SELECT changed FROM {table} WHERE registry = ? LIMIT 1",
        "mark": f"UPDATE {table} SET changed = ? WHERE registry = ?",
        "all": f"SELECT kind, id, logins, since, until, way, erased FROM {table} "
        "WHERE registry = ? AND (kind, id) > (?, ?) LIMIT ?",
        "add": f"UPDATE {table} SET logins = logins + ?, since = ?, until = ?, way = ? {where}",
        "remove": f"UPDATE {table} SET until = ? {where}",
        "learn": f"UPDATE {table} SET logins = logins + ? {where}",
        "erased": f"UPDATE {table} SET erased = ? {where}",
    }
