"""What only this machine can tell: its programs, disk and ports, its folders, and the settings in its environment.

Nothing is made or changed by looking: a folder that is not there yet is judged by the one that would hold it.
"""

from __future__ import annotations

import asyncio
import difflib
import http.client
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cassandra
from cassandra.cluster import Cluster

from app.settings import AppSettings
from ingest.settings import IngestSettings
from ingest.spool_file import states_in
from logstv.errors import JavaError, NodeStartError
from logstv.health.finding import Finding, ok, warning, wrong
from logstv.health.words import size, some
from logstv.node import LocalNode, jars, java
from logstv.node.checks import check_ports
from logstv.settings import ROOMS, NodeSettings
from store.archive.objects import Objects
from store.errors import StoreError
from store.settings import StoreSettings

KNOWN = frozenset(f"LOGSTV_{name.upper()}" for room in ROOMS for name in room.model_fields) | {"LOGSTV_TEST_CASSANDRA"}
"""The variables that something reads."""

_ARCHIVE_SECONDS = 5.0
_ROOM_SHARE = 0.1


def programs(store: StoreSettings, node: NodeSettings) -> Iterator[Finding]:
    """Look at Python, the driver, and Java where a node is to run here."""
    yield ok("python", f"{platform.python_version()}; driver {cassandra.__version__} on {_reactor()}")
    if store.contact_points:
        return
    try:
        found = java.find(node.java)
    except JavaError as error:
        yield wrong("java", str(error), "install Java 17, or name one with LOGSTV_JAVA")
        return
    of = "the wheel's JRE" if found.path == java.of_wheel() else str(found.path)
    yield ok("java", f"{found.major}: {of}")
    if jars.are_there(node):
        yield ok("jars", f"Cassandra {jars.VERSION} is in {node.cache_dir}")
    else:
        yield ok("jars", f"Cassandra {jars.VERSION} is fetched when the node is started the first time (66 MiB)")


def _reactor() -> str:
    return str(Cluster.connection_class.__name__).removesuffix("Connection").lower()


def disk(node: NodeSettings, ingest: IngestSettings) -> Iterator[Finding]:
    """Look whether there is room for what is kept here."""
    usage = shutil.disk_usage(_nearest(node.data_dir))
    least, wanted = node.node_min_free << 20, ingest.spool_mebibytes << 20
    says = f"{size(usage.free)} of {size(usage.total)} free under {node.data_dir}"
    if usage.free < least:
        yield wrong("disk", says, "make room, or move LOGSTV_DATA_DIR")
    elif usage.free < wanted:
        yield warning(
            "disk", f"{says}; the spool may grow to {size(wanted)}", "make room, or lower LOGSTV_SPOOL_MEBIBYTES"
        )
    elif usage.free < usage.total * _ROOM_SHARE:
        yield warning("disk", says, "make room, or move LOGSTV_DATA_DIR")
    else:
        yield ok("disk", says)


