"""The progress bars of commands that read files or logs; on standard error, and gone when they are done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn


class Bar:
    """A bar that is shown."""

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


def bytes_bar(what: str, console: Console) -> contextlib.AbstractContextManager[Bar]:
    """Show how many bytes of files have been read, for as long as the block runs."""
    return _bar(what, console, DownloadColumn())


def time_bar(what: str, console: Console) -> contextlib.AbstractContextManager[Bar]:
    """Show how far into a range of time something is, for as long as the block runs."""
    return _bar(what, console, TextColumn("{task.percentage:>3.0f} %"))


@contextlib.contextmanager
def _bar(what: str, console: Console, column: ProgressColumn) -> Iterator[Bar]:
    columns = (TextColumn(what), BarColumn(), column, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, progress.add_task(what, total=None))
