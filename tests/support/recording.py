"""Looks over a session's shoulder: which statements reach the driver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cassandra.query import BatchStatement, BoundStatement

from store.session import Session


@dataclass(frozen=True, slots=True)
class Call:
    """A statement that was sent, the tables it names, and the bytes of its values."""

    statement: Any
    tables: set[str]
    size: int


def _call(statement: Any, by_id: dict[bytes, str]) -> Call:
    if isinstance(statement, BatchStatement):
        parts = [(by_id[query_id], values) for _, query_id, values in statement._statements_and_parameters]
    elif isinstance(statement, BoundStatement):
        parts = [(statement.prepared_statement.query_string, statement.values)]
    else:
        parts = [(str(statement), [])]
    tables = {match[1] for cql, _ in parts for match in re.finditer(r"(?:FROM|INTO|UPDATE) \w+\.(\w+)", cql)}
    size = sum(len(value) for _, values in parts for value in values if isinstance(value, bytes))
    return Call(statement, tables, size)


@contextmanager
def recorded(session: Session) -> Iterator[list[Call]]:
    """Give the list to which every statement sent through a session is added."""
    calls: list[Call] = []
    execute = session.execute

    def watched(statement: Any) -> Any:
        by_id = {prepared.query_id: prepared.query_string for prepared in session._prepared.values()}
        calls.append(_call(statement, by_id))
        return execute(statement)

    session.execute = watched  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        del session.execute
