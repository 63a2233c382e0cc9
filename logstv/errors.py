"""What can go wrong at the front door.

LogstvError
├── CommandError             a command that cannot be carried out as it was given
└── NodeError                the local Cassandra node
    ├── JavaError            no Java that it runs on
    ├── JarsError            its jars are not there and cannot be fetched
    ├── NodeStartError       it did not start
    ├── NodeStopError        it did not stop in time and was killed
    └── NodeInUseError       others use it
"""

from __future__ import annotations


class LogstvError(Exception):
    """The base of everything the command raises on purpose."""


class CommandError(LogstvError):
    """A command that cannot be carried out as it was given."""


class NodeError(LogstvError):
    """Something about the local node."""


class JavaError(NodeError):
    """There is no Java that Cassandra 5.0 runs on."""


class JarsError(NodeError):
    """Cassandra's jars are not there and cannot be fetched."""


class NodeStartError(NodeError):
    """The node did not start; the message says why, as far as its log tells."""


class NodeStopError(NodeError):
    """The node did not stop in time and was killed."""


class NodeInUseError(NodeError):
    """Others use the node."""
