"""Fetches Cassandra's jars from Maven Central once, and finds them again."""

from __future__ import annotations

import contextlib
import logging
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.env import EnvironmentBuilder, LinkStrategy
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from logstv.errors import JarsError

CASSANDRA = "org.apache.cassandra:cassandra-all:5.0.9"

_EXPECTED_BYTES = 69_000_000  # the 100 jars of 5.0.9; only the bar's length depends on it
_SECONDS = 60

Report = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Called with a file's name and size; entered for the download, it gives what is called with each piece's bytes."""


def jars(cache_dir: Path, console: Console | None = None) -> list[Path]:
    """Give the jars that Cassandra runs on; fetch what is missing, with a progress bar.

    Args:
        cache_dir: where they are kept.
        console: where the bar is drawn; None: on standard error.

    Raises:
        JarsError: they cannot be fetched or kept.
    """
    listing = cache_dir / f"{CASSANDRA.replace(':', '-')}.txt"
    if (found := _listed(listing)) is not None:
        return found
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / "jars.lock"):
            if (found := _listed(listing)) is not None:
                return found
            _drop_halves(cache_dir)
            with _bar(console or Console(stderr=True)) as report:
                found = _fetch(cache_dir, report)
            # Written last: a listing that is there names jars that are whole.
            listing.write_text("\n".join(map(str, found)))
            return found
    except OSError as error:
        raise JarsError(
            f"Cassandra's jars could not be fetched into {cache_dir} ({type(error).__name__}: {error}). "
            "They come from Maven Central the first time: see that it can be reached and the disk has 200 MB free, "
            "then start again; what is there already is kept"
        ) from error
    except RuntimeError as error:
        raise JarsError(f"Cassandra's jars could not be resolved: {error}") from error


def _listed(listing: Path) -> list[Path] | None:
    """Give the jars of an earlier fetch, if all of them are still there."""
    if not listing.is_file():
        return None
    found = [Path(line) for line in listing.read_text().splitlines() if line]
    return found if found and all(path.is_file() for path in found) else None


def _drop_halves(cache_dir: Path) -> None:
    """Remove jars whose download was cut off, which the resolver would take for whole."""
    for jar in cache_dir.rglob("*.jar"):
        if not zipfile.is_zipfile(jar):
            jar.unlink()


def _fetch(cache_dir: Path, report: Report) -> list[Path]:
    # It warns of optional dependencies of dependencies that it leaves out.
    logging.getLogger("jgo").setLevel(logging.ERROR)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=report),
        repo_cache=cache_dir / "maven",
        remote_repos={"central": MAVEN_CENTRAL_URL},
        timeout=_SECONDS,
    )
    builder = EnvironmentBuilder(context=context, cache_dir=cache_dir / "jgo", link_strategy=LinkStrategy.AUTO)
    environment = builder.from_endpoint(CASSANDRA)
    # jgo sorts them into jars/ and modules/; its own class path names only the first.
    return sorted(Path(jar) for jar in environment.all_jars)


@contextlib.contextmanager
def _bar(console: Console) -> Iterator[Report]:
    columns = (TextColumn("Fetching Cassandra 5.0.9"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[jar]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("jars", total=_EXPECTED_BYTES, jar="")

        @contextlib.contextmanager
        def report(name: str, _size: int) -> Iterator[Callable[[int], None]]:
            progress.update(task, jar=name)
            yield lambda count: progress.advance(task, count)

        yield report
