"""What an expression of PromQL asks for, held against what processes show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

ADDED = {"job", "instance"}
"""Labels that Prometheus puts on whatever it reads."""

_ENDS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(slots=True)
class Exposed:
    """The names of samples, each with its labels."""

    labels: dict[str, set[str]] = field(default_factory=lambda: {"up": set(), "ALERTS": {"alertname", "alertstate"}})

    def read(self, text: str) -> None:
        """Take in what a process answers to Prometheus; what was counted nothing of has a name and no labels yet."""
        for family in text_string_to_metric_families(text):
            for end in _ENDS.get(family.type, ("",)):
                self.labels.setdefault(family.name + end, set())
            for sample in family.samples:
                self.labels.setdefault(sample.name, set()).update(sample.labels)

    def lacks(self, expression: str, *shown: str) -> list[str]:
        """Give what an expression asks for that is not there.

        Args:
            expression: PromQL; Grafana's interval counts as five minutes.
            shown: texts that name labels of what comes out, as `{{label}}` or `{{ $labels.label }}`.
        """
        named = _Named()
        promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), named.visit)
        there = ADDED | named.made
        missing = []
        for name, asked in named.selected:
            if name not in self.labels:
                missing.append(name)
                continue
            there |= self.labels[name]
            missing += [f"{name}{{{label}}}" for label in asked - self.labels[name] - ADDED]
        for text in shown:
            named.grouped |= set(re.findall(r"\{\{(?: \$labels\.)?(\w+) ?\}\}", text))
        return missing + sorted(named.grouped - there)


class _Named:
    """The names that stand in an expression."""

    def __init__(self) -> None:
        self.selected: list[tuple[str, set[str]]] = []
        self.grouped: set[str] = set()
        self.made: set[str] = set()

    def visit(self, node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            self.selected.append((node.name, {matcher.name for matcher in node.matchers.matchers}))
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            self.grouped |= set(node.modifier.labels)
        elif isinstance(node, promql_parser.Call) and node.func.name == "label_replace":
            self.made.add(node.args[1].val)
        return True
