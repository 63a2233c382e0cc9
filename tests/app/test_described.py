"""Every route is asked what its description allows and what it does not, and its answers are held against it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.patience import PATIENCE_SECONDS

_SECONDS = 15.0
_LEAST = 5  # questions to a route, also on a machine on which they take longer
_ENDLESS = ("/v1/channels/{channel}/live",)
_THERE = {"channel": "moonbase", "user": "ada_lift", "login": "ada_lift"}
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def ask(operation, mode, base_url: str, seconds: float) -> int:
    """Ask one route until the time is over, but a few times, half of them of what is there; give how often."""
    until = 0.0
    asked = 0

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case) -> None:
        nonlocal asked, until
        until = until or time.monotonic() + seconds  # making the first question can take a second
        if asked < _LEAST or time.monotonic() < until:
            if asked % 2:
                case.path_parameters.update({name: _THERE[name] for name in case.path_parameters if name in _THERE})
            response = case.call(base_url=base_url, timeout=PATIENCE_SECONDS)
            case.validate_response(response, checks=_CHECKS)
            asked += 1

    with suppress(Unsatisfiable):  # nothing can be wrong with a route that takes any text
        one()
    return asked


def ask_all(document: dict, mode, base_url: str) -> list[int]:
    found = [each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations()]
    asked = [each for each in found if each.path not in _ENDLESS and (each.query or each.path_parameters)]
    return [ask(operation, mode, base_url, _SECONDS / len(asked)) for operation in asked]


# The service takes from `random` as well, while the questions are made in another thread.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
async def test_answers_are_as_described_whatever_is_asked(client, mode):
    document = (await client.get("/openapi.json")).json()
    asked = await asyncio.to_thread(ask_all, document, mode, str(client.base_url))
    assert sum(asked) > 100
