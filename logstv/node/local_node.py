"""Starts, finds and stops the local Cassandra node of a data folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock
from rich.console import Console

from logstv.errors import NodeError, NodeStartError, NodeStopError
from logstv.node import config, jars, java
from logstv.node.config import Ring
from logstv.node.lease import Lease
from logstv.node.state import State
from logstv.settings import NodeSettings

_START_SECONDS = 180.0
_STOP_SECONDS = 70.0
_LOOK_SECONDS = 0.1
_FREE_BYTES = 1 << 30

# What the log or the output of a node that died says, and what to tell the user.
_SYMPTOMS = (
    (r"Address already in use|BindException|in use by another process", "one of its ports is taken"),
    (r"No space left on device", "the disk is full"),
    (r"OutOfMemoryError|Could not reserve enough space|Initial heap size", "its heap is too small or does not fit"),
    (r"UnsupportedClassVersionError|Unrecognized VM option", "this Java does not run it"),
    (r"CommitLogReplayException|CorruptSSTableException|FSReadError", "its data files are damaged"),
    (r"AccessDeniedException|Permission denied", "its folder cannot be written"),
)


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How the node of a folder is.

    Attributes:
        running: whether its process runs.
        answering: whether it answers on its CQL port.
        pid: of its Java; None if it does not run.
        address: where it listens.
        cql_port: for CQL.
        memory_bytes: resident; None if it does not run.
        folder: where it keeps its data.
    """

    running: bool
    answering: bool
    pid: int | None
    address: str
    cql_port: int
    memory_bytes: int | None
    folder: str


