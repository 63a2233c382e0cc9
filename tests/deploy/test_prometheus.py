from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
RULES = [
    rule
    for group in yaml.safe_load((HERE.parents[1] / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_what_the_processes_show(rule, exposed):
    assert exposed.lacks(rule["expr"], *rule["annotations"].values()) == []
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize(
    ("expression", "shown", "lacking"),
    [
        ("rate(logstv_ingest_line_received_total[5m])", "", ["logstv_ingest_line_received_total"]),
        ('logstv_http_requests_total{code="500"}', "", ["logstv_http_requests_total{code}"]),
        ("sum by (path) (logstv_http_requests_total)", "", ["path"]),
        ("logstv_ingest_spool_alarm", "{{ $labels.disk }}", ["disk"]),
    ],
)
def test_what_is_not_there_is_found(expression, shown, lacking, exposed):
    assert exposed.lacks(expression, shown) == lacking


def test_every_rule_is_seen_to_fire():
    cases = (HERE / "alerts.yml").read_text()
    assert [rule["alert"] for rule in RULES if f"alertname: {rule['alert']}\n" not in cases] == []


def test_prometheus_takes_the_configuration_and_the_rules_do_what_they_say(promtool, deploy):
    for arguments in (
        ["check", "config", deploy / "prometheus/prometheus.yml"],
        ["test", "rules", HERE / "alerts.yml"],
    ):
        run = subprocess.run([promtool, *arguments], check=False, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_has_its_page_and_no_page_is_of_another():
    page = (HERE.parents[1] / "docs" / "alarms.md").read_text()
    assert re.findall(r"^## (Logstv\w+)$", page, re.MULTILINE) == [rule["alert"] for rule in RULES]
