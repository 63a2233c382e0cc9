"""Brings the tables of a cluster into line with the CQL files, and shows where they differ.

Tables are created, columns added, and options aligned; keys, types and columns that hold lines are never touched, nor
is an option that a file does not name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from cassandra import DriverException, RequestValidationException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, NoHostAvailable
from cassandra.cluster import Session as DriverSession
from cassandra.protocol import ErrorMessage
from cassandra.query import named_tuple_factory

import schema
from schema import Column, SchemaFileError, Table
from store import schema_lock
from store.errors import SchemaError, SchemaRefused
from store.session import cluster_of, said_by, translated, unreachable
from store.settings import StoreSettings

log = structlog.get_logger(__name__)

_WAIT_SECONDS = 120.0
_AGREEMENT_SECONDS = 60.0
_DDL_SECONDS = 60.0

_SERVER_ADDS = {
    "max_threshold": "32",
    "min_threshold": "4",
    "chunk_length_in_kb": "16",
    "keys": "NONE",
    "rows_per_partition": "NONE",
}
"""Sub-options that Cassandra 5.0 writes down with these values when a file does not name them."""

_SERVER_OMITS = {"cdc": "false", "memtable": "default", "allow_auto_snapshot": "true", "incremental_backups": "true"}
"""Options that Cassandra 5.0 does not write down when they have these values."""


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


def apply(
    settings: StoreSettings,
    wait_seconds: float = _WAIT_SECONDS,
    on_change: Callable[[Change], None] = lambda _: None,
) -> list[Change]:
    """Bring the cluster into line with the files; of two who do so at once, one waits.

    Killed in the middle, it goes on from there when it is called again. Where there is nothing to do, nothing is
    written: a role that may only read and write lines can call it too.

    Args:
        settings: which cluster, keyspace and files.
        wait_seconds: how long to wait for another who is at it.
        on_change: told of each change when all nodes have it.

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
        changes = allowed(_differences(session, settings, tables))
        if not any(change.cql for change in changes):
            # What another has just changed may not be everywhere yet, but an old disagreement is no reason to stop.
            if not cluster.control_connection.wait_for_schema_agreement():
                log.warning("the nodes do not agree on the schema: `nodetool describecluster` says which differ")
            return []
        done: list[Change] = []

        def carry_out(change: Change) -> None:
            if change.cql is not None:
                _run(cluster, session, change.cql)
                done.append(change)
                on_change(change)

        if any(not change.table for change in changes):
            _check_replicas(cluster, settings)
        if _replicas(session, settings.keyspace) is None:
            carry_out(_missing_keyspace(settings))  # the lock is in it
        else:
            _agree(cluster)  # another may have created it just now, at one of the nodes
        # Not only where system_schema lacks it: a node writes a table down some milliseconds before it knows it, and
        # carries out this statement after that.
        _run(cluster, session, schema_lock.create_table(settings.keyspace))
        with schema_lock.lock(session, settings.keyspace, wait_seconds) as check:
            for change in allowed(_differences(session, settings, tables)):
                check()
                carry_out(change)
        return done


def _tables(settings: StoreSettings) -> list[Table]:
    folder = settings.schema_dir or schema.FOLDER
    try:
        tables = schema.load(folder)
        missing = {table.name for table in schema.load()} - {table.name for table in tables}
    except SchemaFileError as error:
        raise SchemaError(str(error)) from error
    if missing:
        raise SchemaError(
            f"{folder} has no file for {', '.join(sorted(missing))}: copy every file of {schema.FOLDER}, "
            "then edit the copies"
        )
    return tables


@contextmanager
def _connected(settings: StoreSettings) -> Iterator[tuple[Cluster, DriverSession]]:
    """Open a driver session of its own for the schema's statements, which block."""
    cluster = cluster_of(settings)
    try:
        try:
            session = cluster.connect()
        except (NoHostAvailable, DriverException, OSError) as error:
            raise unreachable(settings, error) from error
        yield cluster, session
    except Exception as error:
        ours = translated(error)
        if ours is error:
            raise
        raise ours from error
    finally:
        cluster.shutdown()


