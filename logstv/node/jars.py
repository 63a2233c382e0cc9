"""Cassandra's jars: fetched once from a Maven repository, checked by size and SHA-256, kept in the cache.

What is to be fetched stands in `cassandra.jars`, one jar a line, so that every machine runs the same bytes and a
second start never asks the network. `python -m logstv.node.jars` resolves that list anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from logstv.errors import JarsError
from logstv.settings import NodeSettings

VERSION = "5.0.9"
ENDPOINT = f"org.apache.cassandra:cassandra-all:{VERSION}"
_LIST = Path(__file__).with_name("cassandra.jars")
_CONNECTIONS = 6
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar: where it lies in a Maven repository, and what it must be."""

    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    sha256: str

    @classmethod
    def parse(cls, line: str) -> Jar:
        """Read a line of the list: `group:artifact:version[:classifier] bytes sha256`."""
        coordinates, size, sha256 = line.split()
        group, artifact, version, *classifier = coordinates.split(":")
        return cls(group, artifact, version, "".join(classifier), int(size), sha256)

    @property
    def name(self) -> str:
        """The file's name."""
        return "-".join(part for part in (self.artifact, self.version, self.classifier) if part) + ".jar"

    @property
    def repository_path(self) -> Path:
        """The file's path in a Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, self.name)

    def is_whole(self, path: Path) -> bool:
        """Say whether a file is this jar, to the byte."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def listed() -> tuple[Jar, ...]:
    """Give the jars that Cassandra needs."""
    lines = _LIST.read_text(encoding="utf-8").splitlines()
    return tuple(Jar.parse(line) for line in lines if line and not line.startswith("#"))


def folder(settings: NodeSettings, console: Console | None = None, jars: tuple[Jar, ...] | None = None) -> Path:
    """Give the folder that holds Cassandra's jars and no others; fetch those that are not here, with a progress bar.

    A jar gets its name only when it is whole, and the set counts as whole only when a marker, written last, says so:
    a fetch that was cut off goes on where it was.

    Args:
        settings: where they are kept, and fetched from.
        console: where the bar is drawn; None: on standard error.
        jars: what is to be there; None: what `cassandra.jars` lists.

    Raises:
        JarsError: a jar is not here and could not be fetched, or is not what it should be.
    """
    jars = listed() if jars is None else jars
    kept = settings.cache_dir / f"cassandra-{VERSION}"
    if _complete(kept, jars):
        return kept
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.cache_dir / "jars.lock"):
            if not _complete(kept, jars):
                missing = [jar for jar in jars if not jar.is_whole(kept / jar.name)]
                _Fetch(settings, kept).run(missing, console or Console(stderr=True))
                (kept / "complete").write_text(_digest(jars), encoding="ascii")
    except OSError as error:
        raise JarsError(
            f"Cassandra's jars cannot be kept in {kept} ({error}): make room, or name another with LOGSTV_CACHE_DIR"
        ) from error
    return kept


def are_there(settings: NodeSettings) -> bool:
    """Say whether all jars are here already."""
    return _complete(settings.cache_dir / f"cassandra-{VERSION}", listed())


def _complete(kept: Path, jars: tuple[Jar, ...]) -> bool:
    try:
        return (kept / "complete").read_text(encoding="ascii") == _digest(jars) and all(
            (kept / jar.name).stat().st_size == jar.size for jar in jars
        )
    except OSError:
        return False


def _digest(jars: tuple[Jar, ...]) -> str:
    return hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()


