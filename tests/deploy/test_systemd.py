from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from support.programs import required
from support.settings import NAMES

from logstv.command import app as command
from store.settings import StoreSettings

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"), key=lambda path: path.name)
MOST_EXPOSED = 20  # tenths: systemd-analyze gives 0 to what may do nothing, and 10 to what may do anything


@pytest.fixture
def installed(tmp_path) -> list[Path]:
    """The units as they would be, had logstv been installed where these tests run; of a template its first worker."""
    found = []
    for unit in UNITS:
        path = tmp_path / unit.name.replace("@.", "@1.")
        path.write_text(unit.read_text().replace("/opt/logstv/bin/", f"{Path(sys.executable).parent}/"))
        found.append(path)
        (tmp_path / unit.name).write_text(path.read_text())
    return found


def analyzed(*arguments: object) -> None:
    analyze = required("systemd-analyze", "it comes with systemd")
    run = subprocess.run([analyze, *map(str, arguments)], check=False, capture_output=True, text=True)
    if "unrecognized option" in run.stderr or "Unknown command verb" in run.stderr:
        pytest.skip("this systemd-analyze is from before version 250")
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


def test_systemd_takes_the_units(installed):
    analyzed("verify", "--man=no", *installed)


@pytest.mark.parametrize("number", range(len(UNITS)), ids=[unit.stem for unit in UNITS])
def test_a_unit_may_do_little(installed, number):
    analyzed("security", "--no-pager", "--offline=yes", f"--threshold={MOST_EXPOSED}", installed[number])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_command_and_gives_it_time_to_end(unit):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    first, *more = parsed["Service"]["ExecStart"].split()[1:]
    found = typer.main.get_command(command).commands[first]  # type: ignore[attr-defined]
    assert not more or more[0] in found.commands
    assert parsed["Service"]["User"] == "logstv"
    handover_and_draining = 15 + 10
    assert int(parsed["Service"]["TimeoutStopSec"]) > (handover_and_draining if first in ("ingest", "up") else 5)


def test_every_setting_in_them_is_one():
    for path in SYSTEMD.iterdir():
        assert set(re.findall(r"LOGSTV_\w+", path.read_text())) <= NAMES, path.name


def test_the_environment_that_comes_with_them_is_taken(monkeypatch):
    text = (SYSTEMD / "logstv.env").read_text()
    for name, value in re.findall(r"^#?(LOGSTV_\w+)=(.*)$", text, re.MULTILINE):
        monkeypatch.setenv(name, value)
    assert StoreSettings().replication == "datacenter1:3"
