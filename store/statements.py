"""The CQL of the shapes, made from what `store.shapes` says of each."""

from __future__ import annotations

from store.rows import columns_of, selected
from store.session import Session
from store.shapes import Shape


def insert(session: Session, shape: Shape) -> str:
    """Write a row; the last two values are its timestamp in microseconds and its TTL in seconds (0: for ever)."""
    columns = (*shape.key, "bucket", *columns_of(shape))
    marks = ", ".join("?" * len(columns))
    names = ", ".join(columns)
    return f"INSERT INTO {session.table(shape.table)} ({names}) VALUES ({marks}) USING TIMESTAMP ? AND TTL ?"


def select(session: Session, shape: Shape, *, descending: bool, columns: tuple[str, ...] | None = None) -> str:
    """Read rows of one bucket strictly between two timeuuids; the last value is how many at most.

    Args:
        session: names the table.
        shape: in which table.
        descending: in which order.
        columns: which; None: all that make a message.
    """
    names = ", ".join(columns or selected(shape))
    order = "DESC" if descending else "ASC"
    return (
        f"SELECT {names} FROM {session.table(shape.table)} WHERE {_partition(shape)} AND bucket = ? "
        f"AND sent > ? AND sent < ? ORDER BY sent {order} LIMIT ?"
    )


def select_newest(session: Session, shape: Shape) -> str:
    """Read the rows of several buckets beyond a timeuuid, bucket by bucket; the last value is how many at most."""
    return (
        f"SELECT {', '.join(selected(shape))} FROM {session.table(shape.table)} WHERE {_partition(shape)} "
        "AND bucket IN ? AND sent > ? LIMIT ?"
    )


def count(session: Session, shape: Shape) -> str:
    """Count the rows of one bucket strictly between two timeuuids."""
    return (
        f"SELECT COUNT(*) FROM {session.table(shape.table)} WHERE {_partition(shape)} AND bucket = ? "
        "AND sent > ? AND sent < ?"
    )


def insert_bucket(session: Session, shape: Shape) -> str:
    """Say that a bucket exists; the last value is the TTL."""
    names = ", ".join((*shape.key, "bucket", "width", "ends"))
    marks = ", ".join("?" * (len(shape.key) + 3))
    return f"INSERT INTO {session.table(shape.index)} ({names}) VALUES ({marks}) USING TTL ?"


def select_buckets(session: Session, shape: Shape, *, descending: bool) -> str:
    """Read which buckets start at or after one time and before another; the last value is how many at most."""
    order = "DESC" if descending else "ASC"
    return (
        f"SELECT bucket, width FROM {session.table(shape.index)} WHERE {_partition(shape)} "
        f"AND bucket >= ? AND bucket < ? ORDER BY bucket {order} LIMIT ?"
    )


def _partition(shape: Shape) -> str:
    return " AND ".join(f"{column} = ?" for column in shape.key)
