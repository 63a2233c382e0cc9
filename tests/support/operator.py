"""An operator who keeps a copy of the CQL files and edits it, and what the cluster says of the tables."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import schema as files
from store import schema_lock
from store.settings import StoreSettings

Cql = Callable[..., list[Any]]
"""Carries out a statement with its values, and gives its rows."""

ALL_TABLES = {table.name for table in files.load()}
_NUMBERS = itertools.count(1)


class Tuned:
    """A keyspace of its own, and an operator's copy of the CQL files to edit."""

    def __init__(self, settings: StoreSettings, folder: Path) -> None:
        self.folder = Path(shutil.copytree(files.FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__")))
        keyspace = f"test_schema_{os.getpid()}_{next(_NUMBERS)}"
        self.settings = settings.model_copy(update={"keyspace": keyspace, "schema_dir": self.folder})

    def edit(self, table: str, old: str, new: str) -> None:
        path = self.folder / f"{table}.cql"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")


def options_of(cql: Cql, tuned: Tuned, table: str) -> Any:
    return cql(
        "SELECT * FROM system_schema.tables WHERE keyspace_name = %s AND table_name = %s",
        tuned.settings.keyspace,
        table,
    )[0]


def tables_of(cql: Cql, keyspace: str) -> set[str]:
    rows = cql("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", keyspace)
    return {row.table_name for row in rows} - {schema_lock.TABLE}
