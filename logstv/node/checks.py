"""What is looked at before a node is started, and what its log says after it died: one sentence each."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from logstv.errors import NodeStartError
from logstv.settings import NodeSettings

_TAIL_BYTES = 64 * 1024
_WELL = re.compile(r"\S+ (?:INFO|DEBUG) ")


def before_start(settings: NodeSettings) -> None:
    """Look whether the machine can take the node.

    Raises:
        NodeStartError: the data folder cannot be written, the disk is nearly full, or a port is taken.
    """
    _check_folder(settings.node_dir)
    _check_room(settings)
    check_ports(settings)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NodeStartError(unwritable(folder, error)) from error


def unwritable(folder: Path, error: OSError) -> str:
    """Say that a node's folder cannot be written."""
    reason = error.strerror or error
    return f"the folder {folder} cannot be written ({reason}): make it writable, or name another with LOGSTV_DATA_DIR"


def _check_room(settings: NodeSettings) -> None:
    free = shutil.disk_usage(settings.node_dir).free >> 20
    least = settings.node_min_free
    if free < least:
        raise NodeStartError(
            f"the disk of {settings.node_dir} has {free} MiB left, and the node is started with {least} MiB or "
            "more: make room, move LOGSTV_DATA_DIR, or lower LOGSTV_NODE_MIN_FREE"
        )


def check_ports(settings: NodeSettings) -> None:
    """Look whether the node's ports can be had.

    Raises:
        NodeStartError: one is taken, or two are the same.
    """
    wanted = (
        (settings.node_address, settings.cql_port, "LOGSTV_CQL_PORT"),
        (settings.node_address, settings.node_storage_port, "LOGSTV_NODE_STORAGE_PORT"),
        ("127.0.0.1", settings.node_jmx_port, "LOGSTV_NODE_JMX_PORT"),
    )
    seen: dict[int, str] = {}
    for address, port, setting in wanted:
        if port in seen:
            raise NodeStartError(f"{setting} and {seen[port]} are both {port}: give each a port of its own")
        seen[port] = setting
        _check_port(address, port, setting)


def _check_port(address: str, port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == getattr(os, "EADDRNOTAVAIL", 99):
                raise NodeStartError(f"{address} is no address of this machine: see LOGSTV_NODE_ADDRESS") from error
            raise NodeStartError(
                f"port {port} of {address} is taken{_taker(port)}: "
                f"stop what listens there, or choose another with {setting}"
            ) from error


def _taker(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:2] == (port,) and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass  # macOS tells this to root only
    return ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the logs ended before a start, so that only what came after is read."""

    console: Path
    system: Path
    console_size: int
    system_size: int

    @classmethod
    def begin(cls, folder: Path) -> Reading:
        """Note where the logs end now."""
        console, system = folder / "java.log", folder / "system.log"
        return cls(console, system, _size(console), _size(system))

    def text(self) -> str:
        """Give what came since, at most the last 64 KiB of each log, without what it says when all is well."""
        lines = (_since(self.system, self.system_size) + _since(self.console, self.console_size)).splitlines()
        return "\n".join(line for line in lines if not _WELL.match(line))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _since(path: Path, start: int) -> str:
    size = _size(path)
    if size < start:  # it was rolled over
        start = 0
    if size == 0:
        return ""
    with path.open("rb") as file:
        file.seek(max(start, size - _TAIL_BYTES))
        return file.read().decode(errors="replace")


_CAUSES = (
    (
        r"No space left on device|insufficient disk space|Insufficient disk space",
        "the disk of {data_dir} is full: make room, or move LOGSTV_DATA_DIR",
    ),
    (
        r"Address already in use|Failed to bind port|is in use by another process|Port already in use",
        "one of its ports was taken while it started ({ports}): stop what listens there, or choose others",
    ),
    (
        r"java\.lang\.OutOfMemoryError|Could not reserve enough space|Too small \w+ heap|Cannot allocate memory",
        "it had not enough memory with a heap of {heap}: give it more with LOGSTV_NODE_HEAP, or free some",
    ),
    (
        r"CommitLogReplayException|CommitLogReadException|Could not read commit log",
        (
            "a file of its commit log is damaged: move the one that {log} names out of {folder}/commitlog and start "
            "again, which loses what was written to it and not yet flushed"
        ),
    ),
    (
        r"CorruptSSTableException",
        "a file of its tables is damaged: {log} names it",
    ),
    (
        r"UnsupportedClassVersionError|Unrecognized VM option|Unsupported java version|Unrecognized option",
        "its Java is none that Cassandra 5.0 runs on: name a Java 17 or 11 with LOGSTV_JAVA",
    ),
    (
        r"Permission denied|AccessDeniedException",
        "it may not read or write a file in {folder}: {log} names it",
    ),
)


def why(reading: Reading, settings: NodeSettings, code: int | None) -> str:
    """Say in a sentence why a node died, from its logs and its exit code."""
    text = reading.text()
    known = {
        "data_dir": settings.data_dir,
        "folder": settings.node_dir,
        "log": reading.system,
        "heap": settings.node_heap,
        "ports": f"LOGSTV_CQL_PORT={settings.cql_port}, LOGSTV_NODE_STORAGE_PORT={settings.node_storage_port}, "
        f"LOGSTV_NODE_JMX_PORT={settings.node_jmx_port}",
    }
    for pattern, sentence in _CAUSES:
        if re.search(pattern, text):
            return sentence.format(**known)
    if code in (-9, 137):
        return "it was killed from outside: by hand, or by the kernel, which does that when memory runs out"
    errors = re.findall(
        r"^\S+ (?:ERROR|FATAL) \w+: (.+)$|^(?:Error:|Caused by:|Exception.*?:) ?(.+)$", text, re.MULTILINE
    )
    words = next((first or second for first, second in reversed(errors)), "")
    last = words or next((line for line in reversed(text.splitlines()) if line.strip()), "it left no word")
    return f"{last.strip()} (exit code {code}; its log is {reading.system})"
