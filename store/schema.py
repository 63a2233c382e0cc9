"""Brings the tables of a cluster into line with the CQL files, and shows where they differ.

Tables are created, columns added, and options aligned; keys, types and columns that hold lines are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cassandra import DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, NoHostAvailable
from cassandra.cluster import Session as DriverSession
from cassandra.query import named_tuple_factory

import schema
from schema import SchemaFileError, Table
from store import schema_lock
from store.errors import SchemaError, SchemaRefused, StoreError
from store.session import cluster_of, translated, unreachable
from store.settings import StoreSettings

_WAIT_SECONDS = 120.0
_AGREEMENT_SECONDS = 60.0
_DDL_SECONDS = 60.0

_SERVER_ADDS = {"max_threshold": "32", "min_threshold": "4", "chunk_length_in_kb": "16"}
"""Sub-options that the server writes down with these values when a file does not name them."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between the files and the cluster.

    Attributes:
        table: its name; empty for the keyspace.
        what: a sentence.
        cql: what brings it into line; None where logstv will not.
        refused: whether it keeps the schema from being applied at all.
    """

    table: str
    what: str
    cql: str | None
    refused: bool = False


def diff(settings: StoreSettings) -> list[Change]:
    """Give the differences between the files and the cluster, in the order in which they would be settled.

    Raises:
        SchemaError: a file cannot be read.
        StoreUnavailable: Cassandra cannot answer.
    """
    tables = _tables(settings)
    with _connected(settings) as (_, session):
        return list(_differences(session, settings, tables))


def apply(settings: StoreSettings, wait_seconds: float = _WAIT_SECONDS) -> list[Change]:
    """Bring the cluster into line with the files; of two who do so at once, one waits.

    Args:
        settings: which cluster, keyspace and files.
        wait_seconds: how long to wait for another who is at it.

    Returns:
        What was changed.

    Raises:
        SchemaRefused: the files ask for a change of keys, types or columns; nothing was changed.
        SchemaLocked: another is at it for too long.
        SchemaError: a file cannot be read, or the cluster does not take a change.
        StoreUnavailable: Cassandra cannot answer.
    """
    tables = _tables(settings)
    with _connected(settings) as (cluster, session):
        _refuse(_differences(session, settings, tables))
        created = f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {_replication_cql(settings)}"
        _run(cluster, session, created)
        with schema_lock.lock(session, settings.keyspace, wait_seconds) as renew:
            changes = list(_differences(session, settings, tables))
            _refuse(changes)
            done = []
            for change in changes:
                if change.cql is not None:
                    renew()
                    _run(cluster, session, change.cql)
                    done.append(change)
            return done


def _tables(settings: StoreSettings) -> list[Table]:
    try:
        return schema.load(settings.schema_dir or schema.FOLDER)
    except SchemaFileError as error:
        raise SchemaError(str(error)) from error


class _connected:  # noqa: N801 - used as a function
    """A driver session of its own for the schema's statements, which block."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._cluster = cluster_of(settings)

    def __enter__(self) -> tuple[Cluster, DriverSession]:
        try:
            session = self._cluster.connect()
        except (NoHostAvailable, DriverException, OSError) as error:
            self._cluster.shutdown()
            raise unreachable(self._settings, error) from error
        return self._cluster, session

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        self._cluster.shutdown()
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            ours = translated(error)
            if ours is not error:
                raise ours from error


def _run(cluster: Cluster, session: DriverSession, cql: str) -> None:
    """Carry out a schema change and wait until all nodes agree on it."""
    asked = session.execute_async(cql, timeout=_DDL_SECONDS)
    try:
        asked.result()
    except DriverException as error:
        raise SchemaError(
            f"Cassandra did not take a change of the schema: {error}. The statement was: {cql}"
        ) from error
    if not asked.is_schema_agreed and not cluster.control_connection.wait_for_schema_agreement(
        wait_time=_AGREEMENT_SECONDS
    ):
        raise SchemaError(
            f"the nodes did not agree on the schema within {_AGREEMENT_SECONDS:.0f} s: see which are down"
        )


def _refuse(changes: Iterator[Change] | list[Change]) -> None:
    refused = [change.what for change in changes if change.refused]
    if refused:
        raise SchemaRefused("; ".join(refused) + ". Nothing was changed")


def _differences(session: DriverSession, settings: StoreSettings, tables: list[Table]) -> Iterator[Change]:
    keyspace = settings.keyspace
    found = _rows(session, "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", keyspace)
    if not found:
        cql = f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {_replication_cql(settings)}"
        yield Change("", f"the keyspace {keyspace} is missing", cql)
    elif settings.replication:
        yield from _replication_change(settings, dict(found[0].replication))
    actual = {row.table_name: row for row in _rows(session, _ALL_OF + "tables WHERE keyspace_name = %s", keyspace)}
    columns = _rows(session, _ALL_OF + "columns WHERE keyspace_name = %s", keyspace)
    for table in tables:
        name = settings.table_prefix + table.name
        full_name = f"{keyspace}.{name}"
        if name not in actual:
            yield Change(name, f"the table {name} is missing", table.create(full_name))
            continue
        there = {row.column_name: row for row in columns if row.table_name == name}
        yield from _column_changes(table, name, full_name, there)
        yield from _option_changes(table, name, full_name, actual[name])


