from __future__ import annotations

import pytest
from support.operator import ALL_TABLES, options_of, tables_of

from store import schema_lock
from store.errors import SchemaError, SchemaRefused, StoreUnavailable
from store.schema import Change, apply, diff


def test_all_is_created_and_then_nothing_is_left_to_do(fresh, cql):
    keyspace = fresh.settings.keyspace
    seen: list[Change] = []
    missing = diff(fresh.settings)
    assert {change.table for change in missing} == ALL_TABLES | {""}
    assert apply(fresh.settings, on_change=seen.append) == missing == seen
    assert tables_of(cql, keyspace) == ALL_TABLES
    assert diff(fresh.settings) == []
    versions = cql("SELECT schema_version FROM system.local")
    assert apply(fresh.settings) == []
    assert cql("SELECT schema_version FROM system.local") == versions
    assert cql(f"SELECT * FROM {keyspace}.{schema_lock.TABLE}") == []


def test_tables_get_a_prefix(fresh, cql):
    settings = fresh.settings.model_copy(update={"table_prefix": "old_"})
    apply(settings)
    assert tables_of(cql, settings.keyspace) == {f"old_{name}" for name in ALL_TABLES}
    assert diff(settings) == []


@pytest.mark.parametrize(
    ("table", "old", "new", "what"),
    [
        (
            "channel_messages",
            "default_time_to_live = 7776000",
            "default_time_to_live = 0",
            "default_time_to_live is 7776000, the file says 0",
        ),
        (
            "user_messages",
            "'compaction_window_size': '4'",
            "'compaction_window_size': '7'",
            "compaction: compaction_window_size is 4, the file says 7",
        ),
        (
            "channels",
            "{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}",
            "{'class': 'LeveledCompactionStrategy'}",
            (
                "compaction: class is UnifiedCompactionStrategy, the file says LeveledCompactionStrategy; "
                "scaling_parameters is T4, the file does not name it"
            ),
        ),
        (
            "user_logins",
            "{'class': 'LZ4Compressor', 'chunk_length_in_kb': '4'}",
            "{'class': 'ZstdCompressor', 'chunk_length_in_kb': '64'}",
            (
                "compression: chunk_length_in_kb is 4, the file says 64; "
                "class is LZ4Compressor, the file says ZstdCompressor"
            ),
        ),
        (
            "login_users",
            "{'class': 'LZ4Compressor', 'chunk_length_in_kb': '4'}",
            "{'enabled': 'false'}",
            (
                "compression: chunk_length_in_kb is 4, the file does not name it; "
                "class is LZ4Compressor, the file does not name it; enabled is not set, the file says false"
            ),
        ),
        (
            "user_buckets",
            "gc_grace_seconds = 86400",
            "gc_grace_seconds = 864000",
            "gc_grace_seconds is 86400, the file says 864000",
        ),
        ("channels", "'The channels that", "'THE channels that", None),
        ("channel_user_messages", "read_repair = 'NONE'", "read_repair = 'BLOCKING'", None),
        ("channels", "WITH comment", "WITH bloom_filter_fp_chance = 0.1 AND comment", None),
    ],
)
def test_an_edited_option_is_shown_and_applied(tuned, table, old, new, what):
    tuned.edit(table, old, new)
    shown = diff(tuned.settings)
    assert [change.table for change in shown] == [table]
    if what is not None:
        assert shown[0].what == f"{table}: {what}"
    assert apply(tuned.settings) == shown
    assert diff(tuned.settings) == []


def test_a_sub_option_that_was_removed_from_the_file_goes(tuned, cql):
    table = "channel_messages"
    assert "lz4_compressor_type" in options_of(cql, tuned, table).compression
    tuned.edit(table, ",\n        'lz4_compressor_type': 'high'", "")
    assert len(apply(tuned.settings)) == 1
    assert "lz4_compressor_type" not in options_of(cql, tuned, table).compression


def test_an_option_that_the_file_does_not_name_is_left_alone(tuned, cql):
    cql(f"ALTER TABLE {tuned.settings.keyspace}.channels WITH gc_grace_seconds = 4711")
    assert diff(tuned.settings) == []
    apply(tuned.settings)
    assert options_of(cql, tuned, "channels").gc_grace_seconds == 4711


def test_what_cassandra_spells_in_its_own_way_is_no_difference(tuned):
    spelt = """WITH cdc = false
        AND memtable = 'default'
        AND allow_auto_snapshot = true
        AND caching = {'keys': 'all'}
        AND speculative_retry = '99PERCENTILE'
        AND crc_check_chance = 1
        AND bloom_filter_fp_chance = 1e-2
        AND comment"""
    tuned.edit("user_logins", "WITH comment", spelt)
    package = "org.apache.cassandra.db.compaction."
    tuned.edit("user_logins", "'UnifiedCompactionStrategy'", f"'{package}UnifiedCompactionStrategy'")
    assert diff(tuned.settings) == []