def _run(cluster: Cluster, session: DriverSession, cql: str) -> None:
    """Carry out a schema change and wait until all nodes agree on it.

    The driver waits for that too, but not after an IF NOT EXISTS that found it there, which others may still lack.
    """
    try:
        session.execute(cql, timeout=_DDL_SECONDS)
    except (RequestValidationException, ErrorMessage) as error:
        raise SchemaError(
            f"Cassandra did not take a change of the schema: {said_by(error)}. The statement was: {cql}"
        ) from error
    _agree(cluster)


def _agree(cluster: Cluster) -> None:
    if not cluster.control_connection.wait_for_schema_agreement(wait_time=_AGREEMENT_SECONDS):
        raise SchemaError(
            f"the nodes did not agree on the schema within {_AGREEMENT_SECONDS:.0f} s: "
            "`nodetool describecluster` says which differ; apply it again when they agree"
        )


def _check_replicas(cluster: Cluster, settings: StoreSettings) -> None:
    """Refuse replicas that the cluster has no nodes for: Cassandra only warns, and then cannot take a line."""
    nodes = Counter(host.datacenter for host in cluster.metadata.all_hosts())
    for datacenter, replicas in _replication(settings).items():
        if datacenter not in nodes:
            raise SchemaError(
                f"replicas are asked for in {datacenter}, but the cluster's datacenters are "
                f"{', '.join(sorted(nodes))}: name them in LOGSTV_REPLICATION"
            )
        if int(replicas) > nodes[datacenter]:
            raise SchemaError(
                f"LOGSTV_REPLICATION asks for {replicas} replicas in {datacenter}, which has {nodes[datacenter]} "
                "nodes: there can be no more replicas than nodes"
            )


def allowed(changes: Iterable[Change]) -> list[Change]:
    """Give the changes if none is refused.

    Raises:
        SchemaRefused: one is; the message says which.
    """
    changes = list(changes)
    refused = [change.what for change in changes if change.refused]
    if refused:
        raise SchemaRefused("; ".join(refused) + ". Nothing was changed")
    return changes


def _differences(session: DriverSession, settings: StoreSettings, tables: list[Table]) -> Iterator[Change]:
    keyspace = settings.keyspace
    replicas = _replicas(session, keyspace)
    if replicas is None:
        yield _missing_keyspace(settings)
    elif settings.replication:
        yield from _replication_change(settings, replicas)
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
        row, wanted = there.get(column.name), keys.get(column.name, _outside_the_key(column))
        if row is None and column.name in keys:
            yield _refusal(name, f"{column.name} is new in the key of {name}: a key cannot be changed")
        elif row is None:
            kind = f"{column.type} static" if column.static else column.type
            cql = f"ALTER TABLE {full_name} ADD {column.name} {kind}"
            yield Change(name, f"{name} lacks the column {column.name} {kind}", cql)
        elif row.type != column.type:
            yield _refusal(
                name, f"{name}.{column.name} is {row.type}, the file says {column.type}: types cannot change"
            )
        elif {row.kind, wanted[0]} == {"regular", "static"}:
            yield _refusal(name, f"{name}.{column.name} is {row.kind}, the file says {wanted[0]}: that cannot change")
        elif (row.kind, row.position, row.clustering_order) != wanted:
            yield _refusal(name, f"{name}.{column.name} has another place or direction in the key than the file says")
    for extra in sorted(set(there) - {column.name for column in table.columns}):
        if there[extra].kind in ("regular", "static"):
            yield Change(name, f"{name}.{extra} is not in the file; logstv drops no columns", None)
        else:
            yield _refusal(name, f"{name}.{extra} is in the key but not in the file: a key cannot be changed")


