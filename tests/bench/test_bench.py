"""The measurements and drills are run by hand: that they can be is held here."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
SCRIPTS = sorted(
    ".".join(path.relative_to(BENCH.parent).with_suffix("").parts)
    for path in BENCH.rglob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_finds_what_it_takes_from_elsewhere(name):
    assert importlib.import_module(name).__doc__


def test_make_runs_them_all():
    makefile = (BENCH.parent / "Makefile").read_text()
    drills = makefile.partition("for drill in ")[2].partition("; do")[0].replace('"', " ").split()
    run = {name for name in SCRIPTS if name.rpartition(".")[2] not in ("ground", "browser", "chat", "pictures")}
    by_make = {f"bench.drills.{name}" for name in drills}
    by_make |= {name for name in run if f"-m {name} " in makefile}
    assert run - by_make == set()
