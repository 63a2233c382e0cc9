from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from logstv.errors import JarsError
from logstv.node import jars
from logstv.node.jars import Jar
from logstv.settings import NodeSettings

CONTENTS = {name: name.encode() * 40_000 for name in ("engine", "gears", "wheels")}
JARS = tuple(
    Jar("example.made.up", name, "1.0", "", len(content), hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
)

# jgo leaves closing its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass
class Repository:
    """A Maven repository on this machine, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def repository() -> Iterator[Repository]:
    about = Repository(files={f"/example/made/up/{n}/1.0/{n}-1.0.jar": content for n, content in CONTENTS.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".jar"):
                about.asked.append(self.path.rpartition("/")[2])
            content = about.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path in about.torn else content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        about.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield about
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def settings(tmp_path: Path, repository: Repository) -> NodeSettings:
    return NodeSettings(cache_dir=tmp_path, maven_url=repository.url)


def fetch(settings: NodeSettings, shown: StringIO | None = None) -> dict[str, bytes]:
    folder = jars.folder(settings, Console(file=shown or StringIO()), JARS)
    return {path.name: path.read_bytes() for path in folder.glob("*.jar")}


def test_jars_are_fetched_once_and_then_the_network_is_not_asked(
    settings: NodeSettings, repository: Repository
) -> None:
    shown = StringIO()
    found = fetch(settings, shown)
    assert found == {f"{name}-1.0.jar": content for name, content in CONTENTS.items()}
    assert "3 jars" in shown.getvalue()
    assert sorted(repository.asked) == sorted(found)
    away = settings.model_copy(update={"maven_url": "http://127.0.0.1:1"})
    assert fetch(away) == found


def test_a_fetch_that_was_cut_off_goes_on_with_what_is_missing(settings: NodeSettings, repository: Repository) -> None:
    repository.torn.add("/example/made/up/gears/1.0/gears-1.0.jar")
    with pytest.raises(JarsError, match=r"gears-1\.0\.jar"):
        fetch(settings)
    kept = settings.cache_dir / f"cassandra-{jars.VERSION}"
    assert not (kept / "gears-1.0.jar").exists()
    whole = {path.name for path in kept.glob("*.jar")}
    (kept / "coming").mkdir(exist_ok=True)
    (kept / "coming" / "gears-1.0.jar").write_bytes(b"left by a process that was killed")
    repository.torn.clear()
    repository.asked.clear()
    assert len(fetch(settings)) == len(JARS)
    assert not whole & set(repository.asked)


def test_a_jar_that_was_lost_or_cut_is_fetched_again(settings: NodeSettings, repository: Repository) -> None:
    fetch(settings)
    kept = settings.cache_dir / f"cassandra-{jars.VERSION}"
    (kept / "gears-1.0.jar").write_bytes(CONTENTS["gears"][:1000])
    repository.asked.clear()
    assert fetch(settings)["gears-1.0.jar"] == CONTENTS["gears"]
    assert repository.asked == ["gears-1.0.jar"]


def test_another_jar_than_the_listed_one_is_refused(settings: NodeSettings, repository: Repository) -> None:
    repository.files["/example/made/up/wheels/1.0/wheels-1.0.jar"] = b"w" * len(CONTENTS["wheels"])
    with pytest.raises(JarsError, match=r"gave a wheels-1\.0\.jar that is not the one"):
        fetch(settings)
    assert not (settings.cache_dir / f"cassandra-{jars.VERSION}" / "complete").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"])
def test_without_a_network_one_sentence_says_what_is_needed(settings: NodeSettings, url: str) -> None:
    away = settings.model_copy(update={"maven_url": url})
    with pytest.raises(JarsError) as caught:
        fetch(away)
    assert "could not be fetched" in str(caught.value)
    assert "LOGSTV_MAVEN_URL" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_list_names_each_jar_once_with_its_digest() -> None:
    listed = jars.listed()
    assert len({jar.name for jar in listed}) == len(listed)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in listed)
    assert f"cassandra-all-{jars.VERSION}.jar" in {jar.name for jar in listed}
