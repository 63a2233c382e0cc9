"""`logstv doctor`: what it finds wrong with a machine, its folders and its settings, and what it says helps."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings import AppSettings
from ingest.settings import IngestSettings
from ingest.source import ReceivedLine
from ingest.spool_file import SpoolFile
from logstv.health import machine
from logstv.health.finding import Finding, Level
from logstv.settings import NodeSettings
from store.settings import StoreSettings


def level_of(findings: list[Finding], says: str) -> Level:
    [found] = [each for each in findings if says in each.says]
    return found.level


async def test_each_check_is_a_line_with_what_helps(store, logstv):
    told = await asyncio.to_thread(logstv, "doctor", LOGSTV_CONTACT_POINT="10.0.0.1")
    assert told.returncode == 1, told.stdout + told.stderr
    lines = told.stdout.splitlines()
    assert "wrong    environment  LOGSTV_CONTACT_POINT is no setting -> is LOGSTV_CONTACT_POINTS meant?" in lines
    assert "ok       schema       the tables are as the files say" in lines
    assert all(line.split()[0] in ("ok", "warning", "wrong") for line in lines)
    well = await asyncio.to_thread(logstv, "doctor", "--json")
    assert well.returncode == 0, well.stdout
    names = {each["check"] for each in json.loads(well.stdout)}
    assert names >= {"python", "disk", "ports", "folders", "spool", "admin key", "cluster", "clocks", "schema",
                     "replicas", "archive", "environment"}  # fmt: skip
    assert all(each["helps"] for each in json.loads(well.stdout) if each["level"] != "ok")


async def test_settings_that_make_no_sense_are_all_named(store, logstv):
    told = await asyncio.to_thread(logstv, "doctor", LOGSTV_KEYSPACE="Bad-Name", LOGSTV_PORT="many")
    assert told.returncode == 1
    assert "wrong    settings     LOGSTV_KEYSPACE=Bad-Name: a keyspace is named with" in told.stdout
    assert "wrong    settings     LOGSTV_PORT=many: " in told.stdout


def test_what_lies_in_the_spool_is_told(tmp_path):
    node, spool = NodeSettings(data_dir=tmp_path), tmp_path / "spool"
    used, left = SpoolFile(spool / "spool-1.sqlite"), SpoolFile(spool / "spool-2.sqlite")
    left.change([[ReceivedLine("a line", 1, None, 0)] * 3], [])
    left.close()
    (spool / "spool-3.sqlite").write_bytes(b"no database" * 1000)
    (spool / "spool-1.damaged-17").write_bytes(b"")
    found = list(machine.folders(node))
    used.close()
    assert level_of(found, "3 lines") is Level.WARNING
    assert level_of(found, "spool-3.sqlite cannot be read: file is not a database") is Level.WRONG
    assert level_of(found, "1 damaged files were set aside") is Level.WARNING
    assert not [each for each in found if "spool-1.sqlite" in each.says]
    assert "1 used by workers" not in str(found)


def test_folders_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert [each.level for each in machine.folders(NodeSettings(data_dir=tmp_path / "file" / "data"))] == [Level.WRONG]
    assert [each.level for each in machine.folders(NodeSettings(data_dir=tmp_path / "new"))] == [Level.OK] * 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("url", "level", "says"),
    [
        ("file:///{folder}/file/archive", Level.WRONG, "cannot be written"),
        ("file:///{folder}/archive", Level.OK, "can be written"),
        ("memory:///", Level.OK, "answers"),
        ("s3://logs/chat", Level.WRONG, "s3://logs/chat"),
    ],
)
async def test_an_archive_that_cannot_be_had_is_told(tmp_path, unused_port, monkeypatch, url, level, says):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(machine, "_ARCHIVE_SECONDS", 0.5)
    settings = StoreSettings(
        archive_url=url.format(folder=str(tmp_path).lstrip("/")),
        archive_s3_endpoint=f"http://127.0.0.1:{unused_port}",
        archive_s3_access_key_id="key",
        archive_s3_secret_access_key=SecretStr("secret"),
    )
    assert level_of(await machine.archive(settings), says) is level


def test_settings_that_do_not_fit_are_told():
    app = AppSettings(admin_key=SecretStr("secret"))
    odd = StoreSettings(contact_points=("10.0.0.1",), username="logstv", tls_ca=Path("/nowhere/ca.pem"))
    found = list(machine.settings(odd, app))
    assert level_of(found, "LOGSTV_TLS_CA is set, and TLS is not spoken") is Level.WRONG
    assert level_of(found, "LOGSTV_TLS_CA=/nowhere/ca.pem cannot be read") is Level.WRONG
    assert level_of(found, "LOGSTV_USERNAME is set without a password") is Level.WRONG
    assert level_of(found, "in plain text") is Level.WARNING
    assert all(each.level is Level.OK for each in machine.settings(StoreSettings(), app))
    assert level_of(list(machine.settings(StoreSettings(), AppSettings())), "none is set") is Level.WARNING


def test_a_port_that_another_has_is_told(unused_port):
    store, node = StoreSettings(contact_points=("10.0.0.1",)), NodeSettings()
    app = AppSettings(port=unused_port)
    assert level_of(list(machine.ports(store, node, app)), "is free for the API") is Level.OK
    with socket.create_server(("127.0.0.1", unused_port)):
        assert level_of(list(machine.ports(store, node, app)), "something else listens on") is Level.WRONG


def test_a_disk_with_too_little_room_is_told(tmp_path):
    node, ingest = NodeSettings(data_dir=tmp_path), IngestSettings(spool_mebibytes=1)
    assert level_of(list(machine.disk(node, IngestSettings(spool_mebibytes=10**12))), "the spool may grow") is (
        Level.WARNING
    )
    assert (
        level_of(list(machine.disk(node.model_copy(update={"node_min_free": 10**12}), ingest)), "free") is Level.WRONG
    )


def test_java_is_looked_for_only_where_a_node_is_to_run():
    node = NodeSettings(java="/nowhere/java")
    assert [each.check for each in machine.programs(StoreSettings(contact_points=("10.0.0.1",)), node)] == ["python"]
    [_, java] = machine.programs(StoreSettings(contact_points=()), node)
    assert (java.check, java.level) == ("java", Level.WRONG)
