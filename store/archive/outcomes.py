"""What exporting came to, and what of a channel waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from store.archive.objects import Place


@dataclass(slots=True)
class Exported:
    """What a look for days came to.

    Attributes:
        days: how many were exported, also once more.
        lines: how many lines those have.
        failed: those that could not be, and why.
        waiting: how many others hold.
        unavailable: how many in a row the archive did not take.
    """

    days: int = 0
    lines: int = 0
    failed: dict[Place, str] = field(default_factory=dict)
    waiting: int = 0
    unavailable: int = 0


@dataclass(slots=True)
class ExportCounts:
    """What an exporter has done since it was opened.

    Attributes:
        days: how many were exported, also once more.
        lines: how many lines those have.
        bytes: how long their files are.
        seconds: for how long it worked on them.
        failures: how often one could not be.
    """

    days: int = 0
    lines: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a channel is not in the archive.

    Attributes:
        open: how many days with lines are not closed yet.
        missing: the days that are closed and are not there, oldest first.
        late: those that are there, and to which lines came since; or both.
    """

    open: int
    missing: tuple[Place, ...]
    late: Mapping[Place, int]

    @property
    def due(self) -> dict[Place, int | None]:
        """The days that are to be exported, oldest first, and when late lines were noted."""
        return {place: self.late.get(place) for place in sorted({*self.missing, *self.late})}
