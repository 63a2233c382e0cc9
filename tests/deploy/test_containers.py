from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest
import typer
import yaml
from support.programs import required
from support.settings import NAMES

from app.settings import AppSettings
from logstv.command import app as command

PROFILES = ("three", "s3", "metrics")
PINNED = r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w.-]+)?"


@pytest.fixture(scope="module")
def services(root) -> dict:
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def dockerfile(root) -> list[list[str]]:
    """The instructions of the Dockerfile, each in words."""
    text = (root / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def instructions(dockerfile: list[list[str]], name: str) -> list[list[str]]:
    return [words[1:] for words in dockerfile if words[0] == name]


def test_the_compose_file_is_one(root):
    arguments = ["--builtin-schema", "vendor.compose-spec", root / "docker-compose.yml"]
    run = subprocess.run([sys.executable, "-m", "check_jsonschema", *arguments], check=False, capture_output=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("profiles", [(), *((each,) for each in PROFILES), PROFILES])
def test_compose_takes_it_with_each_profile(profiles, root):
    docker = required("docker", "it comes with Docker")
    if subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("this docker has no compose")
    chosen = [word for each in profiles for word in ("--profile", each)]
    arguments = ["compose", "--env-file", root / "deploy/compose/example.env", *chosen, "config", "--quiet"]
    run = subprocess.run([docker, *arguments], check=False, cwd=root, capture_output=True)
    assert run.returncode == 0, run.stderr


def test_every_image_is_one_version(services, dockerfile):
    for name, service in services.items():
        assert re.fullmatch(PINNED, service["image"]), name
    for image, *_ in instructions(dockerfile, "FROM"):
        assert re.fullmatch(PINNED, image)


def test_only_what_exists_is_waited_for(services):
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            optional = set(services[other].get("profiles", [])) - set(service.get("profiles", []))
            assert how.get("required", True) == (not optional), (name, other)
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]


def test_what_is_mounted_is_there(services, root):
    volumes = set(yaml.safe_load((root / "docker-compose.yml").read_text())["volumes"])
    mounted = set()
    for service in services.values():
        for source, target, *mode in (each.split(":") for each in service.get("volumes", [])):
            if source.startswith("."):
                assert (root / source).exists()
                assert (target.startswith("/"), mode) == (True, ["ro"])
            else:
                mounted.add(source)
    assert mounted == volumes


def test_every_setting_in_it_is_one(services, dockerfile, root):
    given = {name for service in services.values() for name in service.get("environment", {})}
    given |= {word.partition("=")[0] for words in instructions(dockerfile, "ENV") for word in words}
    assert {name for name in given if name.startswith("LOGSTV_")} <= NAMES
    written = (root / "docker-compose.yml").read_text()
    for name in re.findall(r"^#?([A-Z0-9_]+)=", (root / "deploy/compose/example.env").read_text(), re.MULTILINE):
        assert name == "COMPOSE_PROFILES" or f"${{{name}:-" in written, name


def test_every_command_in_it_is_one(services, dockerfile):
    groups = typer.main.get_command(command)
    ours = [service["command"] for service in services.values() if service["image"].startswith("logstv:")
            if "command" in service]  # fmt: skip
    (image,) = instructions(dockerfile, "CMD")
    for first, *more in [*ours, [word.strip('[",]') for word in image]]:
        found = groups.commands[first]
        assert not more or more[0] in found.commands


def test_the_image_holds_all_of_it_and_is_nobodys(dockerfile, root):
    copied = [words[:-1] for words in instructions(dockerfile, "COPY") if not words[0].startswith("--from")]
    sources = {source for words in copied for source in words}
    packages = set(
        tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert packages <= sources
    let_through = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sources:
        assert (root / source).exists()
        assert any(fnmatch(source, pattern) for pattern in let_through), source
    assert instructions(dockerfile, "USER") == [["10001:10001"]]
    assert all("--require-hashes" in words for words in instructions(dockerfile, "RUN") if "-r" in words)


def test_who_is_asked_for_metrics_is_there(services, deploy):
    jobs = yaml.safe_load((deploy / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    asked = {name: found["port"] for job in jobs for found in job["dns_sd_configs"] for name in found["names"]}
    metrics_port = services["ingest"]["environment"]["LOGSTV_METRICS_ADDRESS"].rpartition(":")[2]
    assert asked == {"ingest": int(metrics_port), "api": AppSettings.model_fields["port"].default}


def test_grafana_finds_the_dashboard_where_it_is_mounted(services, deploy):
    (provider,) = yaml.safe_load((deploy / "grafana/provisioning/dashboards/logstv.yml").read_text())["providers"]
    mounts = [each.split(":")[1] for each in services["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/logstv.json" in mounts
    assert services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounts


def test_the_object_store_and_its_client_agree(deploy):
    garage = tomllib.loads((deploy / "compose" / "garage.toml").read_text())["s3_api"]
    example = (deploy / "compose" / "example.env").read_text()
    assert f"LOGSTV_ARCHIVE_S3_REGION={garage['s3_region']}\n" in example
    assert f"LOGSTV_ARCHIVE_S3_ENDPOINT=http://garage:{garage['api_bind_addr'].rpartition(':')[2]}\n" in example
