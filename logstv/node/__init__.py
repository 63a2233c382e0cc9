"""A real Cassandra node as a child process, for a machine that has no cluster."""

from logstv.node.local_node import LocalNode, NodeStatus

__all__ = ["LocalNode", "NodeStatus"]
