"""The local node of a data folder: started by the first who uses it, shared by all, stopped with the last.

Cassandra runs under `logstv.node.guard`; who uses it is known through `logstv.node.run`. The calls here block: from
asyncio, put them on a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from rich.console import Console

from logstv.errors import NodeError, NodeInUseError, NodeStartError, NodeStopError
from logstv.node import checks, config, guard, jars, java, nodetool
from logstv.node.config import Ring, Tuning
from logstv.node.run import NodeState, RunFolder
from logstv.settings import NodeSettings
from store.probe import refusal

_LOOK_SECONDS = 0.1
_GUARD_SECONDS = 15.0  # what the guard may take beyond the node's own time


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How the node of a folder is.

    Attributes:
        running: whether its process runs.
        answering: whether it answers on its CQL port.
        stopping: whether it is being stopped.
        detached: whether it stays when nobody uses it.
        used: whether somebody uses it.
        pid: of its Java; None if it does not run.
        address: where it listens.
        cql_port: for CQL.
        memory_bytes: resident; None if it does not run.
        up_seconds: since its start; None if it does not run.
        folder: where it keeps its data.
    """

    running: bool
    answering: bool
    stopping: bool
    detached: bool
    used: bool
    pid: int | None
    address: str
    cql_port: int
    memory_bytes: int | None
    up_seconds: float | None
    folder: str


