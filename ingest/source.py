"""The seam between where lines come from and what is done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


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
