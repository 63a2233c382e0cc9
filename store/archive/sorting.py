"""Brings the lines of a day into the order of the log, in bounded memory: what is more waits on disk."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Iterator
from typing import IO

from store.archive.told import Told

_MOST_LINES = 100_000
_AT_ONCE = 1000


class Sorter:
    """Takes lines in any order and gives them in the log's, each place once.

    Args:
        most: so many lines are held in memory.
    """

    def __init__(self, most: int = _MOST_LINES) -> None:
        self._most = most
        self._held: list[Told] = []
        self._runs: list[IO[bytes]] = []
        self._spilt = 0

    def __len__(self) -> int:
        """Give how many lines were taken."""
        return self._spilt + len(self._held)

    def add(self, line: Told) -> None:
        """Take a line."""
        self._held.append(line)
        if len(self._held) >= self._most:
            self._spill()

    def __iter__(self) -> Iterator[Told]:
        self._held.sort()
        before = (-1, -1)
        for line in heapq.merge(self._held, *map(_read, self._runs)) if self._runs else self._held:
            place = line[:2]
            if place != before:
                before = place
                yield line

    def close(self) -> None:
        """Give back what is on disk."""
        for run in self._runs:
            run.close()

    def _spill(self) -> None:
        self._held.sort()
        run = tempfile.TemporaryFile(prefix="logstv-sorting-")  # noqa: SIM115 - closed by `close`
        for at in range(0, len(self._held), _AT_ONCE):
            pickle.dump([tuple(line) for line in self._held[at : at + _AT_ONCE]], run, pickle.HIGHEST_PROTOCOL)
        self._runs.append(run)
        self._spilt += len(self._held)
        self._held = []


def _read(run: IO[bytes]) -> Iterator[Told]:
    run.seek(0)
    while True:
        try:
            lines = pickle.load(run)  # noqa: S301 - we wrote it
        except EOFError:
            return
        for line in lines:
            yield Told(*line)
