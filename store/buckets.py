"""The buckets of a log that exist, and in which stretches of time a walk reads which of them.

Mostly a stretch is one bucket. Where a log passed from wide buckets to narrow ones, or two workers did not agree for a
moment, buckets overlap: a stretch then names all that may hold its lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from store.keys import Width
from store.message import Message


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that exists: its start in Unix milliseconds, and how wide it is."""

    start_ms: int
    width: Width

    @property
    def end_ms(self) -> int:
        """The first millisecond after it."""
        return self.width.end(self.start_ms)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time, `[from_ms, to_ms)`, whose lines lie in certain partitions.

    Attributes:
        from_ms: Unix milliseconds.
        to_ms: Unix milliseconds.
        starts: the bucket of each partition.
        alone: whether it is one whole bucket that no other overlaps.
    """

    from_ms: int
    to_ms: int
    starts: tuple[int, ...]
    alone: bool


def stretches(buckets: Sequence[Bucket]) -> list[Stretch]:
    """Give the stretches of time that buckets cover, oldest first.

    Args:
        buckets: in any order; two of one start are one partition.
    """
    if len(buckets) == 1:
        return [Stretch(buckets[0].start_ms, buckets[0].end_ms, (buckets[0].start_ms,), alone=True)]
    opened = sorted(buckets, key=lambda bucket: bucket.start_ms, reverse=True)
    edges = sorted({edge for bucket in buckets for edge in (bucket.start_ms, bucket.end_ms)})
    found: list[Stretch] = []
    open_now: list[Bucket] = []
    for edge, following in itertools.pairwise(edges):
        open_now = [bucket for bucket in open_now if bucket.end_ms > edge]
        while opened and opened[-1].start_ms == edge:
            open_now.append(opened.pop())
        starts = tuple(dict.fromkeys(bucket.start_ms for bucket in open_now))
        if not starts:
            continue
        if found and found[-1].starts == starts and found[-1].to_ms == edge:
            found[-1] = Stretch(found[-1].from_ms, following, starts, alone=False)
        else:
            whole = len(open_now) == 1 and open_now[0].start_ms == edge and open_now[0].end_ms == following
            found.append(Stretch(edge, following, starts, alone=whole))
    return found


def walked(buckets: Sequence[Bucket], first_ms: int, end_ms: int, *, descending: bool) -> list[Stretch]:
    """Give the stretches of buckets that overlap `[first_ms, end_ms)`, in the direction of a walk."""
    if not buckets:
        return []
    found = [stretch for stretch in stretches(buckets) if stretch.to_ms > first_ms and stretch.from_ms < end_ms]
    return found[::-1] if descending else found


def widest(buckets: Sequence[Bucket]) -> list[Bucket]:
    """Give one bucket a start, the widest, in the order in which the starts come."""
    by_start: dict[int, Bucket] = {}
    for bucket in buckets:
        known = by_start.get(bucket.start_ms)
        if known is None or known.end_ms < bucket.end_ms:
            by_start[bucket.start_ms] = bucket
    return list(by_start.values())


def merged(pieces: list[list[Message]], asked: int, *, descending: bool) -> list[Message]:
    """Give the messages of several partitions in order, each once, as far as all of them were read.

    Args:
        pieces: what each partition gave, in the order of the read.
        asked: how many each was asked for; one that gave as many may have more behind its last.
        descending: the order.
    """
    by_order = {message.position.order: message for piece in pieces for message in piece}
    ends = [piece[-1].position.order for piece in pieces if len(piece) == asked]
    if descending:
        far = max(ends, default=None)
        return [by_order[order] for order in sorted(by_order, reverse=True) if far is None or order >= far]
    far = min(ends, default=None)
    return [by_order[order] for order in sorted(by_order) if far is None or order <= far]
