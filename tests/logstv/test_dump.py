from __future__ import annotations

import gzip
import sys

import orjson
import pyarrow.parquet
import pytest
from support import lines

from logstv.dump import Form, dumping
from logstv.errors import CommandError
from store.message import Message
from store.moderation import By, Removal

ODD = lines.privmsg("caf\udce9", number=2, user_id=502, login="bo_nord", sent_ms=lines.EVENING_MS + 1)
SAID = [Message.parse(line) for line in (lines.privmsg("hello"), ODD, lines.clearchat(None))]
REMOVED = {SAID[0].position: Removal(next(iter(By)), lines.EVENING_MS + 5)}


def test_ndjson_is_what_the_api_gives_and_is_compressed_by_its_name(tmp_path):
    path = tmp_path / "log.ndjson.gz"
    with dumping(path, Form.NDJSON) as dump:
        dump.add(SAID[:1], REMOVED)
        dump.add(SAID[1:], {})
        assert not path.exists()
    rows = [orjson.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert [row["type"] for row in rows] == ["privmsg", "privmsg", "clearchat"]
    assert rows[0]["raw"] == SAID[0].line
    assert "deleted" in rows[0]
    assert rows[1]["text"] == "caf\ufffd"


def test_parquet_comes_back_byte_for_byte(tmp_path):
    path = tmp_path / "log.parquet"
    with dumping(path, Form.PARQUET) as dump:
        dump.add(SAID, REMOVED)
        for _ in range(3):
            dump.add(SAID * 4000, {})
    file = pyarrow.parquet.ParquetFile(path)
    assert file.num_row_groups == 2
    rows = file.read_row_group(0).slice(0, 3).to_pylist()
    assert [row["raw"].decode("utf-8", "surrogateescape") for row in rows] == [message.line for message in SAID]
    assert [row["sent"] for row in rows] == [str(message.sent) for message in SAID]
    assert [(row["login"], row["user_id"]) for row in rows] == [("ada_lift", 501), ("bo_nord", 502), (None, None)]
    assert rows[0]["timestamp"].isoformat() == "2026-03-01T21:30:00+00:00"
    assert (rows[0]["deleted_by"], rows[1]["deleted_by"]) == (REMOVED[SAID[0].position].by.value, None)
    assert dict(rows[0]["tags"])["color"] == "#1E90FF"
    assert file.metadata.num_rows == 3 + 3 * 12_000


@pytest.mark.parametrize("form", Form)
def test_what_was_broken_off_leaves_nothing_and_what_was_there_stays(tmp_path, form):
    path = tmp_path / "log"
    path.write_text("before")

    def write():
        with dumping(path, form) as dump:
            dump.add(SAID, {})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [each.name for each in tmp_path.iterdir()] == ["log"]
    assert path.read_text() == "before"


def test_what_cannot_be_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(CommandError, match=r"read from its end: name one with --output"), dumping(None, Form.PARQUET):
        pass
    with (
        pytest.raises(CommandError, match="cannot be written: No such file"),
        dumping(tmp_path / "no/log", Form.NDJSON),
    ):
        pass
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CommandError, match="pip install 'logstv"), dumping(tmp_path / "log", Form.PARQUET):
        pass
    assert list(tmp_path.iterdir()) == []
