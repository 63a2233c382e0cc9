"""The documentation names what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from app.service import create_app
from app.settings import AppSettings
from logstv.command import app as command
from logstv.health.machine import KNOWN
from logstv.settings import ROOMS
from store.settings import StoreSettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("room", ROOMS)
def test_every_setting_is_documented_and_described(room):
    page = (ROOT / "docs" / "settings.md").read_text()
    for name, field in room.model_fields.items():
        assert f"`LOGSTV_{name.upper()}`" in page
        assert field.description


def test_no_setting_is_documented_that_is_not_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert set(re.findall(r"LOGSTV_[A-Z0-9_]+", page.read_text())) <= KNOWN, page.name


def test_every_route_is_in_the_api_guide():
    page = (ROOT / "docs" / "api.md").read_text()
    compatible = (ROOT / "docs" / "compatibility.md").read_text()
    for path, methods in create_app(StoreSettings(), AppSettings()).openapi()["paths"].items():
        if all(operation["tags"] == ["compatible"] for operation in methods.values()):
            shown = path.replace("{channel_by}/{channel}", "channel/{c}").replace("{user_by}/{user}", "user/{u}")
            assert f"`{shown.replace('{user_id}', '{id}')}" in compatible, path
        else:
            assert path in page, path


def commands(group: Any, name: str = "logstv") -> Iterator[tuple[str, Any]]:
    """Walk the tree of commands: the words of each, and the command; groups come before what is in them."""
    for each in group.commands.values():
        yield f"{name} {each.name}", each
        if hasattr(each, "commands"):
            yield from commands(each, f"{name} {each.name}")


COMMANDS = dict(commands(typer.main.get_command(command)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_stands_in_the_docs(name):
    each, page = COMMANDS[name], (ROOT / "docs" / "commands.md").read_text()
    assert each.help
    _, heading, rest = page.partition(f"# `{name}`\n")
    assert heading
    section = " ".join(re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0].split())
    assert " ".join(each.help.split()) in section
    if hasattr(each, "commands"):
        return
    assert each.epilog.startswith("Example: ")
    assert name in each.epilog
    assert each.epilog.removeprefix("Example: ") in section
    for param in each.params:
        if "--help" not in param.opts:
            assert param.help
            assert param.help.rstrip() in section
            assert all(f"`{option}`" in section for option in param.opts if option.startswith("-"))


def test_no_command_is_documented_that_is_not_there():
    page = (ROOT / "docs" / "commands.md").read_text()
    assert set(re.findall(r"^##+ `(logstv .+)`$", page, re.MULTILINE)) == COMMANDS.keys()


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name.split()[-1] in ("list", "show", "status", "diff", "workers", "doctor")]
)
def test_whatever_lists_or_shows_does_so_for_scripts(name):
    assert any("--json" in param.opts for param in COMMANDS[name].params)


def test_every_library_is_in_the_list_of_dependencies():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    for required in re.findall(r'^    "([a-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.MULTILINE):
        assert required in page, required


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
