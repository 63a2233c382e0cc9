"""The object store that archived days lie in: a folder, S3 or what speaks like it, or memory.

An object is replaced as a whole or not at all. What is in it is `store.archive.format`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store, from_url

from store.archive.settings import ArchiveSettings
from store.errors import ArchiveDamaged, ArchiveUnavailable, SettingsError

_CHUNK_BYTES = 8 << 20  # parts of an upload; S3 takes none below 5 MiB but the last
_NAME = "channel.txt.gz"
_PATH = re.compile(r"(\d{1,18})/(\d{4})/(\d{1,2})/(\d{1,2})/channel\.txt\.gz")
_EPOCH = dt.date(1970, 1, 1)
_MS_IN_DAY = 86_400_000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A day of a channel: the channel's id, and the start of the UTC day in Unix milliseconds."""

    channel_id: int
    day_ms: int

    @property
    def date(self) -> dt.date:
        """The day."""
        return _EPOCH + dt.timedelta(milliseconds=self.day_ms)

    @property
    def path(self) -> str:
        """Where its lines lie, as justlog has it: numbers are not padded."""
        date = self.date
        return f"{self.channel_id}/{date.year}/{date.month}/{date.day}/{_NAME}"

    @classmethod
    def of_path(cls, path: str) -> Place | None:
        """Give the day whose lines lie at a path; None if it is none of an archived day."""
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        try:
            date = dt.date(*map(int, match.groups()[1:]))
        except ValueError:
            return None
        place = cls(int(match[1]), (date - _EPOCH).days * _MS_IN_DAY)
        return place if place.path == path else None

    def __str__(self) -> str:
        return f"{self.date} of channel {self.channel_id}"


class Objects:
    """The objects of an archive."""

    def __init__(self, store: ObjectStore | None, url: str) -> None:
        self._there = store
        self._url = url

    @classmethod
    def open(cls, settings: ArchiveSettings) -> Objects:
        """Open what the settings name; a folder is made if it is not there.

        Raises:
            SettingsError: they name nothing that can be opened.
        """
        url = settings.archive_url
        try:
            return cls(_opened(settings), url)
        except (BaseError, OSError, ValueError) as error:
            raise SettingsError(
                f"LOGSTV_ARCHIVE_URL={url} cannot be opened ({_first_line(error)}): name a folder as "
                "file:///var/lib/logstv/archive, or a bucket as s3://bucket/prefix"
            ) from error

    @classmethod
    def in_memory(cls) -> Objects:
        """Give an archive that is gone with the process."""
        return cls(MemoryStore(), "memory:///")

    @classmethod
    def nowhere(cls) -> Objects:
        """Give an archive of which only is known that it is not named: whoever needs it is told."""
        return cls(None, "that LOGSTV_ARCHIVE_URL should name")

    async def put(self, place: Place, pieces: Iterator[bytes]) -> None:
        """Store a day, in the stead of what was there; until all is there, the old one stays.

        Raises:
            ArchiveUnavailable: it cannot be stored.
        """
        with self._telling(place):
            await obstore.put_async(self._store, place.path, pieces, chunk_size=_CHUNK_BYTES, max_concurrency=2)

    async def ranges(self, place: Place, spans: list[tuple[int, int]]) -> list[bytes]:
        """Read some ranges of a day's file, each from an offset to another, exclusive.

        Raises:
            ArchiveDamaged: there is no such file, or it is shorter.
            ArchiveUnavailable: it cannot be read.
        """
        starts, ends = [start for start, _ in spans], [end for _, end in spans]
        with self._telling(place):
            found = await obstore.get_ranges_async(self._store, place.path, starts=starts, ends=ends)
        return [bytes(each) for each in found]

    async def start(self, place: Place, most: int) -> bytes:
        """Read the first bytes of a day's file, as many as there are up to so many.

        Raises:
            ArchiveDamaged: there is no such file.
            ArchiveUnavailable: it cannot be read.
        """
        with self._telling(place):
            answer = await obstore.get_async(self._store, place.path, options={"range": (0, most)})
            return bytes(await answer.bytes_async())

    async def pieces(self, place: Place) -> AsyncIterator[bytes]:
        """Yield a day's file, some at a time.

        Raises:
            ArchiveDamaged: there is no such file.
            ArchiveUnavailable: it cannot be read.
        """
        with self._telling(place):
            answer = await obstore.get_async(self._store, place.path)
            async for piece in answer.stream(min_chunk_size=1 << 18):
                yield bytes(piece)

    async def size(self, place: Place) -> int | None:
        """Give how long a day's file is; None if there is none.

        Raises:
            ArchiveUnavailable: that cannot be told.
        """
        try:
            with self._telling(place):
                return (await obstore.head_async(self._store, place.path))["size"]
        except ArchiveDamaged:
            return None

    async def delete(self, place: Place) -> None:
        """Remove a day's file, if it is there.

        Raises:
            ArchiveUnavailable: it cannot be removed.
        """
        with contextlib.suppress(ArchiveDamaged), self._telling(place):
            await obstore.delete_async(self._store, place.path)

    async def places(self, channel_id: int | None = None) -> AsyncIterator[Place]:
        """Yield the days that are there, of a channel or of all, in no order.

        Raises:
            ArchiveUnavailable: they cannot be listed.
        """
        with self._telling(None):
            async for page in obstore.list(self._store, None if channel_id is None else str(channel_id)):
                for found in page:
                    place = Place.of_path(found["path"])
                    if place is not None:
                        yield place

    async def look(self) -> None:
        """Look whether the archive answers.

        Raises:
            ArchiveUnavailable: it does not.
        """
        with self._telling(None):
            async for _ in obstore.list(self._store, chunk_size=1):
                return

    @property
    def are_named(self) -> bool:
        """Whether it is known where they are."""
        return self._there is not None

    @property
    def _store(self) -> ObjectStore:
        if self._there is None:
            raise ArchiveUnavailable(
                "this is in the archive, and no archive is set here: LOGSTV_ARCHIVE_URL has to name it"
            )
        return self._there

    @contextlib.contextmanager
    def _telling(self, place: Place | None) -> Iterator[None]:
        """Give our errors for those of the object store."""
        try:
            yield
        except (ArchiveDamaged, ArchiveUnavailable, asyncio.CancelledError):
            raise
        except FileNotFoundError as error:
            raise ArchiveDamaged(f"the archive {self._url} has no {place and place.path}") from error
        except (BaseError, OSError) as error:
            said = _first_line(error)
            if "invalid range" in said.lower() or "range was invalid" in said.lower() or "416" in said:
                raise ArchiveDamaged(f"{place and place.path} in the archive {self._url} is too short") from error
            raise ArchiveUnavailable(f"the archive {self._url} does not do what it should: {said}") from error


def _opened(settings: ArchiveSettings) -> ObjectStore:
    url = settings.archive_url
    if url.startswith("file://"):
        return LocalStore.from_url(url, mkdir=True)
    if url.startswith("memory:"):
        return MemoryStore()
    if url.startswith("s3://"):
        return S3Store.from_url(url, **settings.s3())
    return from_url(url)


def _first_line(error: BaseException) -> str:
    """Give what an error says, without the library's debugging below it."""
    return str(error).strip().partition("\n")[0]
