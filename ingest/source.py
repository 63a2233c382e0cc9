"""The seam between where lines come from and what is done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class ReceivedLine:
    """A chat line as it was read.

    Attributes:
        line: without its line end; bytes that were no UTF-8 as `surrogateescape` leaves them.
        received_ms: when it was read, Unix milliseconds; None where that says nothing, as in a file.
        channel_id: the id of the channel it was read in, where that is known.
        occurrence: in a file, how many lines that are equal byte for byte and have no id came before it in its second.
    """

    line: str
    received_ms: int | None = None
    channel_id: int | None = None
    occurrence: int = 0


class Source(Protocol):
    """Where chat lines come from: only PRIVMSG, USERNOTICE, CLEARCHAT and CLEARMSG."""

    def chunks(self) -> AsyncIterator[list[ReceivedLine]]:
        """Yield the lines, some at a time; end when there are no more. A slow reader holds the source back."""
        ...

    async def stop(self) -> None:
        """Read no more, and have `chunks` end after what was read already."""
        ...


class ChannelReading(Protocol):
    """How the reading of a channel stands."""

    @property
    def login(self) -> str:
        """By which login it is read."""
        ...

    @property
    def channel_id(self) -> int | None:
        """Twitch's id; None until the source has learnt it."""
        ...

    @property
    def joined(self) -> bool:
        """Whether it is being read now."""
        ...

    @property
    def failure(self) -> str:
        """Why it cannot be read; empty if it can, or that is not known yet."""
        ...

    reading_from_ms: int | None
    """Since when it is being read, Unix milliseconds; None while it is not."""

    read_spans: list[tuple[int, int]]
    """When it was being read before that, and nobody has taken note of."""

    @property
    def heard_ms(self) -> int:
        """How far it surely was read, Unix milliseconds; only while it is joined."""
        ...


class ChatSource(Source, Protocol):
    """A source whose channels come and go, for as long as it is entered."""

    @property
    def channels(self) -> Sequence[ChannelReading]:
        """The channels that it reads, or tries to."""
        ...

    def join(self, login: str) -> None:
        """Read a channel too; harmless if it is read already."""
        ...

    async def part(self, login: str) -> None:
        """Read a channel no more."""
        ...

    @property
    def figures(self) -> Mapping[str, float]:
        """What was counted on the way in, by the name that the metrics give it (docs/operations.md)."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
