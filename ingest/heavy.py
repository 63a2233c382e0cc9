"""Finds what occurs most in a long stream, with a fixed number of counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class HeavyHitters(Generic[Item]):
    """Counts items; of the many rare ones it forgets most.

    Misra and Gries, "Finding repeated elements" (1982), emptied in bulk: when there are twice as many counters as are
    kept, what the largest of those that go has counted is taken off all. So of n items no count is off by more than
    n / kept, and only downwards; where some items are much more frequent than the others, by much less.

    Args:
        kept: how many counters are kept at least; there are at most twice as many.

    Attributes:
        error: how many occurrences of an item may be missing from its count.
    """

    def __init__(self, kept: int) -> None:
        self.error = 0
        self._kept = kept
        self._counts: Counter[Item] = Counter()

    def add(self, items: Iterable[Item]) -> None:
        """Count items, of which there are some hundred at most."""
        self._counts.update(items)
        if len(self._counts) > 2 * self._kept:
            self._forget()

    def above(self, least: int, most: int) -> list[tuple[Item, int]]:
        """Give the items that occurred so often at least, with their counts, and of those the `most` frequent."""
        return [(item, count) for item, count in self._counts.most_common(most) if count >= least]

    def _forget(self) -> None:
        off = sorted(self._counts.values(), reverse=True)[self._kept]
        self.error += off
        self._counts = Counter({item: count - off for item, count in self._counts.items() if count > off})
