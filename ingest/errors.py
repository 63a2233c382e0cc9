"""What can go wrong on the way in.

IngestError
├── SourceUrlError           an address of a chat server that makes no sense
├── ReplayError              a file that cannot be replayed
├── LoginRefused             the chat server does not take our login
└── WorkerNameTaken          another worker is called the same
"""

from __future__ import annotations


class IngestError(Exception):
    """The base of everything the ingest raises on purpose."""


class SourceUrlError(IngestError):
    """An address of a chat server that makes no sense; the message says what would."""


class ReplayError(IngestError):
    """A file that cannot be replayed; the message says how far it went."""


class LoginRefused(IngestError):
    """The chat server does not take our login."""


class WorkerNameTaken(IngestError):
    """Another worker, which was started earlier, is called the same."""
