"""`logstv archive` as an operator runs it, against the Cassandra of this run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from support import lines

from store.keys import MS_IN_DAY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def environment(environment: dict[str, str], folder: Path) -> dict[str, str]:
    return environment | {"LOGSTV_ARCHIVE_URL": folder.as_uri()}


async def test_days_are_exported_shown_verified_and_recorded_anew(logstv, store, folder, tmp_path):
    said = [
        lines.privmsg(f"line {number}", number=number, sent_ms=lines.EVENING_MS + number * MS_IN_DAY // 4)
        for number in range(8)
    ]
    path = tmp_path / "chat.irc"
    path.write_text("\n".join(said))
    assert logstv("replay", "--retention", "0", str(path)).returncode == 0
    shown = json.loads(logstv("archive", "show", "--json").stdout)
    assert [(each["login"], each["days"], each["due"]) for each in shown] == [
        ("moonbase", 0, ["2026-03-01", "2026-03-02", "2026-03-03"])
    ]
    exported = logstv("archive", "run", "--once")
    assert (exported.returncode, exported.stdout) == (0, "3 days with 8 lines were exported.\n"), exported.stderr
    files = sorted(folder.rglob("*.gz"))
    assert [str(file.relative_to(folder)) for file in files] == [
        f"9001/2026/3/{day}/channel.txt.gz" for day in (1, 2, 3)
    ]
    assert "".join(gzip.decompress(file.read_bytes()).decode() for file in files).splitlines() == said
    (shown,) = json.loads(logstv("archive", "show", "--json").stdout)
    assert (shown["days"], shown["lines"], shown["first"], shown["last"]) == (3, 8, "2026-03-01", "2026-03-03")
    assert "moonbase" in logstv("archive", "show").stdout
    assert logstv("archive", "verify").stdout == "3 days with 8 lines are sound.\n"
    damaged = bytearray(files[1].read_bytes())
    damaged[-3] ^= 1
    files[1].write_bytes(bytes(damaged))
    found = logstv("archive", "verify")
    assert found.returncode == 1
    assert found.stdout.startswith("2026-03-02 of channel 9001: ")
    assert found.stdout.endswith("2 days with 4 lines are sound, 1 are not.\n")
    again = logstv("archive", "reindex", "--channel-id", "9001")
    assert again.returncode == 1
    assert "2 days with 4 lines are recorded, 1 are not." in again.stdout


def test_an_archive_that_is_not_set_or_cannot_be_is_a_sentence(logstv):
    told = logstv("archive", "run", "--once", LOGSTV_ARCHIVE_URL="")
    assert (told.returncode, told.stderr) == (
        1,
        "logstv: no archive is set: name one with LOGSTV_ARCHIVE_URL, as in file:///var/lib/logstv/archive\n",
    )
    told = logstv("archive", "run", "--once", LOGSTV_ARCHIVE_URL="/var/lib")
    assert told.returncode == 1
    assert "LOGSTV_ARCHIVE_URL=/var/lib: an archive is named by a URL that begins with file:///" in told.stderr
    told = logstv("archive", "verify", LOGSTV_ARCHIVE_URL="file:///dev/null/x")
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "cannot be opened" in told.stderr
