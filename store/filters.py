"""Filters: which lines of a log a reader wants to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from store.message import Message, MessageType

Accept = Callable[[Message], bool]
"""Whether a message is wanted."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a message must be like; what is empty asks for nothing.

    Attributes:
        types: one of these kinds.
        needle: this stands in what was said or in its system text, in any case.
        badge: the author wears this badge, of any version.
    """

    types: frozenset[MessageType] = frozenset()
    needle: str = ""
    badge: str = ""

    def __bool__(self) -> bool:
        return bool(self.types or self.needle or self.badge)

    def accept(self) -> Accept:
        """Give the function that says whether a message is wanted."""
        needle = self.needle.casefold()
        badge = f",{self.badge.casefold()}/" if self.badge else ""
        types = self.types

        def wanted(message: Message) -> bool:
            if types and message.type not in types:
                return False
            if badge and badge not in f",{(message.badges or '').casefold()}":
                return False
            return not needle or any(
                needle in part.casefold() for part in (message.text, message.system_text) if part is not None
            )

        return wanted
