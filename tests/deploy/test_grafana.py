from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "logstv.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_the_processes_show(panel, exposed):
    assert panel["description"]
    for target in panel["targets"]:
        assert exposed.lacks(target["expr"], target["legendFormat"]) == []


def test_what_is_not_a_panel_asks_for_what_is_there_too(exposed):
    for annotation in DASHBOARD["annotations"]["list"]:
        assert exposed.lacks(annotation["expr"]) == []
    (query,) = [each["definition"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert exposed.lacks(query.removeprefix("label_values(").removesuffix(", instance)")) == []


def test_panels_lie_beside_each_other():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = [
        {(x, y) for x, y in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))}
        for at in (panel["gridPos"] for panel in DASHBOARD["panels"])
    ]
    assert sum(map(len, taken)) == len(set().union(*taken))
    assert max(x for cells in taken for x, _ in cells) < 24


def test_every_metric_of_ours_is_on_the_dashboard_or_in_a_rule(exposed, deploy):
    asked = (GRAFANA / "logstv.json").read_text() + (deploy / "prometheus" / "alerts.yml").read_text()
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in exposed.labels if name.startswith("logstv_")}
    # What is no sign of anything by itself is in the log once a minute.
    told = {f"logstv_ingest_source_{name}_total" for name in ("lines", "strays", "ignored", "too_long")}
    told |= {"logstv_ingest_rows_written_total"}
    assert {name for name in ours - told if name not in asked and not name.endswith("_created")} == set()


def test_grafana_finds_the_dashboard_and_prometheus():
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/logstv.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
