from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from cassandra.cluster import Session as DriverSession

import schema
from store.session import cluster_of
from store.settings import StoreSettings

Run = Callable[..., subprocess.CompletedProcess[str]]
KEYSPACE = f"test_command_{os.getpid()}"


@pytest.fixture
def session(cluster_settings: StoreSettings) -> Iterator[DriverSession]:
    cluster = cluster_of(cluster_settings)
    session = cluster.connect()
    yield session
    session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=30)
    cluster.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's copy of the CQL files."""
    return Path(shutil.copytree(schema.FOLDER, tmp_path / "schema"))


@pytest.fixture
def logstv(cluster_settings: StoreSettings, session: DriverSession, folder: Path) -> Run:
    environment = os.environ | {
        "LOGSTV_CONTACT_POINTS": cluster_settings.contact_points[0],
        "LOGSTV_CQL_PORT": str(cluster_settings.cql_port),
        "LOGSTV_KEYSPACE": KEYSPACE,
        "LOGSTV_SCHEMA_DIR": str(folder),
    }

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "logstv", "schema", *arguments]
        return subprocess.run(command, env=environment | changes, capture_output=True, text=True, check=False)

    return run


def test_tuning_is_editing_a_file_and_applying_it(logstv: Run, folder: Path) -> None:
    planned = logstv("apply", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.startswith(f"-- the keyspace {KEYSPACE} is missing\nCREATE KEYSPACE IF NOT EXISTS ")
    assert planned.stdout.count(";\n") == 1 + len(schema.load())
    applied = logstv("apply")
    assert applied.returncode == 0, applied.stderr
    assert "settled: the table channel_messages is missing\n" in applied.stdout
    assert logstv("apply").stdout == "Nothing to do: the tables are as the files say.\n"
    assert logstv("diff").returncode == 0

    path = folder / "channel_messages.cql"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("default_time_to_live = 7776000", "default_time_to_live = 86400"), encoding="utf-8")
    what = "channel_messages: default_time_to_live is 7776000, the file says 86400"
    shown = logstv("diff")
    assert (shown.returncode, shown.stdout) == (1, what + "\n")
    listed = logstv("diff", "--json")
    assert listed.returncode == 1
    assert orjson.loads(listed.stdout) == [
        {
            "table": "channel_messages",
            "what": what,
            "cql": f"ALTER TABLE {KEYSPACE}.channel_messages WITH default_time_to_live = 86400",
            "refused": False,
        }
    ]
    assert logstv("apply").stdout == f"settled: {what}\n"

    path.write_text(text.replace("(sent ASC)", "(sent DESC)"), encoding="utf-8")
    assert "(the schema is not applied while this stands)" in logstv("diff").stdout
    for arguments in (("apply",), ("apply", "--dry-run")):
        refused = logstv(*arguments)
        assert refused.returncode == 1
        assert refused.stderr.startswith("logstv: channel_messages.sent has another place or direction in the key")

    path.write_text("DROP TABLE channel_messages", encoding="utf-8")
    broken = logstv("diff")
    assert broken.returncode == 2
    assert "line 1: 'DROP' stands where CREATE should" in broken.stderr


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LOGSTV_KEYSPACE", "1st", "a keyspace is named with a-z, 0-9 and _"),
        ("LOGSTV_KEYSPACE", "Logs", "a keyspace is named with a-z, 0-9 and _"),
        ("LOGSTV_TABLE_PREFIX", "a-", "a table prefix is made of a-z, 0-9 and _"),
        ("LOGSTV_REPLICATION", "3", "replication is datacenters with a number of replicas each, as in dc1:3"),
        ("LOGSTV_REPLICATION", "dc1:0", "replication is datacenters with a number of replicas each, as in dc1:3"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(logstv: Run, name: str, value: str, sentence: str) -> None:
    done = logstv("apply", **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"logstv: {name}={value}: {sentence}")
