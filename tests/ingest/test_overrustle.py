from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard
from support import lines
from support.imports import DAY_MS, imported, log_of, written

from ingest.errors import IngestError
from ingest.known_ids import KnownIds, read_ids
from ingest.overrustle import OverrustleTree
from store.directory import Name
from store.keys import MS_IN_DAY
from store.message import Message
from store.optouts import Kind, Way
from store.shapes import CHANNEL, CHANNEL_USER, USER
from store.writer import Writer

TAGS = f"logstv/source=overrustle;room-id=9001;tmi-sent-ts={DAY_MS + 5000}"
SAID = "[2026-03-01 00:00:05 UTC] ada_lift: hello: you"
IDS = {"moonbase": 9001}


def put(tree: Path, day: int, text: list[str]) -> Path:
    return written(tree / "Moonbase chatlog/March 2026" / f"2026-03-{day:02}.txt", text)


async def test_what_is_known_is_kept_and_nothing_is_made_up(store, archive, tree, tmp_path):
    put(tree, 1, [SAID, SAID, "[2026-03-01 00:00:06 UTC] Bo_Nord: /me caf\udce9", "[2026-03-01 00:00:07 UTC] bo_nord:"])
    outcome = await imported(store, archive, OverrustleTree(tree, {**IDS, "ada_lift": 501}), tmp_path / "done")
    assert (outcome.archived, outcome.nameless, outcome.refused, outcome.failed) == (4, 2, {}, [])
    prefix = "tmi.twitch.tv PRIVMSG #moonbase"
    said = f"@{TAGS};user-id=501 :ada_lift!ada_lift@ada_lift.{prefix} :hello: you"
    later = TAGS.replace("5000", "6000")
    assert await log_of(store, archive, CHANNEL, (9001,)) == [
        said,
        said,
        f"@display-name=Bo_Nord;{later} :bo_nord!bo_nord@bo_nord.{prefix} :/me caf\udce9",
        f"@{TAGS.replace('5000', '7000')} :bo_nord!bo_nord@bo_nord.{prefix} :",
    ]
    assert await log_of(store, archive, CHANNEL_USER, (9001, 501)) == [said, said]
    assert await store.directory.users_of("bo_nord") == []
    assert [(each.login, each.channel_id) for each in await store.directory.channels()] == [("moonbase", 9001)]


async def test_ids_that_are_learnt_later_do_not_double_the_lines(store, archive, tree, tmp_path):
    put(tree, 1, [SAID, SAID])
    done = tmp_path / "done"
    assert (await imported(store, archive, OverrustleTree(tree, IDS), done)).nameless == 2
    assert await log_of(store, archive, USER, (501,)) == []
    known = OverrustleTree(tree, {**IDS, "ada_lift": 501})
    assert (await imported(store, archive, known, done)).before == 1
    assert (await imported(store, archive, known, done, again=True)).nameless == 0
    assert len(await log_of(store, archive, CHANNEL, (9001,))) == 2
    assert len(await log_of(store, archive, USER, (501,))) == 2


async def test_our_own_logs_know_who_a_login_was(store, archive, tree, tmp_path):
    writer = await Writer.open(store.session)
    for sent_ms in (DAY_MS - MS_IN_DAY, DAY_MS + 5 * MS_IN_DAY):
        for user in ("ada_lift", 501), ("bo_nord", 502 + (sent_ms > DAY_MS)):
            writer.learn_names(_message(*user, sent_ms))
    await writer.flush()
    put(tree, 1, [SAID, SAID.replace("ada_lift", "bo_nord")])
    outcome = await imported(store, archive, OverrustleTree(tree), tmp_path / "done")
    # Who had the other login that day cannot be told.
    assert (outcome.archived, outcome.nameless, outcome.failed) == (2, 1, [])
    assert len(await log_of(store, archive, USER, (501,))) == 1
    assert await log_of(store, archive, USER, (502,)) == []


def _message(login: str, user_id: int, sent_ms: int):
    return Message.parse(lines.privmsg("x", login=login, user_id=user_id, sent_ms=sent_ms))


async def test_a_channel_whose_id_is_not_known_is_named(store, archive, tree, tmp_path):
    put(tree, 1, [SAID])
    written(tree / "Destinygg chatlog/March 2026/2026-03-01.txt", [SAID])
    outcome = await imported(store, archive, OverrustleTree(tree, {"destinygg": 77}), tmp_path / "done")
    assert outcome.archived == 1
    [failure] = outcome.failed
    assert failure.startswith("1 files of moonbase: which id that channel had then is not known")


