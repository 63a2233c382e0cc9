"""The tree of files that justlog writes, and what their lines say."""

from __future__ import annotations

import asyncio
import calendar
import datetime as dt
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.importing import Part, Reading
from ingest.replay import Occurrences
from store.archive.archive import Archive
from store.errors import LineError
from store.glance import Glance, glance
from store.keys import MS_IN_DAY
from store.message import Message

_DAY = re.compile(
    r"(?:.*/)?(?P<channel>\d{1,18})/(?P<year>\d{1,4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})/channel\.txt(\.gz)?"
)
_USER = re.compile(r"(?:.*/)?(?P<channel>\d{1,18})/(?P<year>\d{1,4})/(?P<month>\d{1,2})/\d{0,18}\.txt(\.gz)?")
_EPOCH = dt.date(1970, 1, 1).toordinal()


@dataclass(slots=True)
class Found:
    """What a tree holds of a channel's month: which files of each day, and which of users."""

    days: dict[int, list[Path]] = field(default_factory=lambda: defaultdict(list))
    users: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JustlogTree:
    """Holds `{channel id}/{year}/{month}/{day}/channel.txt` and `{channel id}/{year}/{month}/{user id}.txt`.

    Plain or gzip, at its top or below. What a user's file holds is in the channel's too; it is read for the days whose
    channel file is missing.
    """

    folder: Path

    async def open(self, archive: Archive) -> None:
        """Nothing of the store has to be known."""

    @property
    def wanted(self) -> str:
        """Which files it should have."""
        return f"{self.folder} holds no {{channel id}}/{{year}}/{{month}}/{{day}}/channel.txt, plain or gzip"

    @property
    def left_out(self) -> list[str]:
        """Nothing is."""
        return []

    async def parts(self) -> list[Part]:
        """Give the days, and the months of users of which days are missing, by path."""
        return await asyncio.to_thread(self._parts)

    def _parts(self) -> list[Part]:
        months: dict[tuple[str, int, int, int], Found] = defaultdict(Found)
        for path, name in files_below(self.folder):
            if of_day := _DAY.fullmatch(name):
                months[_month_of(of_day, path.parents[3])].days[int(of_day["day"])].append(path)
            elif of_user := _USER.fullmatch(name):
                months[_month_of(of_user, path.parents[2])].users.append(path)
        parts = []
        for (_, channel_id, year, month), found in sorted(months.items()):
            parts += [Part(channel_id, tuple(files)) for _, files in sorted(found.days.items())]
            missing = missing_days(year, month, found.days)
            if found.users and missing:
                parts.append(Part(channel_id, tuple(found.users), missing))
        return parts

    def reading(self, part: Part) -> Reading:
        """Give what reads a file of a channel."""
        return _Reading(part.channel_id)


class _Reading:
    """Reads raw IRC lines."""

    def __init__(self, channel_id: int) -> None:
        self._channel_id = channel_id
        self._occurrences = Occurrences()

    async def prepare(self, lines: Sequence[bytes]) -> None:
        """Nothing has to be looked up."""

    def read(self, line: bytes) -> Glance | Message | str:
        seen = glance(line)
        if seen is not None:
            return seen
        text = line.decode("utf-8", "surrogateescape")
        try:
            return Message.parse(text, channel_id=self._channel_id, occurrence=self._occurrences.count(text))
        except LineError as error:
            return str(error)


def files_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file below a folder, and its path from there, in the order of their names."""
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(where, name)
            yield path, path.relative_to(folder.parent).as_posix()


def missing_days(year: int, month: int, known: dict[int, list[Path]]) -> frozenset[int]:
    """Give the starts, Unix milliseconds, of the days of a month that are over or begun and not known."""
    try:
        first = dt.date(year, month, 1)
    except ValueError:
        return frozenset()
    start, today = first.toordinal() - _EPOCH, int(time.time()) // 86_400
    days = range(1, calendar.monthrange(year, month)[1] + 1)
    return frozenset((start + day - 1) * MS_IN_DAY for day in days if day not in known and start + day - 1 <= today)


def _month_of(match: re.Match[str], root: Path) -> tuple[str, int, int, int]:
    return str(root), int(match["channel"]), int(match["year"]), int(match["month"])
