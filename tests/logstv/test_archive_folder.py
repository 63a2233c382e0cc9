from __future__ import annotations

import pytest

from logstv.settings import store_settings


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    for name in ("CONTACT_POINTS", "ARCHIVE_URL"):
        monkeypatch.delenv(f"LOGSTV_{name}", raising=False)
    monkeypatch.setenv("LOGSTV_DATA_DIR", str(tmp_path))


def test_beside_the_local_node_the_archive_is_a_folder(tmp_path):
    assert store_settings().archive_url == (tmp_path / "archive").as_uri()


def test_with_a_cluster_or_a_url_it_is_what_is_set(monkeypatch):
    monkeypatch.setenv("LOGSTV_ARCHIVE_URL", "s3://logs/chat")
    assert store_settings().archive_url == "s3://logs/chat"
    monkeypatch.setenv("LOGSTV_CONTACT_POINTS", "10.0.0.1")
    monkeypatch.setenv("LOGSTV_ARCHIVE_URL", "")
    assert store_settings().archive_url == ""
