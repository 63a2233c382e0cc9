"""The tree of files that OverRustleLogs wrote, and the lines of chat that their text lines stand for.

The text says when, to the second, who, by login, and what. That is kept; ids of messages, badges, colours and the rest
are not made up. Such a line carries the tag `logstv/source=overrustle`.
"""

from __future__ import annotations

import asyncio
import calendar
import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ingest.importing import Part, Reading
from ingest.justlog import Found, files_below, missing_days
from ingest.known_ids import KnownIds
from ingest.replay import Occurrences
from store import tags
from store.archive.archive import Archive
from store.errors import LineError
from store.keys import MS_IN_DAY
from store.message import Message

_CHANNEL = r"(?:.*/)?(?P<channel>[A-Za-z0-9_]{1,25}) chatlog/"
_DAY = re.compile(rf"{_CHANNEL}[^/]+/(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)\.txt(\.gz)?")
_USER = re.compile(rf"{_CHANNEL}(?P<month>[A-Z][a-z]+) (?P<year>\d{{4}})/userlogs/[^/]+\.txt(\.gz)?")
_LINE = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d):(\d\d) UTC\] ([^:\s]+): ?(.*)", re.DOTALL)
_LOGIN = re.compile(rb"[A-Za-z0-9_]{1,25}")
_MONTHS = {name: number for number, name in enumerate(calendar.month_name) if name}
_EPOCH, _MILLISECOND = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.timedelta(milliseconds=1)


@dataclass(slots=True)
class OverrustleTree:
    """Holds `{Channel} chatlog/{Month Year}/{YYYY-MM-DD}.txt` and `…/{Month Year}/userlogs/{login}.txt`.

    Plain, gzip or zstd, also where it is called `.gz`. Users' files are read for the days whose own is missing.

    Attributes:
        folder: where it lies.
        vouched: ids by login that are right for all its times.
    """

    folder: Path
    vouched: dict[str, int] = field(default_factory=dict)
    _ids: KnownIds | None = None
    _unknown: Counter[str] = field(default_factory=Counter)

    def __getstate__(self) -> tuple[Path, dict[str, int]]:
        return self.folder, self.vouched

    def __setstate__(self, state: tuple[Path, dict[str, int]]) -> None:
        self.folder, self.vouched = state
        self._ids, self._unknown = None, Counter()

    async def open(self, archive: Archive) -> None:
        """See where ids are known from."""
        self._ids = KnownIds(self.vouched, archive.directory)

    async def parts(self) -> list[Part]:
        """Give the days, and the months of users of which days are missing, of the channels whose ids are known.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        assert self._ids is not None
        self._unknown.clear()
        months = await asyncio.to_thread(self._months)
        await self._ids.look_up({login for login, _, _ in months})
        parts = []
        for (login, year, month), found in sorted(months.items()):
            start = _month_start(year, month)
            missing = missing_days(year, month, found.days)
            for day, files in sorted(found.days.items()):
                parts += self._part(login, tuple(files), start + (day - 1) * MS_IN_DAY, 1)
            if found.users and missing:
                parts += self._part(login, tuple(found.users), start, calendar.monthrange(year, month)[1], missing)
        return parts

    @property
    def wanted(self) -> str:
        """Which files it should have."""
        return f"{self.folder} holds no {{Channel}} chatlog/{{Month Year}}/{{YYYY-MM-DD}}.txt, plain or compressed"

    @property
    def left_out(self) -> list[str]:
        """The channels whose ids are not known."""
        return [
            f"{count:,} files of {login}: which id that channel had then is not known; name it in a file that --ids "
            f"names, as in `{login} 22484632`"
            for login, count in sorted(self._unknown.items())
        ]

    def reading(self, part: Part) -> Reading:
        """Give what reads a file of a channel."""
        assert self._ids is not None
        return _Reading(part, _channel_of(part.files[0]), self._ids)

    def _part(
        self, login: str, files: tuple[Path, ...], start: int, days: int, missing: frozenset[int] | None = None
    ) -> list[Part]:
        assert self._ids is not None
        channel_id = self._ids.at(login, start, start + days * MS_IN_DAY - 1)
        if channel_id is None:
            self._unknown[login] += len(files)
            return []
        return [Part(channel_id, files, missing)]

    def _months(self) -> dict[tuple[str, int, int], Found]:
        months: dict[tuple[str, int, int], Found] = defaultdict(Found)
        for path, name in files_below(self.folder):
            if (day := _DAY.fullmatch(name)) and _is_date(day):
                key = day["channel"].lower(), int(day["year"]), int(day["month"])
                months[key].days[int(day["day"])].append(path)
            elif (user := _USER.fullmatch(name)) and user["month"] in _MONTHS:
                months[user["channel"].lower(), int(user["year"]), _MONTHS[user["month"]]].users.append(path)
        return months


class _Reading:
    """Reads text lines of a channel."""

    def __init__(self, part: Part, channel: str, ids: KnownIds) -> None:
        self._channel_id = part.channel_id
        self._channel = channel
        self._ids = ids
        self._occurrences = Occurrences()

    async def prepare(self, lines: Sequence[bytes]) -> None:
        """Look up who speaks.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        found = (match[3].decode().lower() for line in lines if (match := _LINE.fullmatch(line)) and match[3].isascii())
        await self._ids.look_up(found)

    def read(self, line: bytes) -> Message | str:
        match = _LINE.fullmatch(line)
        sent_ms = _minute(match[1]) if match else None
        if match is None or sent_ms is None or int(match[2]) > 60:
            return "it is no `[YYYY-MM-DD HH:MM:SS UTC] login: text`"
        if not _LOGIN.fullmatch(match[3]):
            return "its author's name is no login of Twitch"
        sent_ms += int(match[2]) * 1000
        name, text = match[3].decode(), match[4].decode("utf-8", "surrogateescape")
        login = name.lower()
        shown = f"display-name={name};" if name != login else ""
        start = f"@{shown}{tags.SOURCE}=overrustle;room-id={self._channel_id};tmi-sent-ts={sent_ms}"
        end = f" :{login}!{login}@{login}.tmi.twitch.tv PRIVMSG #{self._channel} :{text}"
        user_id = self._ids.at(login, sent_ms, sent_ms + 999)
        whose = "" if user_id is None else f";user-id={user_id}"
        try:
            return Message.parse(start + whose + end, occurrence=self._occurrences.count(start + end))
        except LineError as error:
            return str(error)


def _channel_of(path: Path) -> str:
    """Give the login of the channel that a file is of."""
    folder = next(name for name in reversed(path.parts) if name.endswith(" chatlog"))
    return folder.removesuffix(" chatlog").lower()


def _is_date(match: re.Match[str]) -> bool:
    try:
        dt.date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return False
    return True


def _month_start(year: int, month: int) -> int:
    return (dt.datetime(year, month, 1, tzinfo=dt.UTC) - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=4096)
def _minute(text: bytes) -> int | None:
    """Give the start of a minute, Unix milliseconds; None if there is none such."""
    try:
        return (dt.datetime.fromisoformat(text.decode()).replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(
            milliseconds=1
        )
    except ValueError:
        return None
