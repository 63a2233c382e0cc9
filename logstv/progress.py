"""Progress on standard error for what takes long, in a terminal; elsewhere nothing is drawn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int], None]
"""To be told how much more is done."""


def bytes_read(doing: str, total: int) -> contextlib.AbstractContextManager[Advance]:
    """Draw how many bytes of files are read.

    Args:
        doing: what is done, as in Replaying.
        total: how many there are.
    """
    return _bar(doing, total, DownloadColumn(), TimeRemainingColumn())


def counted(doing: str, total: int | None = None) -> contextlib.AbstractContextManager[Advance]:
    """Draw how many of something are done.

    Args:
        doing: what is done, as in Exporting days.
        total: how many there are; None: that is not known before.
    """
    return _bar(doing, total, MofNCompleteColumn(), TimeElapsedColumn())


@contextlib.contextmanager
def _bar(doing: str, total: int | None, *columns: ProgressColumn) -> Iterator[Advance]:
    console = Console(stderr=True)
    drawn = Progress(
        TextColumn(doing), BarColumn(), *columns, console=console, transient=True, disable=not console.is_terminal
    )
    with drawn as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)
