"""What a check found: whether it is well, what is so, and what helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad something is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name.
        level: how bad it is.
        says: what is so.
        helps: the command or setting that helps; empty where nothing has to.
    """

    check: str
    level: Level
    says: str
    helps: str = ""


def ok(check: str, says: str) -> Finding:
    """Say that something is well."""
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, helps: str) -> Finding:
    """Say that something may become wrong, or could be better."""
    return Finding(check, Level.WARNING, says, helps)


def wrong(check: str, says: str, helps: str) -> Finding:
    """Say that something is wrong."""
    return Finding(check, Level.WRONG, says, helps)


def is_well(findings: Iterable[Finding]) -> bool:
    """Say whether nothing is wrong; warnings do not count."""
    return all(found.level is not Level.WRONG for found in findings)
