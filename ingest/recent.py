"""A bounded memory of what was seen: the newest of so many ids, the oldest of which are forgotten."""

from __future__ import annotations


class RecentIds:
    """Remembers ids.

    Args:
        most: how many, before the oldest are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def seen(self, identity: str) -> bool:
        """Say whether an id was seen before, and remember it."""
        if identity in self._ids:
            return True
        self._ids[identity] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]
        return False
