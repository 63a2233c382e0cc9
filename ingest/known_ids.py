"""Whose a login was at a time: what someone vouches for, and what our own logs saw. Nothing is guessed.

A login may have had other owners before and after. So what was seen counts from an owner's first to his last line
under it, and only where no other was seen under it in that time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ingest.errors import IngestError
from store.directory import Directory, Name

_ROW = re.compile(r"([a-z0-9_]{1,25})[\s,;]+([1-9]\d{0,17})", re.ASCII)
_MOST_REMEMBERED = 200_000
_AT_ONCE = 64


class KnownIds:
    """Finds ids of logins.

    Args:
        vouched: ids by login, for all times.
        directory: what our own logs saw; None: nothing.
    """

    def __init__(self, vouched: Mapping[str, int], directory: Directory | None = None) -> None:
        self.vouched = vouched
        self.directory = directory
        self._seen: dict[str, list[Name]] = {}

    async def look_up(self, logins: Iterable[str]) -> None:
        """Learn whom our own logs saw under some logins.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        if self.directory is None:
            return
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.clear()
        wanted = sorted(set(logins) - self._seen.keys() - self.vouched.keys())
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            self._seen |= zip(some, await asyncio.gather(*map(self.directory.users_of, some)), strict=True)

    def at(self, login: str, from_ms: int, to_ms: int) -> int | None:
        """Give who had a login that was looked up, for all of a time, Unix milliseconds; None if that is not known."""
        if (vouched := self.vouched.get(login)) is not None:
            return vouched
        spans = [
            (each.first_seen_ms, each.last_seen_ms, each.user_id)
            for each in self._seen.get(login, ())
            if each.first_seen_ms is not None and each.last_seen_ms is not None
        ]
        near = {user_id for first, last, user_id in spans if first <= to_ms and from_ms <= last}
        certain = {user_id for first, last, user_id in spans if first <= from_ms and to_ms <= last}
        return certain.pop() if near == certain and len(near) == 1 else None


def read_ids(path: Path) -> dict[str, int]:
    """Read a file of logins and ids, `login id` or `login,id` a line; what follows `#` is left out.

    Raises:
        IngestError: it cannot be read, or a line is no such pair.
    """
    found: dict[str, int] = {}
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IngestError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip().lower()
        match = _ROW.fullmatch(said)
        if match is not None:
            login, user_id = match[1], int(match[2])
            if found.setdefault(login, user_id) != user_id:
                raise IngestError(f"{path}, line {number}: {login} has another id further up")
        elif said and said not in ("login,id", "login id"):
            raise IngestError(f"{path}, line {number}: write a login and Twitch's number, as in `forsen 22484632`")
    return found
