"""Erases the lines of a user or a channel from the tables.

The log of whoever is erased says where else each line of it stands. It is read a piece at a time; a piece is first
deleted everywhere else, and only then in that log. So what is still there is what is left to do: an erasure that was
broken off anywhere begins again, finds the rest, and ends complete. Deleting twice changes nothing.

Names (`user_logins`, `login_users`), the row in `channels` and coverage stay: without the names nobody could be refused
by an old login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from store import moderation
from store.archive.archive import Archive
from store.archive.objects import Objects
from store.buckets import Bucket
from store.deletions import Delete, Deletions
from store.directory import Directory
from store.erasing import Erased, Eraser, Erasure
from store.keys import MS_IN_DAY, MS_IN_HOUR
from store.message import Message
from store.opted_out import STILL_OUT, OptedOut
from store.optouts import Kind
from store.reader import Log, Reader
from store.removals import Moderation
from store.session import Session
from store.shapes import CHANNEL, CHANNEL_USER, SHAPES, USER, Key, Shape
from store.volumes import DAYS_KEPT, Volumes

_AT_ONCE = 500
"""Events that are looked up and deleted together."""


async def erasers_of(session: Session) -> list[Eraser]:
    """Give everything that keeps lines, in the order in which it is erased; whatever else keeps lines is added here.

    Raises:
        StoreError: a table is missing.
        StoreUnavailable: Cassandra cannot answer.
    """
    # The tables first: what is exported after that has nothing of theirs.
    erasers: list[Eraser] = [await Lines.open(session), await Measures.open(session)]
    # Where no archive is named although there is one, an erasure must not seem complete.
    objects = None if session.settings.archive_url else Objects.nowhere()
    erasers.append(Archived(await Archive.open(session, session.settings, objects=objects)))
    return erasers


class Archived:
    """Erases from the days in the archive, which are written anew without the lines."""

    name = "archive"

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def erase(self, erasure: Erasure) -> Erased:
        """Erase.

        Raises:
            ArchiveError: a file is damaged.
            LeaseLost: another does it.
            StoreUnavailable: Cassandra or the archive cannot answer; beginning again is right.
        """
        if not self._archive.files.objects.are_named and not await self._archive.index.channels():
            return Erased.WHOLLY
        until_ms = STILL_OUT if erasure.is_out else erasure.through_ms
        if erasure.kind is Kind.USER:
            logins = dict.fromkeys(erasure.logins, until_ms)
            days = self._archive.eraser.erase_user(erasure.id, OptedOut({erasure.id: until_ms}, logins=logins).shown)
        else:
            shown = OptedOut(channels={erasure.id: until_ms}).shown
            days = self._archive.eraser.erase_channel(erasure.id, shown)
        async for lines in days:
            await erasure.found(lines)
        return Erased.WHOLLY


class Lines:
    """Erases from the tables of lines and of moderation, and their indexes."""

    name = "lines"

    def __init__(self, session: Session, reader: Reader, directory: Directory, events: Moderation) -> None:
        self._session = session
        self._reader = reader
        self._directory = directory
        self._events = events

    @classmethod
    async def open(cls, session: Session) -> Lines:
        """Prepare the statements.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        # A reader that shows everyone's lines, also of those who are out.
        return cls(session, await Reader.open(session), await Directory.open(session), await Moderation.open(session))

    async def erase(self, erasure: Erasure) -> Erased:
        """Erase.

        Raises:
            LeaseLost: another does it.
            StoreUnavailable: Cassandra cannot answer; beginning again is right.
        """
        deletions = await Deletions.open(self._session, self._reader, erasure.through_ms)
        if erasure.kind is Kind.USER:
            work = _OfUser(erasure, deletions, self._reader, self._directory, self._events)
            await work.erase()
            left = Log(USER, (erasure.id,))
        else:
            await _OfChannel(erasure, deletions, self._reader).erase()
            left = Log(CHANNEL, (erasure.id,))
        # Who opted in again may have new lines. Of who is out none is left, but such as claim to be from the future.
        newest = (await self._reader.page(left, limit=1)).messages if erasure.is_out else []
        return Erased.PARTLY if newest else Erased.WHOLLY


class Measures:
    """Erases how much the logs of a user or a channel got, as far as it was measured."""

    name = "volumes"

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    @classmethod
    async def open(cls, session: Session) -> Measures:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        return cls(await Volumes.open(session))

    async def erase(self, erasure: Erasure) -> Erased:
        """Erase.

        Raises:
            StoreUnavailable: Cassandra cannot answer; beginning again is right.
        """
        column = "user_id" if erasure.kind is Kind.USER else "channel_id"
        places = {shape.name: shape.key.index(column) for shape in SHAPES if column in shape.key}
        today = erasure.through_ms // MS_IN_DAY
        for day in range(today - DAYS_KEPT, today + 2):
            for name, key in await self._volumes.of_day(day):
                if name in places and key[places[name]] == erasure.id:
                    await self._volumes.forget(day, name, key)
        return Erased.WHOLLY


