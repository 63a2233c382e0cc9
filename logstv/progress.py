"""Progress on standard error for what takes long, in a terminal; elsewhere nothing is drawn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """A bar that is drawn."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def total(self, count: float) -> None:
        """Say how much there is to do."""
        self._progress.update(self._task, total=count)

    def advance(self, count: float) -> None:
        """Say that so much more is done."""
        self._progress.advance(self._task, count)

    def reach(self, count: float) -> None:
        """Say that so much is done."""
        self._progress.update(self._task, completed=count)


def bytes_read(doing: str, total: int | None = None) -> contextlib.AbstractContextManager[Bar]:
    """Draw how many bytes of files are read.

    Args:
        doing: what is done, as in Replaying.
        total: how many there are; None: that is not known before.
    """
    return _bar(doing, total, DownloadColumn(), TimeRemainingColumn())


def counted(doing: str, total: int | None = None) -> contextlib.AbstractContextManager[Bar]:
    """Draw how many of something are done.

    Args:
        doing: what is done, as in Exporting days.
        total: how many there are; None: that is not known before.
    """
    return _bar(doing, total, MofNCompleteColumn(), TimeElapsedColumn())


def time_reached(doing: str) -> contextlib.AbstractContextManager[Bar]:
    """Draw how far into a range of time something is."""
    return _bar(doing, None, TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())


@contextlib.contextmanager
def _bar(doing: str, total: int | None, *columns: ProgressColumn) -> Iterator[Bar]:
    console = Console(stderr=True)
    drawn = Progress(
        TextColumn(doing), BarColumn(), *columns, console=console, transient=True, disable=not console.is_terminal
    )
    with drawn as progress:
        yield Bar(progress, progress.add_task(doing, total=total))