def ports(store: StoreSettings, node: NodeSettings, app: AppSettings) -> Iterator[Finding]:
    """Look whether the ports can be had, or are had by those who should."""
    if not store.contact_points and not LocalNode(node).status().running:
        try:
            check_ports(node)
        except NodeStartError as error:
            says, _, helps = str(error).rpartition(": ")
            yield wrong("ports", says, helps)
        else:
            yield ok("ports", f"those of the local node are free ({node.cql_port}, {node.node_storage_port})")
    if app.port == 0:
        return
    where = f"{app.host}:{app.port}"
    if _listens(app.host, app.port):
        if _is_ours(app):
            yield ok("ports", f"the API answers on {where}")
        else:
            yield wrong("ports", f"something else listens on {where}", "stop it, or choose another with LOGSTV_PORT")
    else:
        yield ok("ports", f"{where} is free for the API")


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _is_ours(app: AppSettings) -> bool:
    connection = http.client.HTTPConnection(app.host, app.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return b'"alive"' in connection.getresponse().read(200)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def folders(node: NodeSettings) -> Iterator[Finding]:
    """Look whether the data folder can be written, and what lies in the spool."""
    spool = node.data_dir / "spool"
    for folder in (node.data_dir, spool):
        if why := _unwritable(folder):
            yield wrong("folders", f"{folder} cannot be written ({why})", "make it writable, or move LOGSTV_DATA_DIR")
            return
    yield ok("folders", f"{node.data_dir} and the spool in it can be written")
    yield from _spools(spool)


def _spools(folder: Path) -> Iterator[Finding]:
    states = states_in(folder)
    for state in states:
        if state.damaged:
            yield wrong(
                "spool", f"{state.path} cannot be read: {state.damaged}",
                "the next worker sets it aside; lines may be saved from it with sqlite3's .recover",
            )  # fmt: skip
        elif state.lines and not state.in_use:
            yield warning(
                "spool", f"{state.lines:,} lines ({size(state.bytes)}) are left in {state.path}, perhaps not written",
                "start a worker here, which writes them: `logstv ingest`",
            )  # fmt: skip
    aside = [path for path in sorted(folder.glob("*.damaged-*")) if not path.name.endswith(("-wal", "-shm"))]
    if aside:
        yield warning(
            "spool", f"{len(aside)} damaged files were set aside in {folder}: {some([path.name for path in aside])}",
            "save what is in them with sqlite3's .recover, then remove them",
        )  # fmt: skip
    used = sum(state.in_use for state in states)
    if not aside and not any(state.damaged or (state.lines and not state.in_use) for state in states):
        yield ok("spool", f"nothing is left over; {used} used by workers now")


async def archive(store: StoreSettings) -> list[Finding]:
    """Look whether the archive's folder can be written, or its bucket is reached."""
    url = store.archive_url
    if not url:
        return []
    if url.startswith("file://"):
        folder = Path(unquote(urlsplit(url).path))
        if why := _unwritable(folder):
            helps = "make it writable, or name another with LOGSTV_ARCHIVE_URL"
            return [wrong("archive", f"{folder} cannot be written ({why})", helps)]
        return [ok("archive", f"{folder} can be written")]
    try:
        async with asyncio.timeout(_ARCHIVE_SECONDS):
            await Objects.open(store).look()
    except (StoreError, TimeoutError) as error:
        why = str(error) or f"{url} does not answer within {_ARCHIVE_SECONDS:g} s"
        return [wrong("archive", why, "see LOGSTV_ARCHIVE_URL and the LOGSTV_ARCHIVE_S3_ settings")]
    return [ok("archive", f"{url} answers")]


def settings(store: StoreSettings, app: AppSettings) -> Iterator[Finding]:
    """Look whether the settings fit together."""
    found = list(_misfits(store))
    yield from found
    if not found:
        yield ok("settings", "those of TLS and of the login fit together")
    if not app.admin_key.get_secret_value():
        yield warning("admin key", "none is set: the admin's routes answer nobody", "set LOGSTV_ADMIN_KEY")
    else:
        yield ok("admin key", "one is set")


def _misfits(store: StoreSettings) -> Iterator[Finding]:
    password = store.password.get_secret_value()
    files = {"LOGSTV_TLS_CA": store.tls_ca, "LOGSTV_TLS_CERT": store.tls_cert, "LOGSTV_TLS_KEY": store.tls_key}
    named = [name for name, path in files.items() if path is not None]
    if named and not store.tls:
        yield wrong("settings", f"{' and '.join(named)} is set, and TLS is not spoken", "set LOGSTV_TLS=true")
    if store.tls_key is not None and store.tls_cert is None:
        yield wrong("settings", "LOGSTV_TLS_KEY is set without the certificate it belongs to", "set LOGSTV_TLS_CERT")
    for name, path in files.items():
        if path is not None and not os.access(path, os.R_OK):
            yield wrong("settings", f"{name}={path} cannot be read", "name a file that can")
    if store.username and not password:
        yield wrong("settings", "LOGSTV_USERNAME is set without a password", "set LOGSTV_PASSWORD")
    if password and not store.username:
        yield wrong("settings", "LOGSTV_PASSWORD is set without a role", "set LOGSTV_USERNAME")
    far = [host for host in store.contact_points if not host.startswith("127.") and host not in ("localhost", "::1")]
    if store.username and far and not store.tls:
        yield warning("settings", f"the password goes to {some(far)} in plain text", "set LOGSTV_TLS=true")


def environment(variables: Iterable[str] | Mapping[str, str]) -> Iterator[Finding]:
    """Look for variables that look like settings and are none."""
    unknown = sorted(name for name in variables if name.upper().startswith("LOGSTV_") and name.upper() not in KNOWN)
    for name in unknown:
        near = difflib.get_close_matches(name.upper(), KNOWN, n=1)
        yield wrong("environment", f"{name} is no setting", f"is {near[0]} meant?" if near else "unset it")
    if not unknown:
        yield ok("environment", "every LOGSTV_ variable is a setting")


def _nearest(folder: Path) -> Path:
    """Give the folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _unwritable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=_nearest(folder)):
            return ""
    except OSError as error:
        return (error.strerror or str(error)).lower()
