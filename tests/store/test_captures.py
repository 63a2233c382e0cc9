"""The real captures, where they lie beside the project: every line comes back byte for byte."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from store.message import Message

CAPTURES = Path(__file__).parents[3] / "shared" / "data"
FILES = ["busy-channel-2019.irc.gz", "one-user-2018.irc.gz", "backfill-2024.irc.gz", "message-kinds.irc"]

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"the captures are not there ({CAPTURES})")


def lines_of(name: str) -> list[str]:
    content = (CAPTURES / name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    return [line.removesuffix("\r") for line in content.decode().split("\n") if line.strip()]


@pytest.mark.parametrize("name", FILES)
def test_every_line_comes_back(name):
    for line in lines_of(name):
        assert Message.parse(line).line == line


@pytest.mark.parametrize("name", FILES[:2])
def test_lines_as_twitch_sends_them_need_no_copy_of_themselves(name):
    assert not any(Message.parse(line).exact for line in lines_of(name))


def test_the_known_traps_come_back():
    for row in (CAPTURES / "edge_cases.jsonl").read_text().splitlines():
        case = json.loads(row)
        if "raw" in case:
            found = case["raw"]
        else:
            content = b"".join(base64.b64decode(piece) for piece in case["raw_b64"]).decode()
            found = [line.removesuffix("\r") for line in content.split("\n") if line.strip()]
        for line in found:
            assert Message.parse(line).line == line, case["name"]
