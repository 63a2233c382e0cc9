"""From what a path says to ids: `login`, or `id:` and a number; who has opted out is refused here."""

from __future__ import annotations

import re
import time

from app.errors import BadRequest, HasOptedOut, NotFound
from store.directory import Directory
from store.opted_out import WhoIsOut, nobody

_MOST_REMEMBERED = 10_000
LOGIN = re.compile(r"[a-zA-Z0-9_]{1,25}")


class Names:
    """Finds ids, and remembers for some seconds which it found.

    Args:
        remember_seconds: for how long.
        who_is_out: who is refused, also where it was remembered, and before it is looked at whether there is anything.
    """

    def __init__(self, remember_seconds: float, who_is_out: WhoIsOut = nobody) -> None:
        self._seconds = remember_seconds
        self._who_is_out = who_is_out
        self._remembered: dict[tuple[str, str], tuple[float, int]] = {}

    async def channel(self, directory: Directory, name: str) -> int:
        """Give the id of a channel that has a log.

        Raises:
            BadRequest: it is no name.
            HasOptedOut: the channel has.
            NotFound: no such channel has a log here.
        """
        return await self._find("channel", directory, name)

    async def user(self, directory: Directory, name: str) -> int:
        """Give the id of a user; an id is taken as it is.

        Raises:
            BadRequest: it is no name.
            HasOptedOut: the user has.
            NotFound: nobody was seen under that login.
        """
        return await self._find("user", directory, name)

    async def both(self, directory: Directory, channel: str, user: str) -> tuple[int, int]:
        """Give the ids of a channel that has a log and of a user; who has opted out is refused before either is missed.

        Raises:
            BadRequest: one is no name.
            HasOptedOut: one has.
            NotFound: the channel has no log here, or nobody was seen under that login.
        """
        try:
            channel_id = await self.channel(directory, channel)
        except NotFound:
            await self.user(directory, user)
            raise
        return channel_id, await self.user(directory, user)

    def refuse(self, kind: str, found: int) -> None:
        """Let pass who has not opted out.

        Raises:
            HasOptedOut: the user or channel has.
        """
        out = self._who_is_out()
        if out.has_channel(found) if kind == "channel" else out.has_user(found):
            raise HasOptedOut(f"The requested {kind} has opted out of being logged")

    async def _find(self, kind: str, directory: Directory, name: str) -> int:
        known = self._remembered.get((kind, name))
        if known is not None and known[0] > time.monotonic():
            self.refuse(kind, known[1])
            return known[1]
        given = _id(kind, name)
        found = given if given is not None else await directory.user_id(name)
        if found is not None:
            self.refuse(kind, found)
        if kind == "channel" and (found is None or await directory.channel(found) is None):
            raise NotFound(f"no channel {name!r} has a log here: /v1/channels lists those that have")
        if found is None:
            raise NotFound(f"nobody was seen here under the login {name!r}; an id can be given as id:123")
        while len(self._remembered) >= _MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[kind, name] = time.monotonic() + self._seconds, found
        return found


def _id(kind: str, name: str) -> int | None:
    if name.startswith("id:"):
        digits = name.removeprefix("id:")
        if not re.fullmatch(r"[1-9][0-9]{0,17}", digits):
            raise BadRequest(f"{name!r} is no {kind}: after `id:` comes Twitch's number, as in id:71092938")
        return int(digits)
    if not LOGIN.fullmatch(name):
        raise BadRequest(f"{name!r} is no {kind}: write a login (a-z, 0-9 and _), or id: and Twitch's number")
    return None
