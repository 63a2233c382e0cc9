"""Looks up what the lines taught of names and channels: who is behind a login, and which channels there are.

What is written there is `store.sightings`' business.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from cassandra.query import PreparedStatement

from store.rows import unix_ms
from store.session import Rows, Session
from store.sightings import REGISTRY


@dataclass(frozen=True, slots=True)
class Name:
    """An id and a login that were seen together, and when; times are Unix milliseconds."""

    user_id: int
    login: str
    first_seen_ms: int | None
    last_seen_ms: int | None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that has a log.

    Attributes:
        channel_id: Twitch's id.
        login: the newest one seen; empty where none is known.
        first_sent_ms: of its first line, Unix milliseconds.
        last_sent_ms: of its last line, a few seconds behind while the channel is busy.
        readers: the workers that read it now, as far as that was asked for.
    """

    channel_id: int
    login: str
    first_sent_ms: int | None
    last_sent_ms: int | None
    readers: tuple[str, ...] = ()


class Directory:
    """Names and channels, as learnt from the lines."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement]) -> None:
        self.session = session
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> Directory:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        return cls(session, {name: await session.prepare(cql) for name, cql in _statements(session).items()})

    async def users_of(self, login: str) -> list[Name]:
        """Give everyone who was seen under a login (any case), the one seen last first.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        login = login.lower()
        rows = await self._ask("users", login)
        return _newest_first(Name(user_id, login, _ms(first), _ms(last)) for user_id, first, last in rows)

    async def logins_of(self, user_id: int) -> list[Name]:
        """Give every login that an id was seen under, the one seen last first.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._ask("logins", user_id)
        return _newest_first(Name(user_id, login, _ms(first), _ms(last)) for login, first, last in rows)

    async def user_id(self, login: str, at_ms: int | None = None) -> int | None:
        """Give the id behind a login: of several, the one who had it at a time (Unix milliseconds), or has it now.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        names = await self.users_of(login)
        if at_ms is not None:
            # Who was seen with it last before that time had it then; before any sight, its first known owner.
            earlier = [name for name in names if (name.first_seen_ms or 0) <= at_ms]
            names = earlier or names[-1:]
        return names[0].user_id if names else None

    async def channels(self) -> list[Channel]:
        """Give the channels by login, also those that are read and have no line yet.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows, wanted, readers = await asyncio.gather(
            self._ask("channels", REGISTRY), self._ask("wanted", REGISTRY), self.readers()
        )
        found = [
            Channel(channel_id, login or "", _ms(first), _ms(last), readers.pop(channel_id, ()))
            for channel_id, login, first, last in rows
        ]
        logins = {channel_id: name for name, channel_id in wanted if not name.startswith("id:")}
        found += [
            Channel(channel_id, logins.get(channel_id, ""), None, None, names) for channel_id, names in readers.items()
        ]
        return sorted(found, key=lambda channel: (channel.login, channel.channel_id))

    async def channel(self, channel_id: int) -> Channel | None:
        """Give one channel, without its readers; None if it has no log.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        rows = await self._ask("channel", REGISTRY, channel_id)
        for found_id, login, first, last in rows:
            return Channel(found_id, login or "", _ms(first), _ms(last))
        return None

    async def readers(self) -> dict[int, tuple[str, ...]]:
        """Give the workers that read each channel now, by the channel's id.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        found: dict[int, set[str]] = {}
        for worker, channel_ids in await self._ask("reading", REGISTRY):
            for channel_id in channel_ids or ():
                found.setdefault(channel_id, set()).add(worker)
        return {channel_id: tuple(sorted(names)) for channel_id, names in found.items()}

    async def _ask(self, name: str, *values: object) -> Rows:
        return await self.session.execute(self._prepared[name].bind(values))


def _ms(moment: dt.datetime | None) -> int | None:
    return None if moment is None else unix_ms(moment)


def _newest_first(names: Iterable[Name]) -> list[Name]:
    return sorted(names, key=lambda name: name.last_seen_ms or 0, reverse=True)


def _statements(session: Session) -> dict[str, str]:
    channels = session.table("channels")
    columns = "channel_id, login, first_sent, last_sent"
    return {
        "users": f"SELECT user_id, first_seen, last_seen FROM {session.table('login_users')} WHERE login = ?",
        "logins": f"SELECT login, first_seen, last_seen FROM {session.table('user_logins')} WHERE user_id = ?",
        "channels": f"SELECT {columns} FROM {channels} WHERE registry = ?",
        "channel": f"SELECT {columns} FROM {channels} WHERE registry = ? AND channel_id = ?",
        "wanted": f"SELECT name, channel_id FROM {session.table('wanted_channels')} WHERE registry = ?",
        "reading": f"SELECT name, reading FROM {session.table('workers')} WHERE registry = ?",
    }
