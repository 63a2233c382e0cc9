"""Watches over the node's Java: it stops with its users, whatever becomes of them.

Run as `python -m logstv.node.guard FOLDER COMMAND...`, in a session of its own. It starts the command, writes who it is
into the state file, and stops it gently once nobody holds a lease, or when asked to. Should the guard itself be killed,
the kernel stops the node (Linux); elsewhere the node then runs on, and the next start finds it by its state file.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from logstv.node.lease import Lease
from logstv.node.state import State

_LOOK_SECONDS = 1.0
_STOP_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main(folder: Path, detached: bool, command: list[str]) -> int:
    """Run the command until it ends, is asked to stop, or (unless detached) nobody uses it."""
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (folder / "logs" / "java.log").open("ab") as output:
        # Between fork and exec the child runs one system call and nothing of Python's that could hang.
        java = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_die_with_parent,  # noqa: PLW1509
        )
    state = State.of_process(java.pid)
    if state is not None:
        state.write(folder)
    lease = Lease(folder)
    while java.poll() is None:
        if asked or (not detached and lease.take_if_unused()):
            java.terminate()
            break
        time.sleep(_LOOK_SECONDS)
    try:
        java.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        java.kill()
        java.wait()
    State.remove(folder)
    lease.release()
    return java.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] == "detached", sys.argv[3:]))