def _outside_the_key(column: Column) -> tuple[str, int, str]:
    return ("static" if column.static else "regular", -1, "none")


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
        cql = f"ALTER TABLE {full_name} WITH {option} = {_option_cql(wanted)}"
        if option not in row._fields:
            # The server says better than we what is wrong with it.
            yield Change(name, f"{name}: this Cassandra shows no option {option}", cql)
        elif difference := _difference(option, wanted, getattr(row, option)):
            yield Change(name, f"{name}: {difference}", cql)


def _difference(option: str, wanted: str | dict[str, str], actual: Any) -> str:
    """Say how an option differs from what the file says; nothing where it does not."""
    if isinstance(wanted, dict) and isinstance(actual, Mapping):
        added = {key for key, value in _SERVER_ADDS.items() if key not in wanted and actual.get(key) == value}
        found = (_unlike(key, wanted.get(key), actual.get(key)) for key in sorted({*wanted, *actual} - added))
        parts = "; ".join(part for part in found if part)
        return f"{option}: {parts}" if parts else ""
    if actual is None:
        actual = _SERVER_OMITS.get(option)
    if option == "comment" and wanted != actual:
        return f"comment is {str(actual)!r}, the file says {wanted!r}"
    return _unlike(option, wanted, actual)


def _unlike(name: str, wanted: str | dict[str, str] | None, actual: Any) -> str:
    if wanted is not None and actual is not None and _plain(str(wanted)) == _plain(str(actual)):
        return ""
    there = "not set" if actual is None else _short(str(actual))
    return f"{name} is {there}, the file {'does not name it' if wanted is None else f'says {wanted}'}"


def _short(value: str) -> str:
    return value.rpartition(".")[2] if value.startswith("org.apache.cassandra.") else value


def _plain(value: str) -> str:
    """Give a value so that two spellings of the same compare equal: 1 and 1.0, a class with and without package."""
    if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value):
        return f"{float(value):.12g}"
    return re.sub(r"(?<=\d)percentile\b", "p", _short(value).casefold())


def _option_cql(value: str | dict[str, str]) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {_quoted(found)}" for key, found in value.items()) + "}"
    return value if re.fullmatch(r"-?\d+(\.\d+)?|true|false", value) else _quoted(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _shown(replicas: Mapping[str, str]) -> str:
    return ",".join(f"{datacenter}:{count}" for datacenter, count in sorted(replicas.items()))


def _replication(settings: StoreSettings) -> dict[str, str]:
    given = settings.replication or f"{settings.local_dc}:1"
    return {datacenter: count for datacenter, _, count in (part.partition(":") for part in given.split(","))}


def _replication_cql(settings: StoreSettings) -> str:
    return _option_cql({"class": "NetworkTopologyStrategy", **_replication(settings)})


def _missing_keyspace(settings: StoreSettings) -> Change:
    cql = f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {_replication_cql(settings)}"
    return Change("", f"the keyspace {settings.keyspace} is missing", cql)


def _replicas(session: DriverSession, keyspace: str) -> dict[str, str] | None:
    """Give the number of replicas by datacenter, or None without the keyspace."""
    found = _rows(session, "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", keyspace)
    return {key: value for key, value in found[0].replication.items() if key != "class"} if found else None


def _replication_change(settings: StoreSettings, there: dict[str, str]) -> Iterator[Change]:
    wanted = _replication(settings)
    if there != wanted:
        # "3/1" is three replicas, of which one is transient.
        had = {datacenter: int(count.partition("/")[0]) for datacenter, count in there.items()}
        grows = any(int(count) > had.get(datacenter, 0) for datacenter, count in wanted.items())
        yield Change(
            "",
            f"the keyspace {settings.keyspace} has replicas {_shown(there)}, LOGSTV_REPLICATION says {_shown(wanted)}; "
            + (
                "then run `nodetool repair --full` on every node, so that new replicas get old lines"
                if grows
                else "then run `nodetool cleanup` on every node, so that old replicas free their space"
            ),
            f"ALTER KEYSPACE {settings.keyspace} WITH replication = {_replication_cql(settings)}",
        )