_ALL_OF = "SELECT * FROM system_schema."


def _rows(session: DriverSession, cql: str, keyspace: str) -> list[Any]:
    profile = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=named_tuple_factory)
    return list(session.execute(cql, (keyspace,), execution_profile=profile))


def _column_changes(table: Table, name: str, full_name: str, there: Mapping[str, Any]) -> Iterator[Change]:
    keys = _key_columns(table)
    for column in table.columns:
        row, wanted = there.get(column.name), keys.get(column.name, _REGULAR)
        if row is None and wanted == _REGULAR:
            cql = f"ALTER TABLE {full_name} ADD {column.name} {column.type}"
            yield Change(name, f"{name} lacks the column {column.name} {column.type}", cql)
        elif row is None:
            yield _refusal(name, f"{column.name} is new in the key of {name}: a key cannot be changed")
        elif row.type != column.type:
            yield _refusal(
                name, f"{name}.{column.name} is {row.type}, the file says {column.type}: types cannot change"
            )
        elif (row.kind, row.position, row.clustering_order) != wanted:
            yield _refusal(name, f"{name}.{column.name} has another place or direction in the key than the file says")
    for extra in sorted(set(there) - {column.name for column in table.columns}):
        if there[extra].kind == "regular":
            yield Change(name, f"{name}.{extra} is not in the file; logstv drops no columns", None)
        else:
            yield _refusal(name, f"{name}.{extra} is in the key but not in the file: a key cannot be changed")


_REGULAR = ("regular", -1, "none")


def _key_columns(table: Table) -> dict[str, tuple[str, int, str]]:
    """Give the columns of the key as system_schema.columns states them: kind, position and clustering order."""
    found = {column: ("partition_key", place, "none") for place, column in enumerate(table.partition_key)}
    for place, (column, ascends) in enumerate(table.clustering):
        found[column] = ("clustering", place, "asc" if ascends else "desc")
    return found


def _refusal(name: str, what: str) -> Change:
    return Change(name, f"{what}; write the lines to a new table instead", None, refused=True)


def _option_changes(table: Table, name: str, full_name: str, row: Any) -> Iterator[Change]:
    for option, wanted in table.options.items():
        actual = getattr(row, option, None)
        cql = f"ALTER TABLE {full_name} WITH {option} = {_option_cql(wanted)}"
        if option not in row._fields:
            # The server says better than we what is wrong with it.
            yield Change(name, f"{name}: this Cassandra shows no option {option}", cql)
        elif not _equal(wanted, actual):
            yield Change(name, f"{name}: {option} is {_shown(actual)}, the file says {_shown(wanted)}", cql)


def _equal(wanted: str | dict[str, str], actual: Any) -> bool:
    if isinstance(wanted, str):
        return _plain(wanted) == _plain(str(actual))
    there = {key: str(value) for key, value in dict(actual or {}).items()}
    added = {key: value for key, value in _SERVER_ADDS.items() if key in there and key not in wanted}
    return {key: _plain(value) for key, value in (added | wanted).items()} == {
        key: _plain(value) for key, value in there.items()
    }


def _plain(value: str) -> str:
    """Give a value so that two spellings of the same compare equal: 1 and 1.0, a class with and without package."""
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return f"{float(value):g}"
    return value.rpartition(".")[2].casefold() if value.startswith("org.apache.cassandra.") else value.casefold()


def _option_cql(value: str | dict[str, str]) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {_quoted(found)}" for key, found in value.items()) + "}"
    return value if re.fullmatch(r"-?\d+(\.\d+)?|true|false", value) else _quoted(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _shown(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    return ", ".join(f"{key} {found}" for key, found in sorted(dict(value or {}).items())) or "nothing"


def _replication(settings: StoreSettings) -> dict[str, str]:
    given = settings.replication or f"{settings.local_dc}:1"
    return {datacenter: count for datacenter, _, count in (part.partition(":") for part in given.split(","))}


def _replication_cql(settings: StoreSettings) -> str:
    return _option_cql({"class": "NetworkTopologyStrategy", **_replication(settings)})


def _replication_change(settings: StoreSettings, actual: dict[str, str]) -> Iterator[Change]:
    there = {key: value for key, value in actual.items() if key != "class"}
    if there != _replication(settings):
        yield Change(
            "",
            f"the keyspace {settings.keyspace} has replicas {_shown(there)}, LOGSTV_REPLICATION says "
            f"{settings.replication}; then run a full repair on every node, so that new replicas get old lines",
            f"ALTER KEYSPACE {settings.keyspace} WITH replication = {_replication_cql(settings)}",
        )
