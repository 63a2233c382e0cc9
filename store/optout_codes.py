"""The codes that the API gives out and that users say in a chat to opt out."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from cassandra.query import PreparedStatement

from store.session import Session

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for another
_LENGTH = 6
SECONDS = 600
"""How long a code can be used."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code, and when it expires in Unix milliseconds."""

    text: str
    expires_ms: int


class OptoutCodes:
    """The table of the codes."""

    def __init__(self, session: Session, prepared: dict[str, PreparedStatement]) -> None:
        self._session = session
        self._prepared = prepared

    @classmethod
    async def open(cls, session: Session) -> OptoutCodes:
        """Prepare the statements.

        Raises:
            StoreError: the table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        table = session.table("optout_codes")
        statements = {
            "give": f"INSERT INTO {table} (code, issued) VALUES (?, ?) USING TTL {SECONDS}",
            "find": f"SELECT code FROM {table} WHERE code = ?",
            "used": f"DELETE FROM {table} WHERE code = ?",
        }
        return cls(session, {name: await session.prepare(cql) for name, cql in statements.items()})

    async def give(self) -> Code:
        """Give out a new code.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        now_ms = time.time_ns() // 1_000_000
        await self._session.execute(self._prepared["give"].bind((code, now_ms)))
        return Code(code, now_ms + SECONDS * 1000)

    async def is_good(self, code: str) -> bool:
        """Say whether a code was given out and neither used nor expired.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        return bool(await self._session.execute(self._prepared["find"].bind((code.lower(),))))

    async def used(self, code: str) -> None:
        """Take a code that was used out of use.

        Raises:
            StoreUnavailable: Cassandra cannot answer.
        """
        await self._session.execute(self._prepared["used"].bind((code.lower(),)))
