"""The object store that archived days lie in: a folder, S3 or what speaks like it, or memory.

An object is replaced as a whole or not at all. What is in it is `store.archive.format`'s.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store, from_url

from store.archive.settings import ArchiveSettings
from store.errors import ArchiveDamaged, ArchiveUnavailable, SettingsError

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import RetryConfig

_CHUNK_BYTES = 8 << 20  # parts of an upload; S3 takes none below 5 MiB but the last
_ONE_REQUEST_BYTES = 32 << 20  # what is longer is sent in parts, which no store takes on a condition
_NEAR_BYTES = 1 << 20
_PATIENCE: RetryConfig = {"max_retries": 4, "retry_timeout": dt.timedelta(seconds=20)}
"""Whoever waits for a page is not kept for the minutes that the library would try; the exporter comes again anyway."""
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_TOO_SHORT = re.compile("invalid range|range was invalid|416 ", re.IGNORECASE)
_TOLD = re.compile(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)
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


@dataclass(frozen=True, slots=True)
class Stored:
    """A day's file as it lies there.

    Attributes:
        size: its bytes.
        e_tag: tells it from what lay there before and will lie there later; None where the store has none.
        version: likewise.
    """

    size: int
    e_tag: str | None = None
    version: str | None = None

    @property
    def as_condition(self) -> UpdateVersion:
        """What is asked of the store, so that nothing else is replaced."""
        said: UpdateVersion = {}
        if self.e_tag is not None:
            said["e_tag"] = self.e_tag
        if self.version is not None:
            said["version"] = self.version
        return said


class Objects:
    """The objects of an archive.

    Args:
        store: where they are; None: nobody knows.
        url: what it is called in errors.
        conditional: whether the store writes on condition that nobody else has.
    """

    def __init__(self, store: ObjectStore | None, url: str, *, conditional: bool = True) -> None:
        self._there = store
        self._url = url
        self._conditional = conditional

    @classmethod
    def open(cls, settings: ArchiveSettings) -> Objects:
        """Open what the settings name; a folder is made if it is not there.

        Raises:
            SettingsError: they name nothing that can be opened.
        """
        url = settings.archive_url
        try:
            return cls(_opened(settings), url, conditional=settings.archive_s3_conditional)
        except (BaseError, OSError, ValueError) as error:
            raise SettingsError(
                f"LOGSTV_ARCHIVE_URL={url} cannot be opened ({_said(error)}): name a folder as "
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

    async def replace(
        self, place: Place, pieces: Callable[[], Iterator[bytes]], size: int, known: Stored | None
    ) -> bool:
        """Store a day as `put`, if there lies still what was known; say whether it did.

        The store itself sees to it where it can, a folder for a new file only; else it is looked at just before.

        Args:
            place: which day.
            pieces: gives its bytes, from the first on.
            size: how many those are.
            known: what lies there; None: nothing.

        Raises:
            ArchiveUnavailable: it cannot be stored.
        """
        condition: PutMode = "create" if known is None else known.as_condition
        by_store = self._conditional and (known is None or not isinstance(self._store, LocalStore))
        if not by_store or not condition or size > _ONE_REQUEST_BYTES:
            if await self.stored(place) != known:
                return False
            await self.put(place, pieces())
            return True
        try:
            with self._telling(place):
                await obstore.put_async(self._store, place.path, pieces(), mode=condition)
        except _Changed:
            return False
        return True

    async def ranges(self, place: Place, spans: list[tuple[int, int]]) -> list[bytes]:
        """Read some ranges of a day's file, each from an offset to another, exclusive.

        Raises:
            ArchiveDamaged: there is no such file, or it is shorter.
            ArchiveUnavailable: it cannot be read.
        """
        # Its own get_ranges panics where a file is shorter than that (obstore 0.12).
        together = _together(spans)
        with self._telling(place):
            found = await asyncio.gather(
                *(obstore.get_range_async(self._store, place.path, start=start, end=end) for start, end in together)
            )
        pieces = {start: memoryview(piece) for (start, _), piece in zip(together, found, strict=True)}
        if any(len(pieces[start]) != end - start for start, end in together):
            raise ArchiveDamaged(f"{place.path} in the archive {self._url} is too short")
        starts = sorted(pieces)
        return [_cut(pieces, starts[bisect.bisect(starts, start) - 1], start, end) for start, end in spans]

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

    async def stored(self, place: Place) -> Stored | None:
        """Tell a day's file; None if there is none.

        Raises:
            ArchiveUnavailable: that cannot be told.
        """
        try:
            with self._telling(place):
                found = await obstore.head_async(self._store, place.path)
        except ArchiveDamaged:
            # To this question, S3 answers the same where there is no bucket; to the other it does not.
            with self._telling(None):
                async for _ in obstore.list(self._store, place.path.removesuffix(f"/{_NAME}")):
                    break
            return None
        return Stored(found["size"], found["e_tag"], found["version"])

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
        except (BaseError, OSError) as error:
            if place is not None and not _NO_BUCKET.search(str(error)):
                if isinstance(error, FileNotFoundError):
                    raise ArchiveDamaged(f"the archive {self._url} has no {place.path}") from error
                if isinstance(error, AlreadyExistsError | PreconditionError):
                    raise _Changed from error
                if _TOO_SHORT.search(str(error)):
                    raise ArchiveDamaged(f"{place.path} in the archive {self._url} is too short") from error
            raise ArchiveUnavailable(f"the archive {self._url} does not do what it should: {_said(error)}") from error


class _Changed(Exception):
    """There lies something else than was known."""


def _opened(settings: ArchiveSettings) -> ObjectStore:
    url = settings.archive_url
    if url.startswith("file://"):
        return LocalStore.from_url(url, mkdir=True)
    if url.startswith("memory:"):
        return MemoryStore()
    if url.startswith("s3://"):
        return S3Store.from_url(url, **settings.s3(), retry_config=_PATIENCE)
    return from_url(url, retry_config=_PATIENCE)


def _together(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that lie so near that one request costs less than two."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= _NEAR_BYTES:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _cut(pieces: Mapping[int, memoryview], at: int, start: int, end: int) -> bytes:
    """Give a range out of the piece that begins at an offset."""
    return bytes(pieces[at][start - at : end - at])


def _said(error: BaseException) -> str:
    """Give what an error says: the sentence of the store if there is one, never the library's debugging below it."""
    told = _TOLD.search(str(error))
    if told is not None:
        return f"{told[2].strip().rstrip('.')} ({told[1].strip()})"
    return str(error).strip().partition("\n")[0].rstrip(" :")
