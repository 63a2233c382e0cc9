from __future__ import annotations

from pathlib import Path

import pytest

import schema
from schema import Column, SchemaFileError, Table
from store.shapes import SHAPES

WHOLE = """\
-- A comment with a ; and a 'quote
CREATE TABLE Sightings ( // another ; comment
    channel_id bigint,
    day        TIMESTAMP,  /* one with two
    lines, and a ); in it */
    sent       timeuuid,
    owner      varchar static,
    tags       map<text, frozen<list<int>>>,
    place      vector<float, 3>,
    PRIMARY KEY ((channel_id, day), sent, owner)
) WITH CLUSTERING ORDER BY (sent DESC)
    AND comment = 'what''s seen; -- and /* when */'
    AND compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 160}
    AND bloom_filter_fp_chance = 1e-2
    AND gc_grace_seconds = 86400-- a day
    AND cdc = false;
"""


def read(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "sightings.cql"
    path.write_text(text, encoding="utf-8")
    return schema.read(path)


def test_a_file_is_read_into_its_parts(tmp_path):
    table = read(tmp_path, WHOLE)
    assert table.name == "sightings"
    assert table.columns == (
        Column("channel_id", "bigint"),
        Column("day", "timestamp"),
        Column("sent", "timeuuid"),
        Column("owner", "text", static=True),
        Column("tags", "map<text, frozen<list<int>>>"),
        Column("place", "vector<float, 3>"),
    )
    assert table.partition_key == ("channel_id", "day")
    assert table.clustering == (("sent", False), ("owner", True))
    assert table.options == {
        "comment": "what's seen; -- and /* when */",
        "compaction": {"class": "LeveledCompactionStrategy", "sstable_size_in_mb": "160"},
        "bloom_filter_fp_chance": "1e-2",
        "gc_grace_seconds": "86400",
        "cdc": "false",
    }


def test_the_statement_keeps_strings_and_loses_comments(tmp_path):
    cql = read(tmp_path, WHOLE).create("logs.my_sightings")
    assert cql.startswith("CREATE TABLE IF NOT EXISTS logs.my_sightings ( channel_id bigint ,")
    assert "'what''s seen; -- and /* when */'" in cql
    assert "a day" not in cql
    assert "another" not in cql
    assert not cql.endswith(";")


@pytest.mark.parametrize(
    ("text", "partition", "clustering"),
    [
        ("CREATE TABLE t (a int PRIMARY KEY, b text)", ("a",), ()),
        ("create table if not exists t (a int, b text, primary key (a))", ("a",), ()),
        ("CREATE TABLE t (a int, b text, PRIMARY KEY (a, b));", ("a",), (("b", True),)),
        ("CREATE TABLE t (a int, b text, PRIMARY KEY ((a, b)))", ("a", "b"), ()),
        ("\ufeffCREATE TABLE t (a int PRIMARY KEY) WITH comment = $$it's; here$$", ("a",), ()),
    ],
)
def test_every_way_to_write_a_key(tmp_path, text, partition, clustering):
    table = read(tmp_path, text)
    assert (table.name, table.partition_key, table.clustering) == ("t", partition, clustering)
    assert table.create("k.t").startswith("CREATE TABLE IF NOT EXISTS k.t ( a int")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "the file ends where CREATE should stand"),
        ("-- nothing but a comment\n", 1, "the file ends where CREATE should stand"),
        ("\n\nCREAT TABLE t (a int PRIMARY KEY)", 3, "'CREAT' stands where CREATE should"),
        ("ALTER TABLE t ADD a int", 1, "'ALTER' stands where CREATE should"),
        ('CREATE TABLE "T" (a int PRIMARY KEY)', 1, "stands where the name of the table should"),
        ("CREATE TABLE k.t (a int PRIMARY KEY)", 1, "'.' stands where ( should"),
        ("CREATE TABLE t (\n a int\n b int,\n PRIMARY KEY (a))", 3, "'b' stands where , or ) should"),
        ("CREATE TABLE t (\n a int,\n a text,\n PRIMARY KEY (a))", 3, "the column a stands here for the second time"),
        ("CREATE TABLE t (\n a int,\n b int,\n)", 4, "')' stands where a column should"),
        ("CREATE TABLE t (\n a int)", 2, "the table has no PRIMARY KEY"),
        ("CREATE TABLE t (a int,\n PRIMARY KEY (a, b)\n)", 2, "the key names b, which is no column"),
        ("CREATE TABLE t (a map<text int>)", 1, "'int' stands where , or > should"),
        ("CREATE TABLE t (a int,", 1, "the file ends where"),
        ("CREATE TABLE t (a int PRIMARY KEY)\nWITH comment 'x'", 2, "stands where = should"),
        ("CREATE TABLE t (a int PRIMARY KEY) WITH\ncomment = ;", 2, "';' stands where a value should"),
        ("CREATE TABLE t (a int PRIMARY KEY) WITH\ncomment = 'x;\n", 2, "a string that begins here has no end"),
        ("CREATE TABLE t (a int PRIMARY KEY) WITH\ncompaction = {'class' 'x'}", 2, "stands where : should"),
        ("CREATE TABLE t (a int PRIMARY KEY) WITH cdc = true\nAND cdc = false", 2, "cdc stands here for the second"),
        (
            "CREATE TABLE t (a int, b int, PRIMARY KEY (a))\nWITH CLUSTERING ORDER BY (b DESC)",
            2,
            "CLUSTERING ORDER names b, which is no clustering column",
        ),
        ("CREATE TABLE t (a int PRIMARY KEY);\nCREATE TABLE u (a int PRIMARY KEY);", 2, "'CREATE' stands where"),
        ("CREATE TABLE t (a int PRIMARY KEY)\ncomment = 'x'", 2, "'comment' stands where the statement should end"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, text, line, what):
    with pytest.raises(SchemaFileError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'sightings.cql'}, line {line}: ")
    assert what in str(error.value)


def test_an_unreadable_file_is_named(tmp_path):
    path = tmp_path / "broken.cql"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchemaFileError, match=r"broken\.cql cannot be read"):
        schema.read(path)


def test_a_folder_without_files_is_named(tmp_path):
    with pytest.raises(SchemaFileError, match="LOGSTV_SCHEMA_DIR"):
        schema.load(tmp_path / "nowhere")


def test_two_files_of_one_table_are_named(tmp_path):
    for name in ("one.cql", "two.cql"):
        (tmp_path / name).write_text("CREATE TABLE t (a int PRIMARY KEY)", encoding="utf-8")
    with pytest.raises(SchemaFileError, match=r"two\.cql creates the table t, which .*one\.cql creates too"):
        schema.load(tmp_path)


def test_each_file_of_ours_is_named_after_its_table():
    tables = schema.load()
    assert [table.path.stem for table in tables] == [table.name for table in tables]


def test_each_file_of_ours_says_which_question_it_answers():
    for table in schema.load():
        head = table.path.read_text(encoding="utf-8").splitlines()[0]
        assert head.startswith("-- ")
        assert head.endswith('?"')
        assert table.options["comment"]


def test_each_shape_has_its_tables_and_they_are_tuned_alike():
    tables = {table.name: table for table in schema.load()}
    tuned = [tables[shape.table].options for shape in SHAPES]
    assert {shape.table for shape in SHAPES} <= set(tables)
    assert all(options["read_repair"] == "NONE" for options in tuned)
    assert len({options["default_time_to_live"] for options in tuned}) == 1
