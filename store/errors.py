"""What can go wrong in the store.

StoreError
├── SettingsError            a setting that makes no sense
├── LineError                text that is not one IRC line
├── UnstorableMessage        a message that has no place in any log (no channel, no time, not a chat line)
├── WantedError              a channel that cannot be read, or not with these rules
├── OptoutError              a name that nobody can be opted out by
├── LeaseLost                what one process at a time does was not ours any more
├── CursorError              a cursor that is not ours, was changed, or belongs to another log
├── SchemaError              the tables cannot be brought into line
│   ├── SchemaRefused        what the files ask for would change keys or columns that hold lines
│   └── SchemaLocked         someone else is applying the schema, and did not finish in time
├── ArchiveError             something about archived days that trying again does not change
│   └── ArchiveDamaged       an archived day is missing, or not as it was written
└── StoreUnavailable         Cassandra cannot answer now; trying again later is right
    ├── NodesMissing         too few nodes are up, for what was asked at least
    └── ArchiveUnavailable   the archive cannot be reached, or has no room left
"""

from __future__ import annotations


class StoreError(Exception):
    """The base of everything the store raises on purpose."""


class SettingsError(StoreError):
    """A setting that makes no sense; the message says what would."""


class LineError(StoreError):
    """Text that is not one IRC line."""


class UnstorableMessage(StoreError):
    """A message that has no place in any log; the message says why."""


class WantedError(StoreError):
    """A channel that cannot be read, or not with these rules; the message says what would be right."""


class OptoutError(StoreError):
    """A name that nobody can be opted out by; the message says what would be right."""


class LeaseLost(StoreError):
    """What one process at a time does was not ours any more; whoever has it now does it."""


class CursorError(StoreError):
    """A cursor that is not ours, was changed, or belongs to another log."""


class StoreUnavailable(StoreError):
    """Cassandra cannot answer now: no node reachable, too few replicas, or no answer in time."""


class SchemaError(StoreError):
    """The tables cannot be brought into line with the files."""


class SchemaRefused(SchemaError):
    """What the files ask for would change keys or columns that hold lines; nothing was changed."""


class SchemaLocked(SchemaError):
    """Someone else is applying the schema, and did not finish in time."""


class ArchiveError(StoreError):
    """Something about archived days that trying again does not change; the message says what would help."""


class ArchiveDamaged(ArchiveError):
    """An archived day is missing, or not as it was written; its lines are not given.

    Attributes:
        day: which day of which channel, where that is known.
    """

    def __init__(self, reason: str, day: str = "a day") -> None:
        super().__init__(reason)
        self.day = day


class NodesMissing(StoreUnavailable):
    """Too few nodes are up for what was asked; other partitions may lie on nodes that are."""


class ArchiveUnavailable(StoreUnavailable):
    """The archive cannot be reached, or has no room left; trying again later is right."""
