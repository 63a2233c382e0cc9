"""Programs that not every machine has."""

from __future__ import annotations

import shutil

import pytest


def required(program: str, where: str) -> str:
    """Give the path of a program; skip the test where it is not there.

    Args:
        program: its name.
        where: how it is had.
    """
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"there is no {program} here: {where}")
    return found