def test_an_option_that_cassandra_does_not_take_is_said_in_its_words(tuned):
    tuned.edit("channels", "'scaling_parameters': 'T4'", "'scaling_parameters': 'fast'")
    with pytest.raises(SchemaError, match=r"did not take a change of the schema: .*fast.*ALTER TABLE .*channels"):
        apply(tuned.settings)


def test_an_option_that_there_is_not_is_said_in_its_words(tuned):
    tuned.edit("channels", "WITH comment", "WITH speed = 'high' AND comment")
    with pytest.raises(SchemaError, match="speed"):
        apply(tuned.settings)


def test_columns_are_added_and_never_dropped(fresh, cql):
    apply(fresh.settings)
    fresh.edit("channels", "    login      text,", "    login      text,\n    title text,\n    motto varchar static,")
    assert [change.what for change in apply(fresh.settings)] == [
        "channels lacks the column title text",
        "channels lacks the column motto text static",
    ]
    assert diff(fresh.settings) == []
    fresh.edit("channels", "\n    title text,\n    motto varchar static,", "")
    left = diff(fresh.settings)
    assert [(change.what, change.cql, change.refused) for change in left] == [
        ("channels.motto is not in the file; logstv drops no columns", None, False),
        ("channels.title is not in the file; logstv drops no columns", None, False),
    ]
    assert apply(fresh.settings) == []
    assert diff(fresh.settings) == left


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("((channel_id, bucket), sent)", "((channel_id), bucket, sent)", "bucket has another place"),
        ("((channel_id, bucket), sent)", "((bucket, channel_id), sent)", "has another place"),
        ("((channel_id, bucket), sent)", "((channel_id, bucket), sent, type)", "type has another place"),
        ("(sent ASC)", "(sent DESC)", "sent has another place or direction"),
        (
            "    color         int, ",
            "    color         text, ",
            "color is int, the file says text: types cannot change",
        ),
        ("    color         int, ", "    color         int static, ", "color is regular, the file says static"),
        (
            "    PRIMARY KEY ((channel_id, bucket), sent)",
            "    day date,\n    PRIMARY KEY ((channel_id, bucket), sent, day)",
            "day is new in the key",
        ),
    ],
)
def test_a_change_that_is_not_additive_is_refused_before_anything_is_done(tuned, cql, old, new, what):
    tuned.edit("channel_messages", old, new)
    tuned.edit("channel_buckets", "gc_grace_seconds = 86400", "gc_grace_seconds = 1")  # comes before it
    with pytest.raises(SchemaRefused, match=what):
        apply(tuned.settings)
    assert any(change.refused for change in diff(tuned.settings))
    assert options_of(cql, tuned, "channel_buckets").gc_grace_seconds == 86400


def test_a_column_that_left_the_key_is_refused(tuned):
    tuned.edit("channel_messages", "    bucket        timestamp,", "    day           timestamp,")
    tuned.edit("channel_messages", "((channel_id, bucket), sent)", "((channel_id, day), sent)")
    with pytest.raises(SchemaRefused, match=r"bucket is in the key but not in the file.*Nothing was changed"):
        apply(tuned.settings)


def test_a_folder_that_lacks_a_file_is_named(tuned):
    (tuned.folder / "channels.cql").unlink()
    with pytest.raises(SchemaError, match="has no file for channels: copy every file"):
        diff(tuned.settings)


def test_a_broken_file_is_named(tuned):
    tuned.edit("channels", "CREATE TABLE", "CREATE TABEL")
    with pytest.raises(SchemaError, match=r"channels\.cql, line 4: 'TABEL' stands where TABLE should"):
        apply(tuned.settings)


def test_replicas_that_there_are_no_nodes_for_are_refused(fresh, cql):
    nowhere = fresh.settings.model_copy(update={"replication": "elsewhere:1"})
    with pytest.raises(SchemaError, match="replicas are asked for in elsewhere"):
        apply(nowhere)
    many = fresh.settings.model_copy(update={"replication": "datacenter1:99"})
    with pytest.raises(SchemaError, match="asks for 99 replicas in datacenter1, which has"):
        apply(many)
    assert cql("SELECT * FROM system_schema.keyspaces WHERE keyspace_name = %s", fresh.settings.keyspace) == []


def test_replication_is_only_touched_where_it_is_set(fresh, cql):
    keyspace = fresh.settings.keyspace
    cql(f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
    apply(fresh.settings)
    assert diff(fresh.settings) == []
    given = fresh.settings.model_copy(update={"replication": "datacenter1:1"})
    (change,) = diff(given)
    assert change.what.startswith(f"the keyspace {keyspace} has replicas replication_factor:1, LOGSTV_REPLICATION says")
    assert apply(given) == [change]
    assert diff(given) == []


def test_a_cluster_that_is_not_there(cluster_settings, unused_port):
    with pytest.raises(StoreUnavailable, match=f"no Cassandra answers at .* port {unused_port}"):
        apply(cluster_settings.model_copy(update={"cql_port": unused_port}))
