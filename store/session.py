"""The session with Cassandra: how the cluster is reached, and the bridge from the driver's threads to asyncio.

The driver has no asyncio interface; its callbacks come on its own thread. What is asked is built in
`store.statements`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import structlog
from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    RequestExecutionException,
    RequestValidationException,
    Unavailable,
    protocol,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
)
from cassandra.cluster import Session as DriverSession
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.pool import Host
from cassandra.query import BoundStatement, PreparedStatement, Statement, tuple_factory

from store.errors import NodesMissing, SettingsError, StoreError, StoreUnavailable
from store.settings import StoreSettings

log = structlog.get_logger(__name__)

Rows = list[tuple[Any, ...]]

LOCAL_NODE = "127.0.0.1"
_RECONNECT_SECONDS = (0.5, 5.0)
_ANOTHER_SECONDS = 1.0
"""After so long without an answer another node is asked too: one that is frozen is noticed ten seconds later only."""
_HEARTBEAT_SECONDS = 5.0  # how soon a frozen node is noticed; the driver's default is 30


class Session:
    """A session with the cluster, whose requests are awaited.

    Attributes:
        requests: how many were sent, by the table that they read or write; what is not prepared counts as `other`.
    """

    def __init__(self, settings: StoreSettings, cluster: Cluster, driver_session: DriverSession) -> None:
        self.settings = settings
        self.driver_session = driver_session
        self._cluster = cluster
        self.requests: Counter[str] = Counter()
        self._prepared: dict[str, PreparedStatement] = {}
        self._owners: object = None
        self._one_set = True

    @classmethod
    async def open(cls, settings: StoreSettings) -> Session:
        """Connect to the cluster; the keyspace need not exist yet.

        Raises:
            SettingsError: a setting about TLS names something that cannot be read.
            StoreUnavailable: no contact point answers.
        """
        cluster = cluster_of(settings)
        try:
            driver_session = await asyncio.to_thread(cluster.connect)
        except (NoHostAvailable, DriverException, OSError) as error:
            await asyncio.to_thread(cluster.shutdown)
            raise unreachable(settings, error) from error
        return cls(settings, cluster, driver_session)

    async def close(self) -> None:
        """End the session; requests under way fail."""
        await asyncio.to_thread(self._cluster.shutdown)

    def table(self, name: str) -> str:
        """Give the full name of a table, for CQL."""
        return f"{self.settings.keyspace}.{self.settings.table_prefix}{name}"

    async def prepare(self, cql: str) -> PreparedStatement:
        """Prepare a statement once; all of ours can be repeated safely, but a lightweight transaction not side by side.

        Raises:
            StoreError: the keyspace or a table is not there, or is not the one we know.
            StoreUnavailable: Cassandra cannot answer.
        """
        if cql not in self._prepared:
            try:
                prepared = await asyncio.to_thread(self.driver_session.prepare, cql)
            except Exception as error:
                raise translated(error) from error
            prepared.is_idempotent = " IF " not in cql
            self._prepared[cql] = prepared
        return self._prepared[cql]

    @property
    def hosts(self) -> list[Host]:
        """The nodes that the driver knows of."""
        return list(self._cluster.metadata.all_hosts())

    def execute(self, statement: Statement | str, *, host: Host | None = None) -> asyncio.Future[Rows]:
        """Send a request, to one node if it is named; the future holds its rows.

        The future fails with StoreUnavailable when Cassandra cannot answer, StoreError when it refuses.
        """
        self.requests[_table_of(statement)] += 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rows] = loop.create_future()

        # The driver's ResponseFuture and its timer refer to each other (3.30), so it lives until the collector finds
        # it. What it still held, some 500 pages of rows, would be freed at once, which takes 50 to 90 ms.
        unanswered = [future]

        def on_rows(rows: Rows | None) -> None:
            while unanswered:
                _call(loop, _resolve, unanswered.pop(), _taken(rows))

        def on_error(error: Exception) -> None:
            while unanswered:
                _call(loop, _reject, unanswered.pop(), error)

        try:
            response: ResponseFuture = self.driver_session.execute_async(statement, host=host)
        except Exception as error:  # noqa: BLE001 - the driver raises whatever its pools raise; all become ours
            _reject(future, error)
        else:
            response.add_callbacks(on_rows, on_error)
        return future

    def replica_set(self, statement: BoundStatement) -> Hashable:
        """Give what is equal for rows that lie on the same replicas, so that they may share a batch."""
        tokens = self._cluster.metadata.token_map
        if tokens is None:
            return None
        owners = tokens.tokens_to_hosts_by_ks.get(self.settings.keyspace)
        if owners is None:
            tokens.rebuild_keyspace(self.settings.keyspace, build_if_absent=True)
            owners = tokens.tokens_to_hosts_by_ks.get(self.settings.keyspace)
        if owners is not self._owners:
            self._owners = owners
            self._one_set = len({frozenset(hosts) for hosts in (owners or {}).values()}) <= 1
        if self._one_set:
            return None
        replicas = tokens.get_replicas(self.settings.keyspace, tokens.token_class.from_key(statement.routing_key))
        return frozenset(host.endpoint for host in replicas)


def cluster_of(settings: StoreSettings) -> Cluster:
    """Give the driver's cluster object, not yet connected; closing it is the caller's."""
    hosts = TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=settings.local_dc), shuffle_replicas=True)
    profile = ExecutionProfile(
        load_balancing_policy=hosts,
        consistency_level=ConsistencyLevel.name_to_value[settings.consistency],
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=settings.request_timeout,
        row_factory=tuple_factory,
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(_ANOTHER_SECONDS, 2),
    )
    auth = None
    if settings.username:
        auth = PlainTextAuthProvider(settings.username, settings.password.get_secret_value())
    return Cluster(
        list(settings.contact_points) or [LOCAL_NODE],
        port=settings.cql_port,
        protocol_version=5,
        compression="lz4" if settings.wire_compression else False,
        auth_provider=auth,
        ssl_context=tls_of(settings),
        # The default gives up after 64 attempts: five minutes of absence would be for ever.
        reconnection_policy=ExponentialReconnectionPolicy(*_RECONNECT_SECONDS, max_attempts=None),
        idle_heartbeat_interval=_HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=_HEARTBEAT_SECONDS,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )


def tls_of(settings: StoreSettings) -> ssl.SSLContext | None:
    """Give how TLS is spoken to the nodes; None: it is not.

    Raises:
        SettingsError: a setting names something that cannot be read.
    """
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        files = ", ".join(str(path) for path in (settings.tls_ca, settings.tls_cert, settings.tls_key) if path)
        raise SettingsError(f"TLS to Cassandra needs readable PEM files; {files} gave: {error}") from error
    # Nodes are reached by the addresses that they gossip, which certificates seldom name.
    context.check_hostname = False
    return context


def unreachable(settings: StoreSettings, error: Exception) -> StoreUnavailable:
    """Give the error for a cluster that cannot be connected to."""
    where = f"{', '.join(settings.contact_points) or LOCAL_NODE} port {settings.cql_port}"
    reasons = getattr(error, "errors", None)
    reason: object = error
    if isinstance(reasons, dict) and reasons:
        reason = next(iter(reasons.values()))
        if isinstance(reason, OperationTimedOut):
            reason = reason.errors
    elif isinstance(reasons, list):
        # The policy looked at every host and asked none of them.
        reason = f"none of the nodes is in the datacenter {settings.local_dc!r} that LOGSTV_LOCAL_DC names"
    if isinstance(reason, AuthenticationFailed):
        return StoreUnavailable(
            f"the Cassandra at {where} refuses the login ({said_by(reason)}): see LOGSTV_USERNAME and LOGSTV_PASSWORD"
        )
    advice = (
        "" if settings.contact_points else "; LOGSTV_CONTACT_POINTS names a cluster, `logstv node start` starts a node"
    )
    return StoreUnavailable(f"no Cassandra answers at {where}: {reason}{advice}")


def said_by(error: object) -> str:
    """Give what the server itself says in an error, without the driver's words around it."""
    said = re.search(r'message="(.*)"', str(error), re.DOTALL)
    return said[1] if said else str(error)


