"""Stands between the node and those who use it, so that no way of dying leaves a node behind or hurts its files.

A program of its own, run by path and with the standard library alone: it starts Java, holds the lock that says
"a node runs on this folder" (and hands it to Java, so that the lock tells the truth even when the guard is killed),
and stops Java gently when it is told to, or when nobody uses the node any more. Who uses the node holds a shared
lock on `run/users`, which the kernel lets go however the user dies.

When the guard itself is killed, Linux sends Java SIGTERM, on which Cassandra drains. macOS does not: there the
node stays until the next start or stop finds it without a guard and ends it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ALREADY_RUNS = 3
_LOOK_SECONDS = 0.25
_PR_SET_PDEATHSIG = 1


def lock(path: Path, kind: int) -> int | None:
    """Take a lock without waiting; None when others are in the way. The lock lasts as long as the descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def written(path: Path, content: dict[str, Any]) -> None:
    """Write a small JSON file so that readers see the old one or the new one."""
    passing = path.with_suffix(".new")
    passing.write_text(json.dumps(content), encoding="utf-8")
    passing.replace(path)


class Guard:
    """Looks after one Java."""

    def __init__(self, spec: dict[str, Any], alive: int) -> None:
        self._run = Path(spec["run"])
        self._own = lock(self._run / "guard", fcntl.LOCK_EX)  # let go by the kernel when this process ends
        self._spec = spec
        self._alive = alive
        self._told = False
        self._state: dict[str, Any] = {}
        self._waker, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def stand(self) -> None:
        """Start Java, and stay until it has ended."""
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        with Path(self._spec["console"]).open("ab") as console:
            java = subprocess.Popen(
                self._spec["command"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=self._spec["cwd"],
                pass_fds=[self._alive],
                preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 - this process has one thread
            )
        self._state = {**self._spec["state"], "pid": java.pid, "guard_pid": os.getpid(), "stopping": False}
        written(self._run / "state.json", self._state)
        how = self._watch(java)
        ended = {"pid": java.pid, "code": java.returncode, "how": how, "at": time.time()}
        written(self._run / "last_exit.json", ended)
        (self._run / "state.json").unlink(missing_ok=True)

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True

    def _watch(self, java: subprocess.Popen[bytes]) -> str:
        users = None
        while java.poll() is None:
            if users is None and not (self._run / "detached").exists():
                users = lock(self._run / "users", fcntl.LOCK_EX)
            if self._told or users is not None:
                return self._end(java)
            self._pause()
        return "died"

    def _end(self, java: subprocess.Popen[bytes]) -> str:
        """Ask Java to drain and stop; kill it when it takes too long."""
        written(self._run / "state.json", {**self._state, "stopping": True})
        deadline = time.monotonic() + float(self._spec["stop_timeout"])
        java.send_signal(signal.SIGTERM)
        java.send_signal(signal.SIGCONT)  # in case someone froze it
        while java.poll() is None and time.monotonic() < deadline:
            self._pause()
        if java.returncode is not None:
            return "drained"
        java.kill()
        java.wait()
        return "killed"

    def _pause(self) -> None:
        if select.select([self._waker], [], [], _LOOK_SECONDS)[0]:
            os.read(self._waker, 512)


def _dying_with(guard: int) -> Callable[[], None]:
    """Give what Java's process does before it becomes Java: it asks for SIGTERM at the death of the guard."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def ask() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != guard:
            os._exit(1)

    return ask


def main() -> None:
    """Read what to run from standard input, leave the starter behind, and stand guard."""
    spec = json.load(sys.stdin)
    alive = lock(Path(spec["run"]) / "alive", fcntl.LOCK_EX)
    if alive is None:
        sys.exit(ALREADY_RUNS)
    if os.fork():
        os._exit(0)
    with contextlib.suppress(FileNotFoundError):
        (Path(spec["run"]) / "last_exit.json").unlink()
    Guard(spec, alive).stand()


if __name__ == "__main__":
    main()