@contextmanager
def _bar(console: Console, jars: int, size: int) -> Iterator[Callable[[int, int], None]]:
    """Show how much has come; gives what is called with more jars, and more bytes."""
    if not console.is_terminal:
        console.print(f"Fetching Cassandra {VERSION}, once: {jars} jars, {size / 2**20:.0f} MiB.", soft_wrap=True)
        yield lambda _jars, _size: None
        return
    columns = (
        TextColumn("Fetching Cassandra, once: {task.fields[come]} of {task.fields[jars]} jars"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=size, come=0, jars=jars)
        come = 0

        def advance(more_jars: int, more_bytes: int) -> None:
            nonlocal come
            come += more_jars
            progress.update(task, advance=more_bytes, come=come)

        yield advance


class _Fetch:
    """Brings jars into a folder, several at a time."""

    def __init__(self, settings: NodeSettings, kept: Path) -> None:
        self._kept = kept
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - see _download

        self._url = settings.maven_url or MAVEN_CENTRAL_URL
        self._staging = kept / "coming"
        self._given_up = threading.Event()

    def run(self, jars: list[Jar], console: Console) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        lock = threading.Lock()
        with (
            _bar(console, len(jars), sum(jar.size for jar in jars)) as advance,
            ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="jars") as pool,
        ):

            def locked(more_jars: int, more_bytes: int) -> None:
                if self._given_up.is_set():
                    raise JarsError("the fetch of Cassandra's jars was given up")
                with lock:
                    advance(more_jars, more_bytes)

            fetches = [pool.submit(self._bring, jar, locked) for jar in jars]
            try:
                for fetch in fetches:
                    fetch.result()
            except BaseException:
                self._given_up.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        shutil.rmtree(self._staging, ignore_errors=True)

    def _bring(self, jar: Jar, advance: Callable[[int, int], None]) -> None:
        from jgo.constants import default_maven_repo  # noqa: PLC0415 - see _download

        target = self._kept / jar.name
        ours = default_maven_repo() / jar.repository_path
        if jar.is_whole(ours):
            self._staging.mkdir(exist_ok=True)
            shutil.copyfile(ours, self._staging / jar.name)
            (self._staging / jar.name).replace(target)
            advance(1, jar.size)
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                path = self._download(jar, advance)
            except (
                OSError,
                RuntimeError,
            ) as error:  # requests' errors are OSErrors, jgo's "not found" is a RuntimeError
                if attempt < _ATTEMPTS and isinstance(error, OSError):
                    continue
                raise JarsError(
                    f"Cassandra's jar {jar.name} could not be fetched from {self._url}; the first start needs a "
                    f"network, or a Maven repository named by LOGSTV_MAVEN_URL ({_reason(error)})"
                ) from error
            if not jar.is_whole(path):
                raise JarsError(
                    f"{self._url} gave a {jar.name} that is not the one this version was made with; "
                    "try again, or name another repository with LOGSTV_MAVEN_URL"
                )
            path.replace(target)
            advance(1, 0)
            return

    def _download(self, jar: Jar, advance: Callable[[int, int], None]) -> Path:
        # jgo takes 9 MiB, which only those pay who fetch something.
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

        come = 0

        @contextmanager
        def progress(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            def update(more: int) -> None:
                nonlocal come
                come += more
                advance(0, more)

            yield update

        context = MavenContext(
            resolver=PythonResolver(progress_callback=progress),
            repo_cache=self._staging / f"{jar.name}.{os.getpid()}",
            remote_repos={"central": self._url.rstrip("/")},
            timeout=_TIMEOUT_SECONDS,
        )
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier)
        try:
            path: Any = artifact.resolve()
        except BaseException:
            # jgo would take the torn file for whole.
            shutil.rmtree(context.repo_cache, ignore_errors=True)
            if come and not self._given_up.is_set():
                advance(0, -come)
            raise
        return Path(path)


def _reason(error: Exception) -> str:
    """Give the innermost cause, which says more than what wraps it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error)


def _resolve() -> None:
    """Write the list anew, from what the Maven repository says Cassandra needs."""
    import jgo  # noqa: PLC0415 - see _download

    lines = []
    for artifact in jgo.resolve(ENDPOINT):
        content = artifact.resolve().read_bytes()
        parts = (artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier)
        lines.append(f"{':'.join(filter(None, parts))} {len(content)} {hashlib.sha256(content).hexdigest()}\n")
    head = [line for line in _LIST.read_text(encoding="utf-8").splitlines(keepends=True) if line.startswith("#")]
    _LIST.write_text("".join(head + sorted(lines)), encoding="utf-8")


if __name__ == "__main__":
    _resolve()
