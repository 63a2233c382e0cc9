from __future__ import annotations

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.query import SimpleStatement

from logstv.node.cluster import LocalCluster


@pytest.mark.cluster
def test_a_killed_node_comes_back_with_what_the_others_took_for_it(cassandra_cluster: LocalCluster) -> None:
    victim, asked = cassandra_cluster.nodes[1], cassandra_cluster.nodes[0]
    # A node that is frozen keeps its connections: whoever asks it waits. So another is asked, all the time.
    profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([asked.address]), request_timeout=60)
    where = Cluster(
        [asked.address],
        port=cassandra_cluster.port,
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )
    try:
        session = where.connect()
        session.execute(
            "CREATE KEYSPACE drill WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"
        )
        session.execute("CREATE TABLE drill.numbers (number int PRIMARY KEY)")

        def add(number: int, level: int) -> None:
            session.execute(
                SimpleStatement(f"INSERT INTO drill.numbers (number) VALUES ({number})", consistency_level=level)
            )

        add(1, ConsistencyLevel.ALL)
        victim.kill()
        add(2, ConsistencyLevel.QUORUM)
        victim.start()
        cassandra_cluster.wait_until_up()
        victim.freeze()
        assert not victim.node.status().answering
        add(3, ConsistencyLevel.QUORUM)
        victim.thaw()
        cassandra_cluster.wait_until_up()
        rows = session.execute(
            SimpleStatement("SELECT number FROM drill.numbers", consistency_level=ConsistencyLevel.ALL)
        )
        assert {row.number for row in rows} == {1, 2, 3}
    finally:
        where.shutdown()