def names_no_table(error: BaseException) -> bool:
    """Say whether a node refused a request since it knows no such keyspace or table."""
    said = str(error)
    return isinstance(error, InvalidRequest) and ("does not exist" in said or "unconfigured table" in said)


def translated(error: BaseException) -> BaseException:
    """Give the store's error for one of the driver's."""
    if isinstance(error, StoreError | asyncio.CancelledError):
        return error
    if names_no_table(error):
        return StoreError(
            f"the tables are not there yet: run `logstv schema apply`, or name their keyspace with LOGSTV_KEYSPACE "
            f"({said_by(error)})"
        )
    # What the driver has no class of its own for comes as the protocol's message.
    if isinstance(error, RequestValidationException | protocol.RequestValidationException):
        return StoreError(f"Cassandra refused a request: {said_by(error)}")
    if isinstance(error, Unavailable):
        return NodesMissing("too few replicas are up for the consistency level")
    if isinstance(error, OperationTimedOut | RequestExecutionException | protocol.ErrorMessage):
        return StoreUnavailable(f"Cassandra did not answer: {error}")
    if isinstance(error, NoHostAvailable | DriverException | OSError):
        return NodesMissing(f"no Cassandra node can be reached: {error}")
    return error


def _table_of(statement: Statement | str) -> str:
    metadata = statement.prepared_statement.column_metadata if isinstance(statement, BoundStatement) else ()
    return str(metadata[0].table_name) if metadata else "other"


def _taken(rows: Rows | None) -> Rows:
    """Take the rows out of the driver's list."""
    taken = list(rows or ())
    if rows:
        rows.clear()
    return taken


def _call(
    loop: asyncio.AbstractEventLoop, settle: Callable[..., None], future: asyncio.Future[Rows], value: Any
) -> None:
    # A request can be answered after the loop has closed.
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle, future, value)


def _resolve(future: asyncio.Future[Rows], rows: Rows) -> None:
    if not future.done():
        future.set_result(rows)


def _reject(future: asyncio.Future[Rows], error: Exception) -> None:
    if not future.done():
        future.set_exception(translated(error))