class LocalNode:
    """The node of a data folder; several of these, in several processes, may stand for the same node.

    Args:
        settings: which folder, ports, heap and Java.
        ring: its place among other nodes; None: it is alone.
        console: where progress is shown; None: on standard error.
        tuning: what is different about this node.
    """

    def __init__(
        self,
        settings: NodeSettings,
        ring: Ring | None = None,
        console: Console | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self.settings = settings
        self._ring = ring
        self._tuning = tuning or Tuning()
        self._console = console or Console(stderr=True)
        self._run = RunFolder(settings.node_dir / "run")
        self._reading = checks.Reading.begin(self._logs)
        self._deadline = 0.0

    @property
    def folder(self) -> Path:
        """The node's folder."""
        return self.settings.node_dir

    @property
    def state(self) -> NodeState | None:
        """What is known of the node that runs: its processes, address and ports, which may differ from our settings."""
        return self._run.state()

    def start(self, *, detached: bool = False, wait: bool = True) -> bool:
        """Have the node run, and be one of its users until `leave`.

        Args:
            detached: let it run on when nobody uses it, until `stop`, and be no user of it.
            wait: return when it answers.

        Returns:
            Whether this started it; it may have been running.

        Raises:
            JavaError: there is no Java for it.
            JarsError: its jars cannot be fetched.
            NodeStartError: it did not start.
        """
        self._deadline = time.monotonic() + self.settings.node_start_timeout
        try:
            with self._turn():
                self._until(self._run.use, "the node that is being stopped is still there")
                started = not self._joined(wait=wait)
                if started:
                    self._launch()
                if detached:
                    self._run.detach(wanted=True)
                if started and wait:
                    self.wait_until_answering()
        except BaseException:
            self._run.leave()
            raise
        if detached:
            self._run.leave()
        return started

    def leave(self, *, wait: bool = False) -> bool:
        """Be a user of the node no more; its guard stops it when nobody is left.

        Args:
            wait: if nobody is left, return when it has stopped.

        Returns:
            Whether it was seen to have stopped.

        Raises:
            NodeStopError: it did not drain in time and was killed.
        """
        was_user = self._run.using
        self._run.leave()
        if not (wait and was_user):
            return False
        with self._turn():
            if self._run.detached or (self._run.used() and not self._is_stopping()):
                return False
            self._end()
        return True

    def stop(self, *, force: bool = False) -> bool:
        """Stop the node, whoever started it: it takes no more requests, writes what it holds to disk, and ends.

        Args:
            force: stop it even while others use it.

        Returns:
            Whether it was running.

        Raises:
            NodeInUseError: others use it.
            NodeStopError: it did not drain in time and was killed; see LOGSTV_NODE_COMMITLOG_SYNC for what that loses.
        """
        self._run.leave()
        if not self._run.runs():
            return False
        with self._turn():
            if not force and self._run.used() and not self._is_stopping():
                raise NodeInUseError(
                    "the node is in use, by `logstv up` or the like: stop that first, and the node stops with it; "
                    "or stop it under its users with --force"
                )
            self._run.detach(wanted=False)
            return self._end()

    def status(self) -> NodeStatus:
        """Say how the node is."""
        state = self._run.state()
        memory = None
        if state is not None:
            with contextlib.suppress(psutil.Error):
                memory = psutil.Process(state.pid).memory_info().rss
        return NodeStatus(
            running=self._run.runs(),
            answering=state is not None and answers(state.address, state.cql_port),
            stopping=state is not None and state.stopping,
            detached=state is not None and self._run.detached,
            used=state is not None and self._run.used(),
            pid=state.pid if state else None,
            address=state.address if state else self.settings.node_address,
            cql_port=state.cql_port if state else self.settings.cql_port,
            memory_bytes=memory,
            up_seconds=max(0.0, time.time() - state.started) if state else None,
            folder=str(self.folder),
        )

    def nodetool(self, arguments: Sequence[str], *, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run Cassandra's nodetool against the node.

        Args:
            arguments: as nodetool takes them.
            capture: keep what it prints instead of printing it.

        Raises:
            NodeError: the node does not run.
        """
        state = self._run.state()
        if state is None:
            raise NodeError(f"no node runs in {self.folder}: start it with `logstv node start`")
        program, kept = java.find(self.settings.java).path, jars.folder(self.settings, self._console)
        command = nodetool.command(program, kept, self.settings, state.jmx_port)
        return subprocess.run([*command, *arguments], check=False, text=True, capture_output=capture)

    def wait_until_answering(self) -> None:
        """Wait until the node answers on its CQL port.

        Raises:
            NodeStartError: it ended instead, or took too long.
        """
        deadline = max(self._deadline, time.monotonic() + self.settings.node_start_timeout)
        with self._console.status(f"Starting Cassandra {jars.VERSION} on {self.settings.node_address} ..."):
            while self._run.runs():
                state = self._run.state()
                if state is not None and answers(state.address, state.cql_port):
                    return
                if time.monotonic() > deadline:
                    raise NodeStartError(
                        f"Cassandra did not answer within {self.settings.node_start_timeout:.0f} s "
                        f"(LOGSTV_NODE_START_TIMEOUT); its log is {config.log_file(self.settings)}"
                    )
                time.sleep(_LOOK_SECONDS)
        ended = self._run.last_exit() or {}
        raise NodeStartError(f"Cassandra did not start: {checks.why(self._reading, self.settings, ended.get('code'))}")

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only one who starts or stops the node."""
        turn = FileLock(self.folder / "run" / "start.lock")
        try:
            self._run.make()
            turn.acquire(blocking=False)
        except Timeout:  # an OSError to Python, but none of the folder's
            # The other one may be fetching jars, which has no end that could be told beforehand.
            with self._console.status("Another logstv is starting or stopping the local node; waiting for it ..."):
                turn.acquire()
        except OSError as error:
            raise NodeStartError(checks.unwritable(self.folder, error)) from error
        try:
            yield
        finally:
            turn.release()

    def _joined(self, *, wait: bool) -> bool:
        """Join the node that runs, once it answers if that is to be waited for.

        False when none runs, or it ends meanwhile: a node that is on its way out is waited for.
        """
        while self._run.runs():
            state = self._run.state()
            if state is not None and not self._run.guarded():
                _signal(state.pid, signal.SIGTERM)  # nobody would stop it; see logstv.node.guard
            elif state is not None and not state.stopping and (not wait or answers(state.address, state.cql_port)):
                return True
            if time.monotonic() > self._deadline:
                raise NodeStartError(f"what runs in {self.folder} neither answers nor ends; see {self._logs}")
            time.sleep(_LOOK_SECONDS)
        return False

    def _launch(self) -> None:
        settings = self.settings
        checks.before_start(settings)
        found = java.find(settings.java)
        kept = jars.folder(settings, self._console)
        config.write(settings, self._ring, self._tuning)
        self._run.detach(wanted=False)
        self._reading = checks.Reading.begin(self._logs)
        spec = {
            "command": config.server_command(found.path, kept, settings, self._ring, self._tuning),
            "run": str(self._run.path),
            "cwd": str(self.folder),
            "console": str(self._logs / "java.log"),
            "stop_timeout": settings.node_stop_timeout,
            "state": {
                "started": time.time(),
                "address": settings.node_address,
                "cql_port": settings.cql_port,
                "storage_port": settings.node_storage_port,
                "jmx_port": settings.node_jmx_port,
            },
        }
        self._stand_guard(spec)

    def _stand_guard(self, spec: dict[str, object]) -> None:
        """Start the guard, which leaves us at once: in a session of its own no Ctrl-C reaches it."""
        with (self._logs / "guard.log").open("ab") as log:
            started = subprocess.run(
                [sys.executable, "-I", guard.__file__],
                input=json.dumps(spec).encode(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                check=False,
            )
        if started.returncode != 0:
            raise NodeStartError(
                f"the node's guard did not start (exit code {started.returncode}); see {self._logs / 'guard.log'}"
            )

    def _is_stopping(self) -> bool:
        state = self._run.state()
        return state is not None and state.stopping

    def _end(self) -> bool:
        """End the node and wait until it is gone; say whether there was one."""
        deadline = time.monotonic() + self.settings.node_stop_timeout + _GUARD_SECONDS
        state, told = self._run.state(), False
        if not self._run.runs():
            return False
        with self._console.status("Stopping Cassandra ..."):
            while self._run.runs() and time.monotonic() < deadline:
                state = self._run.state() or state
                if state is not None and not told:
                    _signal(state.guard_pid if self._run.guarded() else state.pid, signal.SIGTERM)
                    told = True
                time.sleep(_LOOK_SECONDS)
        killed = (self._run.last_exit() or {}).get("how") == "killed"
        if self._run.runs() and state is not None:
            _signal(state.pid, signal.SIGKILL)
            killed = True
        if killed:
            raise NodeStopError(
                f"the node did not drain within {self.settings.node_stop_timeout:.0f} s (LOGSTV_NODE_STOP_TIMEOUT) and "
                "was killed; start it again: its commit log has what it acknowledged, but perhaps for the last 0.1 s"
            )
        return True

    def _until(self, condition: Callable[[], bool], sentence: str) -> None:
        deadline = max(self._deadline, time.monotonic() + self.settings.node_stop_timeout + _GUARD_SECONDS)
        while not condition():
            if time.monotonic() > deadline:
                raise NodeStartError(f"{sentence}; see {self._logs}")
            time.sleep(_LOOK_SECONDS)

    @property
    def _logs(self) -> Path:
        return self.folder / "logs"


def answers(address: str, port: int, *, timeout: float = 2.0) -> bool:
    """Say whether a node answers there in CQL's protocol, within so many seconds."""
    return not refusal(address, port, timeout=timeout)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
