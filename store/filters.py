"""Filters: which lines of a log a reader wants to see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from store import tags
from store.message import Message, MessageType
from store.opted_out import OptedOut

Accept = Callable[[Message], bool]
"""Whether a message is wanted."""

Narrow = Callable[[list[Message]], Awaitable[Accept]]
"""What must be looked up for some messages before it can be said of each whether it is wanted."""


Take = Callable[[Message], Message | None]
"""Gives a message as it is to be given, or None."""


class Shared(StrEnum):
    """Where a line was said: in the channel itself, or in another that shares its chat."""

    ALL = "all"
    HOME = "home"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a message must be like; what is empty asks for nothing.

    Attributes:
        types: one of these kinds.
        needle: this stands in what was said or in its system text, in any case.
        badge: the author wears this badge, of any version.
        shared: it was said there.
        thread: the id of the line that it is, or answers, or whose thread it belongs to.
    """

    types: frozenset[MessageType] = frozenset()
    needle: str = ""
    badge: str = ""
    shared: Shared = Shared.ALL
    thread: str = ""

    def __bool__(self) -> bool:
        return bool(self.types or self.needle or self.badge or self.thread) or self.shared is not Shared.ALL

    def accept(self) -> Accept:
        """Give the function that says whether a message is wanted."""
        needle = self.needle.casefold()
        badge = f",{self.badge.casefold()}/" if self.badge else ""
        types, shared, thread = self.types, self.shared, self.thread.lower()

        def wanted(message: Message) -> bool:
            if types and message.type not in types:
                return False
            if badge and badge not in f",{(message.badges or '').casefold()}":
                return False
            if shared is not Shared.ALL and _is_foreign(message) is not (shared is Shared.FOREIGN):
                return False
            if thread and not _is_of_thread(message, thread):
                return False
            return not needle or any(
                needle in part.casefold() for part in (message.text, message.system_text) if part is not None
            )

        return wanted


def take_of(out: OptedOut, accept: Accept | None) -> Take | None:
    """Give what decides of each message whether and how it is given; None if all are given as they are.

    Args:
        out: whose messages are not.
        accept: which of the others are wanted; None: all.
    """
    if not out:
        return None if accept is None else lambda message: message if accept(message) else None
    if accept is None:
        return out.shown

    def take(message: Message) -> Message | None:
        # What is not shown is not searched either: what a search finds would tell what stands there.
        shown = out.shown(message)
        return shown if shown is not None and accept(shown) else None

    return take


def taken(piece: list[Message], found: list[Message], limit: int, take: Take | None) -> tuple[Message | None, bool]:
    """Add to what was found until the limit; give the last message looked at, and whether any was left over."""
    if take is None:
        first = piece[: limit - len(found)]
        found += first
        return first[-1] if first else None, len(piece) > len(first)
    last: Message | None = None
    for message in piece:
        if len(found) == limit:
            return last, True
        last = message
        if (shown := take(message)) is not None:
            found.append(shown)
    return last, False


def _is_foreign(message: Message) -> bool:
    """Say whether a line was said in another channel of a shared chat."""
    room = tags.find(message.extra, "source-room-id")
    return bool(room) and room != str(message.channel_id)


def _is_of_thread(message: Message, thread: str) -> bool:
    if message.extra is not None and thread in message.extra:
        answered = (tags.find(message.extra, name) for name in ("reply-thread-parent-msg-id", "reply-parent-msg-id"))
        if thread in answered:
            return True
    return message.id == thread
