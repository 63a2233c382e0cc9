"""The channels that are to be read, as operators say it: by which name, kept for how long, without which messages.

What was said of a channel still counts for what was logged of it when it is read no more.

Who reads which of them is `ingest.assignment`'s; where a channel's newest login comes from is `store.directory`'s.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from cassandra.query import UNSET_VALUE, PreparedStatement

from store.directory import Directory
from store.errors import WantedError
from store.message import STORED_TYPES, MessageType
from store.retention import Retention
from store.rows import unix_ms
from store.session import Session
from store.sightings import REGISTRY

_SECONDS_IN_DAY = 86_400

LONGEST_DAYS = 20 * 365
"""Cassandra keeps nothing with a TTL for longer than 20 years."""

LONGEST_ARCHIVE_DAYS = 100 * 365
"""What is to stay for longer stays for ever."""

LOGIN_OR_ID = re.compile(r"[a-z0-9_]{1,25}|id:[1-9][0-9]{0,17}")
"""How a user or channel is named: by a login in lower case, or by Twitch's id."""


class AsIs(Enum):
    """Stands for a rule that is not to be changed."""

    AS_IS = "as it is"


AS_IS: Final = AsIs.AS_IS


@dataclass(frozen=True, slots=True)
class WantedChannel:
    """A channel that is to be read.

    Attributes:
        name: as it was added: a login, or `id:` and Twitch's number.
        added_ms: when, Unix milliseconds.
        channel_id: Twitch's id; None until a worker has learnt it.
        retention_days: how long its lines are kept; 0 is for ever, None is as the tables say.
        without: the types of message that are not kept.
        archive_days: how long the archive keeps its days; 0 is for ever, None is as the setting says.
        is_removed: whether it is read no more; the rest still counts for what was logged.
    """

    name: str
    added_ms: int
    channel_id: int | None = None
    retention_days: int | None = None
    without: frozenset[MessageType] = frozenset()
    archive_days: int | None = None
    is_removed: bool = False

    @property
    def key(self) -> int | str:
        """What it is known by: its id, or its login while that is not known."""
        return self.name if self.channel_id is None else self.channel_id

    @property
    def has_rules(self) -> bool:
        """Whether anything is said of what is kept of it."""
        return bool(self.without) or (self.retention_days, self.archive_days) != (None, None)

    @property
    def given_login(self) -> str | None:
        """The login by which it was added; None if that was its id."""
        return None if self.name.startswith("id:") else self.name


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel that is to be read stands.

    Attributes:
        channel: what was said of it.
        login: its newest login; None where only its id is known.
        readers: the workers that read it now.
    """

    channel: WantedChannel
    login: str | None
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is said of a channel when it is added.

    Attributes:
        retention_days: as in WantedChannel.
        without: as in WantedChannel.
        archive_days: as in WantedChannel.
    """

    retention_days: int | AsIs | None = AS_IS
    without: frozenset[MessageType] | AsIs = AS_IS
    archive_days: int | AsIs | None = AS_IS

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            WantedError: the retention cannot be had, or nothing would be kept.
        """
        if isinstance(self.retention_days, int) and not 0 <= self.retention_days <= LONGEST_DAYS:
            raise WantedError(
                f"a retention of {self.retention_days} days cannot be had: 1 to {LONGEST_DAYS} days, or 0 for ever"
            )
        if isinstance(self.archive_days, int) and not 0 <= self.archive_days <= LONGEST_ARCHIVE_DAYS:
            raise WantedError(
                f"an archive of {self.archive_days} days cannot be had: 1 to {LONGEST_ARCHIVE_DAYS} days, or 0 for ever"
            )
        if not isinstance(self.without, AsIs) and self.without >= frozenset(STORED_TYPES.values()):
            raise WantedError("a channel of which no message is kept need not be read: remove it instead")


class WantedChannels:
    """The table of the channels that are to be read."""

    def __init__(self, session: Session, directory: Directory, prepared: dict[str, PreparedStatement]) -> None:
        self._session = session
        self._directory = directory
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> WantedChannels:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        prepared = {name: await session.prepare(cql) for name, cql in _statements(session).items()}
        return cls(session, await Directory.open(session), prepared)

    async def all(self) -> list[WantedChannel]:
        """Give all of them, by name.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return [channel for channel in await self.said() if not channel.is_removed]

    async def said(self) -> list[WantedChannel]:
        """Give all of which anything is said, by name: first those that were removed, then those that are to be read.

        Where both are of one channel, the later counts.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        found = [_channel(row) for row in await self._session.execute(self._prepared["all"].bind((REGISTRY,)))]
        return sorted(
            (channel for channel in found if not channel.is_removed or channel.has_rules),
            key=lambda channel: not channel.is_removed,
        )

    async def retention(self) -> Retention:
        """Give for how long lines are kept: as the tables say, and what is said of channels.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        tables, said = await asyncio.gather(Retention.of_tables(self._session), self.said())
        return replace(tables, channels=retentions(said))

    async def standing(self) -> list[Standing]:
        """Give all of them with their logins and readers, by name.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        channels, readers = await asyncio.gather(self.all(), self._directory.readers())
        logins = await asyncio.gather(*map(self.login, channels))
        return [
            Standing(channel, login, readers.get(channel.channel_id or 0, ()))
            for channel, login in zip(channels, logins, strict=True)
        ]

    async def login(self, channel: WantedChannel) -> str | None:
        """Give the newest login of a channel: the one seen last with its id, or else the one that it was added by.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        names = await self._directory.logins_of(channel.channel_id) if channel.channel_id is not None else []
        return names[0].login if names else channel.given_login

    async def add(self, names: Iterable[str], rules: Rules = Rules()) -> list[WantedChannel]:
        """Have channels read; one that is read already only takes what the rules say.

        Args:
            names: logins in any case, or `id:` and Twitch's number.
            rules: what is kept of them.

        Returns:
            The channels, as they stand now, in the order of the names.

        Raises:
            WantedError: one is no name, or is an id whose login nobody knows; then none was added.
            StoreUnavailable: Cassandra cannot answer.
        """
        there = await self.all()
        added: dict[str, WantedChannel] = {}
        for name in dict.fromkeys(map(channel_name, names)):
            matches = await self._matches(name, [*there, *added.values()])
            for channel in matches or [await self._new(name)]:
                added[channel.name] = channel
        for channel in added.values():
            await self._write(channel, rules, is_new=channel not in there)
        now = {channel.name: channel for channel in await self.all()}
        return [now[name] for name in added if name in now]

    async def remove(self, names: Iterable[str]) -> list[WantedChannel]:
        """Have channels read no more; what is said of them is kept, for what was logged of them.

        Args:
            names: as for `add`; one that is not read is left out.

        Returns:
            The channels that were there.

        Raises:
            WantedError: one is no name; then none was removed.
            StoreUnavailable: Cassandra cannot answer.
        """
        there = await self.all()
        gone: dict[str, WantedChannel] = {}
        for name in [channel_name(name) for name in names]:
            gone |= {channel.name: channel for channel in await self._matches(name, there)}
        left = list(there)
        for channel in gone.values():
            left.remove(channel)
            await self._remove(channel, {each.channel_id for each in left})
        return list(gone.values())

    async def _remove(self, channel: WantedChannel, others: Collection[int | None]) -> None:
        """Remove a channel; what is said of it is kept by its id, since its login may be another's when that is added.

        Where no worker has learnt the id, it is that of whoever was seen last under the login, in files that were taken
        in, say; what was said of that one and is not said anew stays as it is. Of a login that nobody had nothing was
        logged.
        """
        channel_id, unsaid, kept = channel.channel_id, None, None
        if channel_id is None and channel.has_rules:
            channel_id, unsaid = await self._directory.user_id(channel.name), UNSET_VALUE
        if channel.has_rules and channel_id is not None and channel_id not in others:
            kept = _id_name(channel_id)
            values = (None, channel_id, *_rules(channel, unsaid), REGISTRY, kept)
            await self._session.execute(self._prepared["write"].bind(values))
        if kept != channel.name:
            await self._session.execute(self._prepared["remove"].bind((REGISTRY, channel.name)))

    async def learn(self, channel: WantedChannel, channel_id: int) -> None:
        """Keep the id that a channel turned out to have, and what was said of it when it was removed the last time.

        Both are written with the time at which the channel was added, so that they bring nothing back that was removed,
        and change nothing that was said since.

        Raises:
            StoreUnavailable: Cassandra cannot answer; doing it again is right.
        """
        asked_at, added_at = time.time_ns() // 1000, channel.added_ms * 1000
        before = await self._one(_id_name(channel_id))
        if before is not None and before.is_removed:
            values = (added_at, *_rules(before, UNSET_VALUE), REGISTRY, channel.name)
            await self._session.execute(self._prepared["take over"].bind(values))
        await self._session.execute(self._prepared["learn"].bind((added_at + 999, channel_id, REGISTRY, channel.name)))
        if before is not None and before.is_removed:
            now = await self._one(channel.name)
            if now is not None and not now.is_removed and now.channel_id == channel_id:
                await self._session.execute(self._prepared["forget"].bind((asked_at, REGISTRY, before.name)))

    async def _one(self, name: str) -> WantedChannel | None:
        rows = await self._session.execute(self._prepared["one"].bind((REGISTRY, name)))
        return _channel(rows[0]) if rows else None

    async def _matches(self, name: str, channels: Sequence[WantedChannel]) -> list[WantedChannel]:
        """Give those that a name means: it is their name, their id, or the newest login of their id."""
        found = [channel for channel in channels if channel.name == name]
        if name.startswith("id:"):
            return found or [channel for channel in channels if channel.channel_id == int(name.removeprefix("id:"))]
        by_id = {channel.channel_id: channel for channel in channels if channel.channel_id is not None}
        for known in await self._directory.users_of(name) if by_id else ():
            channel = by_id.get(known.user_id)
            if channel is not None and channel not in found and await self.login(channel) == name:
                found.append(channel)
        return found

    async def _new(self, name: str) -> WantedChannel:
        """Give a channel that is not read yet.

        Raises:
            WantedError: it is an id, and nobody was seen under it.
        """
        channel_id = int(name.removeprefix("id:")) if name.startswith("id:") else None
        channel = WantedChannel(name, time.time_ns() // 1_000_000, channel_id)
        if channel_id is not None and await self.login(channel) is None:
            raise WantedError(
                f"nobody was seen here under {name}, so its login is not known: add the channel by its login"
            )
        return channel

    async def _write(self, channel: WantedChannel, rules: Rules, *, is_new: bool) -> None:
        without = rules.without
        values = (
            channel.added_ms if is_new else UNSET_VALUE,
            channel.channel_id if is_new and channel.channel_id is not None else UNSET_VALUE,
            UNSET_VALUE if rules.retention_days is AS_IS else rules.retention_days,
            UNSET_VALUE if isinstance(without, AsIs) else _types(without),
            UNSET_VALUE if rules.archive_days is AS_IS else rules.archive_days,
            REGISTRY,
            channel.name,
        )
        if any(value is not UNSET_VALUE for value in values[:5]):
            await self._session.execute(self._prepared["write"].bind(values))


def retentions(channels: Iterable[WantedChannel]) -> dict[int | str, int]:
    """Give for how many seconds lines are kept of channels of which that is said, as `Retention.channels`."""
    return {key: days * _SECONDS_IN_DAY for key, days in _told(channels, lambda each: each.retention_days).items()}


def archive_days(channels: Iterable[WantedChannel]) -> dict[int | str, int]:
    """Give for how many days the archive keeps a day of channels of which that is said; 0 is for ever."""
    return _told(channels, lambda each: each.archive_days)


def _told(channels: Iterable[WantedChannel], rule: Callable[[WantedChannel], int | None]) -> dict[int | str, int]:
    return {each.key: told for each in channels if (told := rule(each)) is not None}


def channel_name(text: str) -> str:
    """Give a channel's name in its plain form: a login in lower case without `#` or `@`, or `id:` and a number.

    Raises:
        WantedError: it is neither.
    """
    name = text.strip().lstrip("#@").lower()
    if not LOGIN_OR_ID.fullmatch(name):
        raise WantedError(
            f"{text!r} is no channel: write a login (1 to 25 of a-z, 0-9 and _), or id: and Twitch's number"
        )
    return name


def types_of(names: Collection[str]) -> frozenset[MessageType]:
    """Give types of message by their names, in any case.

    Raises:
        WantedError: there is no such type.
    """
    unknown = [name for name in names if name.upper() not in STORED_TYPES]
    if unknown:
        known = ", ".join(name.lower() for name in STORED_TYPES)
        raise WantedError(f"{unknown[0]!r} is no type of message: there are {known}")
    return frozenset(STORED_TYPES[name.upper()] for name in names)


def rules_of(
    retention_days: int | AsIs | None,
    types: Collection[str] | None,
    without: Collection[str] | None,
    archive_days: int | AsIs | None = AS_IS,
) -> Rules:
    """Give the rules that an operator states.

    Args:
        retention_days: as in Rules.
        types: the only types that are kept.
        without: the types that are not kept; not together with `types`. Neither: as it is.
        archive_days: as in Rules.

    Raises:
        WantedError: they make no sense.
    """
    if types is not None and without is not None:
        raise WantedError("say either which types are kept or which are not, not both")
    if types is not None:
        return Rules(retention_days, frozenset(STORED_TYPES.values()) - types_of(types), archive_days)
    return Rules(retention_days, AS_IS if without is None else types_of(without), archive_days)


def _channel(row: tuple[Any, ...]) -> WantedChannel:
    name, added, channel_id, days, without, in_archive = row
    return WantedChannel(
        name,
        0 if added is None else unix_ms(added),
        channel_id,
        days,
        frozenset(STORED_TYPES[kind] for kind in without or () if kind in STORED_TYPES),
        in_archive,
        added is None,
    )


def _rules(channel: WantedChannel, unsaid: object) -> list[object]:
    """Give what is said of a channel, as it is written."""
    said = (channel.retention_days, _types(channel.without), channel.archive_days)
    return [unsaid if rule is None else rule for rule in said]


def _id_name(channel_id: int) -> str:
    return f"id:{channel_id}"


def _types(types: frozenset[MessageType]) -> set[str] | None:
    return {kind.name for kind in types} or None


def _statements(session: Session) -> dict[str, str]:
    table = session.table("wanted_channels")
    columns = "name, added, channel_id, retention_days, without, archive_days"
    return {
        "all": f"SELECT {columns} FROM {table} WHERE registry = ?",
        "one": f"SELECT {columns} FROM {table} WHERE registry = ? AND name = ?",
        "write": f"UPDATE {table} SET added = ?, channel_id = ?, retention_days = ?, without = ?, archive_days = ? "
        "WHERE registry = ? AND name = ?",
        "learn": f"UPDATE {table} USING TIMESTAMP ? SET channel_id = ? WHERE registry = ? AND name = ?",
        "take over": f"UPDATE {table} USING TIMESTAMP ? SET retention_days = ?, without = ?, archive_days = ? "
        "WHERE registry = ? AND name = ?",
        "forget": f"DELETE FROM {table} USING TIMESTAMP ? WHERE registry = ? AND name = ?",
        "remove": f"DELETE FROM {table} WHERE registry = ? AND name = ?",
    }
