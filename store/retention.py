"""How long lines are kept: what the tables say, or what was set, and the TTL that remains of it for one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from store.errors import SettingsError, StoreError
from store.moderation import TABLES as MODERATION_TABLES
from store.session import Session
from store.shapes import SHAPES, Shape

FOR_EVER = 0
"""As a TTL: the row does not expire (and the table's default does not count)."""

_TABLES = (*(shape.table for shape in SHAPES), *MODERATION_TABLES)
_LONGEST_TTL = 20 * 365 * 86_400  # Cassandra's limit, in seconds
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each table keeps a line.

    Attributes:
        seconds: by table; 0 is for ever.
        channels: of channels for which something else was said: seconds by id, or by login while the id is not known.
        own: of the lines that are written, whatever is said else; None: as is said. Rows of an index, which they share
            with lines that others write, live for as long as any of these.
    """

    seconds: Mapping[str, int]
    channels: Mapping[int | str, int] = field(default_factory=dict)
    own: int | None = None

    @classmethod
    def of(cls, seconds: int) -> Retention:
        """Keep lines equally long in every table; 0 seconds is for ever."""
        return cls(dict.fromkeys(_TABLES, seconds))

    @classmethod
    async def of_tables(cls, session: Session) -> Retention:
        """Read what the tables say (`default_time_to_live`), so that the CQL files are the one place that says it.

        Raises:
            StoreError: a table is missing.
            StoreUnavailable: Cassandra cannot answer.
        """
        query = await session.prepare(
            "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = ?"
        )
        rows: dict[str, int] = dict(await session.execute(query.bind((session.settings.keyspace,))))
        prefix = session.settings.table_prefix
        missing = [table for table in _TABLES if prefix + table not in rows]
        if missing:
            raise StoreError(f"the tables are not there yet ({', '.join(missing)}): run `logstv schema apply`")
        return cls({table: rows[prefix + table] for table in _TABLES})

    def at_least(self, seconds: int) -> Retention:
        """Keep nothing for less than so long."""

        def longer(kept: int) -> int:
            return _longest((kept, seconds))

        return Retention(
            {table: longer(kept) for table, kept in self.seconds.items()},
            {channel: longer(kept) for channel, kept in self.channels.items()},
        )

    def of_channel(self, channel_id: int, login: str | None) -> int | None:
        """Give for how many seconds a channel's lines are kept; None: as long as the tables say."""
        return self._said(channel_id, login) if self.own is None else self.own

    def _said(self, channel_id: int, login: str | None) -> int | None:
        if not self.channels:
            return None
        kept = self.channels.get(channel_id)
        return self.channels.get(login or "") if kept is None else kept

    def ttl(self, table: Shape | str, end_ms: int, now_ms: int, kept: int | None = None) -> int | None:
        """Give the TTL, in seconds, of what ends at a time: a line, or the last line that a bucket can hold.

        Args:
            table: in which table, or in that of which shape.
            end_ms: Unix milliseconds.
            now_ms: Unix milliseconds.
            kept: what `of_channel` says of its channel.

        Returns:
            The seconds that remain, FOR_EVER, or None if none remain.
        """
        if kept is None:
            kept = self.seconds[table if isinstance(table, str) else table.table]
        return _remaining(kept, end_ms, now_ms)

    def bucket_ttl(self, shape: Shape, end_ms: int, now_ms: int, channel_id: int, login: str | None) -> int | None:
        """Give the TTL of the index row of a bucket, so that it outlives every line that the bucket can hold.

        A bucket that lines of several channels share lives as long as any of them could.

        Args:
            shape: in which table.
            end_ms: the end of the bucket, Unix milliseconds.
            now_ms: Unix milliseconds.
            channel_id: whose line opens the bucket.
            login: that channel's.

        Returns:
            As `ttl`.
        """
        of_tables, said = self.seconds[shape.table], self._said(channel_id, login)
        if "channel_id" in shape.key:
            every = [of_tables if said is None else said]
        else:
            every = [of_tables, *self.channels.values()]
        return _remaining(_longest(every if self.own is None else [*every, self.own]), end_ms, now_ms)


def _longest(every: Iterable[int]) -> int:
    every = tuple(every)
    return FOR_EVER if FOR_EVER in every else max(every)


def _remaining(kept: int, end_ms: int, now_ms: int) -> int | None:
    if kept == FOR_EVER:
        return FOR_EVER
    remaining = kept - (now_ms - end_ms) // 1000
    return min(remaining, _LONGEST_TTL) if remaining > 0 else None


def parse_duration(text: str) -> int:
    """Read a duration as seconds: `90d`, `12h`, `3600`; `0` is for ever.

    Raises:
        SettingsError: it is none, or longer than Cassandra's 20 years.
    """
    match = re.fullmatch(r"(\d{1,12})([smhdy]?)", text.strip())
    if not match:
        raise SettingsError(f"{text!r} is no duration: write a number and s, m, h, d or y, as in 90d, or 0 for ever")
    seconds = int(match[1]) * _UNITS.get(match[2], 1)
    if seconds > _LONGEST_TTL:
        raise SettingsError(
            f"{text!r} is longer than the 20 years that Cassandra keeps a row with a TTL; 0 is for ever"
        )
    return seconds
