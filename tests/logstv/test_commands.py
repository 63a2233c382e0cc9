"""The commands as a user runs them: real processes, against the Cassandra of this run."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from support import lines
from support.patience import PATIENCE_SECONDS

from store.session import cluster_of
from store.settings import StoreSettings

LOGSTV = [sys.executable, "-m", "logstv"]


@pytest.fixture(scope="module")
def keyspaces(cluster_settings: StoreSettings) -> Iterator[list[str]]:
    """Those that commands may make; they are dropped in the end, since the cluster may be one that stays."""
    made: list[str] = []
    yield made
    cluster = cluster_of(cluster_settings)
    session = cluster.connect()
    for keyspace in made:
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)
    cluster.shutdown()


@pytest.fixture
def environment(
    cluster_settings: StoreSettings, tmp_path: Path, unused_port: int, keyspaces: list[str]
) -> dict[str, str]:
    """The environment of a command that works in a keyspace and folder of its own."""
    keyspaces.append(f"command_{time.time_ns()}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGSTV_")}
    return {
        **kept,
        "LOGSTV_CONTACT_POINTS": cluster_settings.contact_points[0],
        "LOGSTV_CQL_PORT": str(cluster_settings.cql_port),
        "LOGSTV_KEYSPACE": keyspaces[-1],
        "LOGSTV_DATA_DIR": str(tmp_path),
        "LOGSTV_PORT": str(unused_port),
    }


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*LOGSTV, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


class Up:
    """`logstv up` as a process, and what it says."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [*LOGSTV, "up", *arguments], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def wait_for(self, wanted: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(wanted, line):
                return found[1]
        raise AssertionError("".join(self.said))

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=60)
        self.said.append(rest)
        return self.process.returncode


def until(ask):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def http():
    with httpx2.Client(timeout=PATIENCE_SECONDS) as client:
        yield client


def test_up_ends_with_the_address_of_a_log_that_grows_and_stops_cleanly(environment, http):
    up = Up(environment, "--demo", "--rate", "20")
    try:
        root = up.wait_for(r"logstv is up: (http://\S+)")
        address = up.wait_for(r"the log of demo:\s+(\S+)").partition("?")[0]
        chat = int(up.wait_for(r"nc -q1 127\.0\.0\.1 (\d+)"))

        def log(**params):
            answer = http.get(address, params=params)
            return answer.json()["messages"] if answer.status_code == 200 else []

        first = until(lambda: log(limit=1))
        until(lambda: log(limit=1) != first)
        with socket.create_connection(("127.0.0.1", chat)) as visitor:
            visitor.sendall(b"NICK visitor\r\nPRIVMSG #demo :is anyone there?\r\n")
            found = until(lambda: [message for message in log(limit=20) if message["user"]["login"] == "visitor"])
            assert found[0]["text"] == "is anyone there?"

        def read_now():
            channels = http.get(f"{root}/v1/channels").json()["channels"]
            return {each["login"] for each in channels if each["reading"]}

        until(lambda: read_now() == {"demo", "moonbase"})
    finally:
        code = up.stop()
    assert code == 0, "".join(up.said)
    assert "Traceback" not in "".join(up.said)


def test_a_file_replayed_by_two_at_once_and_again_is_the_same_log(environment, tmp_path):
    path = tmp_path / "chat.irc"
    said = [lines.privmsg(f"line {n}", number=n, sent_ms=lines.EVENING_MS + n) for n in range(2000)]
    path.write_text("\n".join([*said, "PING :x"]))
    command = [*LOGSTV, "replay", "--retention", "0", str(path)]
    two = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in two:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        assert "2,000 lines written." in told
        assert "1 lines that are no chat" in told
    assert "2,000 lines written." in run(environment, "replay", "--retention", "0", path).stderr
    up = Up(environment, "--channel", "moonbase")
    try:
        root = up.wait_for(r"logstv is up: (http://\S+)")
        stream = until(lambda: _stream(f"{root}/v1/channels/moonbase/messages?order=asc&format=ndjson"))
        assert [json.loads(record)["raw"] for record in stream] == said
    finally:
        up.stop(signal.SIGTERM)


def _stream(url: str) -> list[str]:
    answer = httpx2.get(url, timeout=PATIENCE_SECONDS)
    return answer.text.rstrip("\n").split("\n") if answer.status_code == 200 else []


def test_old_lines_are_not_thrown_away_without_a_word(environment, tmp_path):
    path = tmp_path / "chat.irc"
    path.write_text(lines.privmsg("long ago", sent_ms=1_500_000_000_000))
    told = run(environment, "replay", path)
    assert told.returncode == 0
    assert "1 lines have no place: it is older than the retention." in told.stderr
    assert "--retention 0" in told.stderr
    assert "1 lines written." in run(environment, "replay", "--shift-to-now", path).stderr


def test_a_taken_port_is_a_sentence(environment, unused_port):
    with socket.create_server(("127.0.0.1", unused_port)):
        told = run(environment, "up", "--demo")
    assert told.returncode == 1
    assert f"port {unused_port} on 127.0.0.1 cannot be had" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ingest", "--channel", "no spaces"), "is no channel"),
        (("replay", "/nowhere.irc"), "/nowhere.irc cannot be read"),
        (("replay", "--retention", "soon", __file__), "'soon' is no duration"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(environment, arguments, sentence):
    told = run(environment, *arguments)
    assert told.returncode == 1
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("LOGSTV_KEYSPACE", "Bad-Name", "a keyspace is named with"),
        ("LOGSTV_REPLICATION", "three", "as in dc1:3"),
        ("LOGSTV_CQL_PORT", "99999", "less than or equal to 65535"),
        ("LOGSTV_CONSISTENCY", "MOST", "a consistency level is one of"),
    ],
)
def test_a_setting_that_makes_no_sense_is_a_sentence(environment, setting, value, sentence):
    told = run({**environment, setting: value}, "schema", "diff")
    assert told.returncode == 1
    assert setting in told.stderr
    assert sentence in told.stderr


def test_the_schema_is_shown_and_applied_from_the_command(environment):
    before = run(environment, "schema", "diff")
    assert before.returncode == 1
    assert "is missing" in before.stdout
    assert run(environment, "schema", "apply").returncode == 0
    after = run(environment, "schema", "diff", "--json")
    assert (after.returncode, json.loads(after.stdout)) == (0, [])