async def test_compressed_files_and_those_of_users(store, archive, tree, tmp_path):
    path = put(tree, 1, [])
    text = f"{SAID}\r\n".encode()
    path.unlink()
    path.with_name("2026-03-01.txt.gz").write_bytes(zstandard.compress(text) + zstandard.compress(b"[2026-03-01 "
                                                                    b"00:00:09 UTC] ada_lift: last\n"))  # fmt: skip
    path.with_name("2026-03-02.txt.gz").write_bytes(gzip.compress(text.replace(b"03-01", b"03-02")))
    users = path.parent / "userlogs"
    text3 = SAID.replace("03-01", "03-03")
    written(users / "ada_lift.txt", [SAID, text3, SAID.replace("03-01", "03-04")])
    put(tree, 4, [])
    cut = zstandard.compress(b"x" * 5000)[:-3]
    path.with_name("2026-03-05.txt.gz").write_bytes(cut)
    outcome = await imported(store, archive, OverrustleTree(tree, IDS), tmp_path / "done")
    assert outcome.archived == 4
    assert [
        ("2026-03-05.txt.gz" in failure, "ends before its zstd frame" in failure) for failure in outcome.failed
    ] == [(True, True)]
    found = await log_of(store, archive, CHANNEL, (9001,))
    assert [line.rpartition(" :")[2] for line in found] == ["hello: you", "last", "hello: you", "hello: you"]


async def test_lines_that_are_none_are_reported(store, archive, tree, tmp_path):
    odd = ["[2026-03-01 25:00:05 UTC] ada: x", "[2026-03-01 00:00:05 UTC] é: x", "hello", "[2026-03-01 00:00:05 UTC] x"]
    put(tree, 1, [SAID, *odd])
    report = tmp_path / "report"
    outcome = await imported(store, archive, OverrustleTree(tree, IDS), tmp_path / "done", report=report)
    assert (outcome.archived, sum(outcome.refused.values())) == (1, 4)
    assert [orjson.loads(line)["line"] for line in report.read_text().splitlines()] == odd


async def test_who_has_opted_out_is_left_out_by_login_too(store, archive, tree, tmp_path):
    writer = await Writer.open(store.session)
    writer.learn_names(_message("ada_lift", 501, DAY_MS + MS_IN_DAY))
    await writer.flush()
    await archive.optouts.add(Kind.USER, [501], Way.ADMIN)
    put(tree, 1, [SAID, SAID.replace("ada_lift", "bo_nord")])
    outcome = await imported(store, archive, OverrustleTree(tree, IDS), tmp_path / "done")
    assert (outcome.archived, outcome.refused) == (1, {"its author, or its channel, has opted out": 1})


def test_an_id_is_certain_between_its_first_and_last_sight_where_no_other_was_seen():
    ids = KnownIds({"bo_nord": 502})
    ids._seen["ada_lift"] = [Name(501, "ada_lift", 1000, 9000), Name(599, "ada_lift", 8000, None)]
    assert ids.at("ada_lift", 2000, 2999) == 501
    assert ids.at("ada_lift", 999, 1500) is None
    assert ids.at("ada_lift", 9000, 9001) is None
    ids._seen["ada_lift"].append(Name(599, "ada_lift", 4000, 20_000))
    assert ids.at("ada_lift", 2000, 2999) == 501
    assert ids.at("ada_lift", 5000, 5999) is None
    assert ids.at("ada_lift", 10_000, 10_999) == 599
    assert ids.at("bo_nord", 0, 1) == 502
    assert ids.at("cy", 0, 1) is None


def test_a_file_of_ids_is_read_strictly(tmp_path):
    path = tmp_path / "ids"
    path.write_text("\ufefflogin,id\nForsen 22484632 # since 2011\nnymn,62300805\n\n# end\n")
    assert read_ids(path) == {"forsen": 22484632, "nymn": 62300805}
    for wrong, said in (
        ("forsen", "line 1: write a login"),
        ("a 1\na 2", "line 2: a has another id"),
        ("a 0", "line 1"),
    ):
        path.write_text(wrong)
        with pytest.raises(IngestError, match=said):
            read_ids(path)
    with pytest.raises(IngestError, match="cannot be read"):
        read_ids(tmp_path / "none")
