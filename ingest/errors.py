"""What can go wrong on the way in.

IngestError
├── SourceUrlError           an address of a chat server that makes no sense
├── TransportError           settings that do not go together
├── ReplayError              a file that cannot be replayed
├── ImportBrokenOff          a process of an import has died
├── SpoolError               the disk cannot take or give lines
├── NotificationError        a notification of EventSub that stands for no line
├── HistoryError             a recent-messages service cannot be asked
├── ApiError                 Twitch's API refused or could not answer
├── LoginRefused             the chat server, or the API, does not take our login
└── WorkerNameTaken          another worker is called the same
"""

from __future__ import annotations


class IngestError(Exception):
    """The base of everything the ingest raises on purpose."""


class SourceUrlError(IngestError):
    """An address of a chat server that makes no sense; the message says what would."""


class TransportError(IngestError):
    """Settings that do not go together; the message says what is missing."""


class ReplayError(IngestError):
    """A file that cannot be replayed; the message says how far it went."""


class ImportBrokenOff(IngestError):
    """A process of an import has died; what it had taken in for good is remembered."""


class NotificationError(IngestError):
    """A notification of EventSub that stands for no line; the message says why."""


class ApiError(IngestError):
    """Twitch's API refused something, or could not answer.

    Attributes:
        status: of the answer; 0 where there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class HistoryError(IngestError):
    """A recent-messages service cannot be reached, or gives something else; the message says which."""


class LoginRefused(IngestError):
    """The chat server, or the API, does not take our login."""


class SpoolError(IngestError):
    """The disk under the spool cannot take or give lines; the message says why."""


class WorkerNameTaken(IngestError):
    """Another worker, which was started earlier, is called the same."""