class LocalNode:
    """The node of a data folder; several of these, in several processes, may stand for the same node.

    Args:
        settings: which folder, ports, heap and Java.
        ring: its place among other nodes; None: it is alone.
        console: where progress is shown; None: on standard error.
    """

    def __init__(self, settings: NodeSettings, ring: Ring | None = None, console: Console | None = None) -> None:
        self.settings = settings
        self._ring = ring
        self._console = console or Console(stderr=True)
        self._lease = Lease(settings.node_dir)

    @property
    def folder(self) -> Path:
        """The node's folder."""
        return self.settings.node_dir

    def start(self, *, detached: bool = False, wait: bool = True) -> bool:
        """Have the node run, and be one of its users until `leave`.

        Args:
            detached: let it run on when nobody uses it, until `stop`.
            wait: return when it answers.

        Returns:
            Whether this started it; it may have been running.

        Raises:
            JavaError: there is no Java for it.
            JarsError: its jars cannot be fetched.
            NodeStartError: it did not start.
        """
        self._prepare_folder()
        with FileLock(self.folder / "start.lock"):
            started = State.read(self.folder) is None
            if started:
                self._spawn(detached=detached)
            elif not detached:
                self._lease.take()
        if wait:
            self.wait_until_answering()
        return started

    def leave(self) -> None:
        """Be a user of the node no more; its guard stops it when nobody is left."""
        self._lease.release()

    def stop(self) -> bool:
        """Stop the node, whoever uses it: it takes no more requests, writes what it holds to disk, and ends.

        Returns:
            Whether it was running.

        Raises:
            NodeStopError: it did not end in time and was killed; its commit log has what it had acknowledged.
        """
        self._lease.release()
        state = State.read(self.folder)
        if state is None:
            return False
        # Cassandra drains in its shutdown hook (StorageService.drainOnShutdown).
        os.kill(state.pid, signal.SIGTERM)
        if not _until(lambda: not state.is_alive(), _STOP_SECONDS):
            os.kill(state.pid, signal.SIGKILL)
            raise NodeStopError(f"the node did not stop within {_STOP_SECONDS:.0f} s and was killed; start it again: "
                                "what it had acknowledged is in its commit log")  # fmt: skip
        _until(lambda: not (self.folder / "node.json").exists() or not psutil.pid_exists(state.guard), 5)
        return True

    def status(self) -> NodeStatus:
        """Say how the node is."""
        state = State.read(self.folder)
        memory = psutil.Process(state.pid).memory_info().rss if state else None
        return NodeStatus(
            running=state is not None,
            answering=state is not None and self._answers(),
            pid=state.pid if state else None,
            address=self.settings.node_address,
            cql_port=self.settings.cql_port,
            memory_bytes=memory,
            folder=str(self.folder),
        )

    def nodetool(self, arguments: list[str], *, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run Cassandra's nodetool against the node.

        Args:
            arguments: as nodetool takes them.
            capture: keep what it prints instead of printing it.

        Raises:
            NodeError: the node does not run.
        """
        if State.read(self.folder) is None:
            raise NodeError(f"no node runs in {self.folder}: start it with `logstv node start`")
        command = config.nodetool_command(self._java(), self._jars(), self.settings, arguments)
        return subprocess.run(command, check=False, text=True, capture_output=capture)

    def wait_until_answering(self) -> None:
        """Wait until the node answers on its CQL port.

        Raises:
            NodeStartError: it ended instead, or took too long.
        """
        spinner = self._console.status(f"Starting Cassandra 5.0 on {self.settings.node_address} ...")
        with spinner:
            if _until(lambda: self._answers() or not self._alive(), _START_SECONDS) and self._alive():
                return
        if self._alive():
            raise NodeStartError(f"Cassandra did not answer within {_START_SECONDS:.0f} s; its log is {self._log}")
        self._lease.release()
        raise NodeStartError(f"Cassandra did not start: {self._diagnosis()}")

    def _prepare_folder(self) -> None:
        try:
            for name in ("logs", "tmp", "data"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise NodeStartError(
                f"the folder {self.folder} cannot be used ({error.strerror}): "
                "name another with LOGSTV_DATA_DIR, or make it writable"
            ) from error
        if free < _FREE_BYTES and State.read(self.folder) is None:
            raise NodeStartError(
                f"only {free >> 20} MiB are free where {self.folder} lies, and Cassandra needs at least "
                f"{_FREE_BYTES >> 20}: free some, or name another folder with LOGSTV_DATA_DIR"
            )

    def _spawn(self, *, detached: bool) -> None:
        java_path, jar_paths = self._java(), self._jars()
        self._check_ports()
        State.remove(self.folder)
        config.write(self.settings, self._ring)
        for stale in (self._log, self.folder / "logs" / "java.log"):
            if stale.exists():
                stale.replace(stale.with_suffix(".before.log"))
        if not detached:
            self._lease.take()
        command = config.server_command(java_path, jar_paths, self.settings, self._ring)
        guard = [sys.executable, "-m", "logstv.node.guard", str(self.folder), "detached" if detached else "leased"]
        # In a session of its own a Ctrl-C in the terminal does not reach it before its users are done.
        process = subprocess.Popen([*guard, *command], stdin=subprocess.DEVNULL, start_new_session=True)
        if not _until(lambda: State.read(self.folder) is not None or process.poll() is not None, 30):
            raise NodeStartError("the node's guard did not start it within 30 s")

    def _check_ports(self) -> None:
        wanted = {
            "LOGSTV_CQL_PORT": (self.settings.node_address, self.settings.cql_port),
            "LOGSTV_NODE_STORAGE_PORT": (self.settings.node_address, self.settings.node_storage_port),
            "LOGSTV_NODE_JMX_PORT": ("127.0.0.1", self.settings.node_jmx_port),
        }
        for setting, (address, port) in wanted.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                except OSError as error:
                    raise NodeStartError(
                        f"port {port} on {address} cannot be had ({error.strerror}): stop what uses it, "
                        f"or choose another port with {setting}"
                    ) from error

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.settings.node_address, self.settings.cql_port), timeout=1):
                return True
        except OSError:
            return False

    def _alive(self) -> bool:
        return State.read(self.folder) is not None

    @property
    def _log(self) -> Path:
        return config.log_file(self.settings)

    def _java(self) -> Path:
        return java.find(self.settings.java).path

    def _jars(self) -> list[Path]:
        return jars.jars(self.settings.cache_dir, self._console)

    def _diagnosis(self) -> str:
        """Say, from what it left behind, why the node ended."""
        texts = [_tail(self.folder / "logs" / "java.log"), _tail(self._log)]
        for pattern, meaning in _SYMPTOMS:
            if any(re.search(pattern, text) for text in texts):
                return f"{meaning}; its log is {self._log}"
        told = [line for text in texts for line in text.splitlines() if "ERROR" in line or "Error" in line]
        return f"{told[-1].strip() if told else 'its log says no more'}; its log is {self._log}"


def _tail(path: Path, size: int = 64 * 1024) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds; say whether it did in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
