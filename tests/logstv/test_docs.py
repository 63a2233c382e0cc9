"""The documentation names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from app.service import create_app
from app.settings import AppSettings
from logstv.__main__ import app as command
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


def test_every_command_has_help_with_an_example():
    def commands(group: typer.main.TyperGroup, name: str):
        for each in group.commands.values():
            if hasattr(each, "commands"):
                yield from commands(each, f"{name} {each.name}")
            else:
                yield f"{name} {each.name}", each

    for name, each in commands(typer.main.get_command(command), "logstv"):
        assert each.help, name
        assert name in (each.epilog or ""), name


def test_every_library_is_in_the_list_of_dependencies():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    for required in re.findall(r'^    "([a-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.MULTILINE):
        assert required in page, required


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