class _OfUser:
    """Erases the lines that stand in a user's log: what he wrote, what hit him, what he was given."""

    def __init__(
        self, erasure: Erasure, deletions: Deletions, reader: Reader, directory: Directory, events: Moderation
    ) -> None:
        self._erasure = erasure
        self._user_id = erasure.id
        self._deletions = deletions
        self._reader = reader
        self._directory = directory
        self._events = events
        self._touched: set[tuple[int, Bucket]] = set()

    async def erase(self) -> None:
        """Erase his own log, then what only the channels know of him, and days on which nobody else spoke."""
        await self._log(Log(USER, (self._user_id,), to_ms=self._erasure.through_ms, newest_first=False))
        for channel in await self._directory.channels():
            # A retention of its own may have kept a line here that has left his log across channels.
            key = (channel.channel_id, self._user_id)
            await self._log(Log(CHANNEL_USER, key, to_ms=self._erasure.through_ms, newest_first=False))
            for login in sorted(self._erasure.logins):
                await self._removed(channel.channel_id, login)
        await self._empty_days()

    async def _log(self, log: Log) -> None:
        """Erase one of his two logs, and what stands in it wherever else it stands."""
        async for piece in self._reader.stream(log):
            await self._erasure.found(len(piece))
            await self._deletions.carry_out(await self._elsewhere(piece, log))
            place = piece[-1].position
            await self._deletions.carry_out(await self._deletions.lines_through(log.shape, log.key, place))
        await _close(self._deletions, self._reader, log)

    async def _elsewhere(self, piece: list[Message], log: Log) -> list[Delete]:
        found: list[Delete] = []
        for message in piece:
            assert message.channel_id is not None
            for bucket in await self._deletions.buckets_at(CHANNEL, (message.channel_id,), message.position.sent_ms):
                self._touched.add((message.channel_id, bucket))
            await asyncio.sleep(0)  # the same process may be answering requests
            for shape, key in _places(message):
                if (shape, key) != (log.shape, log.key):
                    found += await self._deletions.line(shape, key, message.position)
            found += _moderation(self._deletions, message)
        return found

    async def _removed(self, channel_id: int, login: str) -> None:
        """Erase what stands under a login alone: lines of his that a moderator removed (CLEARMSG) name no id."""
        events_of_all = await self._events.of_login(channel_id, login, to_ms=self._erasure.through_ms)
        # A login passes from one user to another.
        his = [event for event in events_of_all if event.user_id in (None, self._user_id)]
        for start in range(0, len(his), _AT_ONCE):
            events = his[start : start + _AT_ONCE]
            await self._erasure.found(len(events))
            elsewhere: list[Delete] = []
            here: list[Delete] = []
            for event in events:
                at = event.position
                elsewhere += await self._deletions.line(CHANNEL, (channel_id,), at)
                month = (channel_id, moderation.WIDTH.start(at.sent_ms))
                elsewhere.append(self._deletions.moderation(moderation.OF_CHANNEL, month, at))
                here.append(self._deletions.moderation(moderation.OF_LOGIN, (channel_id, login), at))
            await self._deletions.carry_out(elsewhere)
            await self._deletions.carry_out(here)

    async def _empty_days(self) -> None:
        """Take buckets of channels in which nothing is left out of the index, if they are over.

        Those that are not are in the writers' memory, and will have lines. An erasure that was broken off forgets some:
        a day without lines is then listed until it expires.
        """
        over_ms = self._erasure.through_ms - MS_IN_HOUR
        for channel_id, bucket in self._touched:
            log = Log(CHANNEL, (channel_id,), bucket.start_ms, bucket.end_ms)
            if bucket.end_ms < over_ms and not (await self._reader.page(log, limit=1)).messages:
                await self._deletions.carry_out([self._deletions.index_row(CHANNEL, log.key, bucket)])


class _OfChannel:
    """Erases the lines of a channel: its own log, and those of all who stand in it."""

    def __init__(self, erasure: Erasure, deletions: Deletions, reader: Reader) -> None:
        self._erasure = erasure
        self._deletions = deletions
        self._reader = reader

    async def erase(self) -> None:
        """Erase the channel's log bucket by bucket, each first in the logs of its users."""
        log = Log(CHANNEL, (self._erasure.id,), to_ms=self._erasure.through_ms, newest_first=False)
        async for piece in self._reader.stream(log):
            await self._erasure.found(len(piece))
            await self._deletions.carry_out(await self._elsewhere(piece))
            place = piece[-1].position
            await self._deletions.carry_out(await self._deletions.lines_through(CHANNEL, log.key, place))
        await _close(self._deletions, self._reader, log)

    async def _elsewhere(self, piece: list[Message]) -> list[Delete]:
        found: list[Delete] = []
        whole: set[tuple[Key, int]] = set()
        for message in piece:
            await asyncio.sleep(0)  # the same process may be answering requests
            for shape, key in _places(message):
                if shape is USER:
                    found += await self._deletions.line(shape, key, message.position)
                elif shape is CHANNEL_USER:
                    for bucket in await self._deletions.buckets_at(shape, key, message.position.sent_ms):
                        if (key, bucket.start_ms) not in whole:
                            whole.add((key, bucket.start_ms))
                            found += self._deletions.bucket(shape, key, bucket)
            found += _moderation(self._deletions, message)
        return found


async def _close(deletions: Deletions, reader: Reader, log: Log) -> None:
    """Delete the buckets of a log that was erased; those that hold lines of after it stay in the index."""
    for bucket in await reader.buckets(log):
        later = Log(log.shape, log.key, bucket.start_ms, bucket.end_ms)
        stays = bool((await reader.page(later, limit=1)).messages)
        await deletions.carry_out(deletions.bucket(log.shape, log.key, bucket, in_index=stays))


def _places(message: Message) -> Iterable[tuple[Shape, Key]]:
    """Give the logs in which a line stands."""
    assert message.channel_id is not None
    users = message.users
    return [(shape, key) for shape in SHAPES for key in shape.keys_of(message.channel_id, users)]


def _moderation(deletions: Deletions, message: Message) -> list[Delete]:
    return [deletions.moderation(table, place, message.position) for table, place, _ in moderation.rows_of(message)]
