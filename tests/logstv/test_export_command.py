"""`logstv import` and `logstv export` as an operator runs them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from support.imports import DAY_MS, RECENT_MS, put_day, said


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return environment | {"LOGSTV_ARCHIVE_URL": (tmp_path / "archive").as_uri()}


async def test_what_was_taken_in_is_exported_over_both_tiers(logstv, store, tmp_path):
    old, recent = said(DAY_MS, 6, 0), said(RECENT_MS, 4, 50)
    put_day(tmp_path / "logs", DAY_MS, [*old, "no line"])
    put_day(tmp_path / "logs", RECENT_MS, recent, packed=True)
    taken = logstv("import", "justlog", str(tmp_path / "logs"), "--jobs", "1")
    assert taken.returncode == 0, taken.stderr
    assert taken.stderr.lstrip().startswith(
        "2 days, or months of users: 6 lines archived, 4 written to Cassandra.\n1 lines have"
    )
    assert "unread.ndjson" in taken.stderr
    whole = logstv("export", "--channel", "moonbase")
    assert whole.stderr.lstrip() == "10 lines exported.\n"
    assert [json.loads(line)["raw"] for line in whole.stdout.splitlines()] == [*old, *recent]
    path = tmp_path / "log.ndjson.gz"
    asked = ("--channel", "id:9001", "--user", "id:501", "--from", str(DAY_MS + 2000), "-o", str(path))
    assert logstv("export", *asked, "--to", str(RECENT_MS + 1)).returncode == 0
    raw = [json.loads(line)["raw"] for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert raw == [old[2], old[4], recent[0]]
    table = tmp_path / "user.parquet"
    assert logstv("export", "--user", "ada_lift", "-o", str(table)).returncode == 0
    rows = pyarrow.parquet.read_table(table).to_pylist()
    assert {row["user_id"] for row in rows} <= {501, 502}
    assert {row["channel_login"] for row in rows} == {"moonbase"}


def test_what_cannot_be_exported_or_taken_in_is_a_sentence(logstv, store, tmp_path):
    assert logstv("export").stderr.startswith("logstv: name a channel or a user: --channel forsen")
    told = logstv("export", "--channel", "nobody", "-o", str(tmp_path / "x"))
    assert told.returncode == 1
    assert "no channel 'nobody' has a log here" in told.stderr
    assert not (tmp_path / "x").exists()
    told = logstv("import", "overrustle", str(tmp_path))
    assert told.returncode == 1
    assert "chatlog/{Month Year}/{YYYY-MM-DD}.txt, plain or compressed" in told.stderr
