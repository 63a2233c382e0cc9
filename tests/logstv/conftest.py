"""`logstv` as an operator runs it: a real process, on the tables of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store.store import Store


@pytest.fixture
def environment(store: Store, tmp_path: Path) -> dict[str, str]:
    """What a command is told of the cluster, and of where to keep what it keeps."""
    settings = store.session.settings
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGSTV_")}
    return {
        **kept,
        "LOGSTV_CONTACT_POINTS": settings.contact_points[0],
        "LOGSTV_CQL_PORT": str(settings.cql_port),
        "LOGSTV_KEYSPACE": settings.keyspace,
        "LOGSTV_DATA_DIR": str(tmp_path),
    }


@pytest.fixture
def logstv(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end; further settings by name."""

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "logstv", *arguments]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True, timeout=120, check=False)

    return run
