"""What the log routes can be asked: one model that all three share, and how it becomes a read of the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.errors import BadRequest
from app.times import parse_time
from store.filters import Filter, Shared
from store.keys import MS_IN_DAY, Width
from store.message import STORED_TYPES
from store.reader import Log
from store.shapes import Key, Shape

MOST_MESSAGES = 1000
_USUAL_MESSAGES = 100


class Format(StrEnum):
    """How an answer is written."""

    JSON = "json"
    NDJSON = "ndjson"
    TEXT = "text"
    RAW = "raw"


class Include(StrEnum):
    """Lines that a moderator removed, and lines that none did."""

    ALL = "all"
    KEPT = "kept"
    DELETED = "deleted"


class Order(StrEnum):
    """In which order lines are given."""

    ASC = "asc"
    DESC = "desc"


def _time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


def _types(value: Any) -> Any:
    names = [name for name in str(value).lower().split(",") if name]
    unknown = [name for name in names if name.upper() not in STORED_TYPES]
    if unknown or not names:
        known = ",".join(name.lower() for name in STORED_TYPES)
        raise ValueError(f"a type is one or more of {known}, separated by commas")
    return ",".join(names)


Time = Annotated[
    int,
    BeforeValidator(_time),
    Field(json_schema_extra={"type": "string", "format": "date-time"}),
]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a range reaches, for a route that looks through all of it.

    Attributes:
        usual_days: where an end is not given.
        most_days: at most; None: as far as one likes.
    """

    usual_days: int
    most_days: int | None = None


COVERAGE = Reach(7, 366)
CHANNEL_STATS = {Width.DAY: Reach(1, 366), Width.HOUR: Reach(1, 31)}
USER_STATS = {Width.DAY: Reach(30, 366), Width.HOUR: Reach(30, 31)}
THREAD = Reach(1)


class RangeParams(BaseModel):
    """A range."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Time | None = Field(
        default=None,
        alias="from",
        description="The first moment, inclusive: RFC 3339, Unix seconds or milliseconds.",
        examples=["2026-11-24T00:00:00Z"],
    )
    to: Time | None = Field(
        default=None, description="The last moment, exclusive; written like `from`.", examples=["2026-11-25T00:00:00Z"]
    )

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.from_ is not None and self.to is not None and self.from_ >= self.to:
            raise ValueError("`from` must be before `to`: a range is [from, to)")
        return self

    def within(self, reach: Reach) -> tuple[int, int]:
        """Give the range with both its ends, Unix milliseconds.

        Without `from` it begins the usual time before its end; without `to` it ends the usual time after its beginning,
        or now.

        Raises:
            BadRequest: it is too long, or would end before it begins.
        """
        now_ms, usual_ms = time.time_ns() // 1_000_000, reach.usual_days * MS_IN_DAY
        from_ms, to_ms = self.from_, self.to
        if to_ms is None:
            to_ms = now_ms if from_ms is None else min(from_ms + usual_ms, now_ms)
        if from_ms is None:
            from_ms = max(to_ms - usual_ms, 0)
        if from_ms >= to_ms:
            raise BadRequest("`from` lies in the future: a range without `to` ends now at the latest")
        if reach.most_days is not None and to_ms - from_ms > reach.most_days * MS_IN_DAY:
            raise BadRequest(f"a range is at most {reach.most_days} days here: ask for a shorter one")
        return from_ms, to_ms


class LogParams(RangeParams):
    """The parameters of a log."""

    order: Order | None = Field(
        default=None, description="Oldest or newest first. Without it: newest first, or oldest first within a range."
    )
    limit: int = Field(default=_USUAL_MESSAGES, ge=1, le=MOST_MESSAGES, description="Lines on a page.")
    cursor: str | None = Field(
        default=None, min_length=1, max_length=200, description="`next` or `previous` of an earlier answer, as it is."
    )
    type: Annotated[str | None, BeforeValidator(_types)] = Field(
        default=None, description="Only lines of these kinds.", examples=["privmsg,usernotice"]
    )
    q: str | None = Field(default=None, min_length=1, max_length=500, description="Only lines whose text holds this.")
    badge: str | None = Field(
        default=None, min_length=1, max_length=100, description="Only lines whose author wears this badge.",
        examples=["moderator"],
    )  # fmt: skip
    include: Include = Field(
        default=Include.ALL, description="Only lines that no moderator removed (`kept`), or only such (`deleted`)."
    )
    shared: Shared = Field(
        default=Shared.ALL,
        description="Of a shared chat only lines said in the channel itself (`home`), or only others (`foreign`).",
    )
    format: Format | None = Field(default=None, description="How to write it; without it, `Accept` is looked at.")

    @property
    def asks_for_a_page(self) -> bool:
        """Whether a stream is wanted page by page, too."""
        return self.cursor is not None or "limit" in self.model_fields_set

    @property
    def newest_first(self) -> bool:
        """The order, where it is not given: `desc` without a range."""
        if self.order is None:
            return self.from_ is None and self.to is None
        return self.order is Order.DESC

    def log(self, shape: Shape, key: Key) -> Log:
        """Give the log that is asked for."""
        return Log(shape, key, self.from_, self.to, self.newest_first)

    def filter(self) -> Filter:
        """Give what is asked of its lines."""
        types = frozenset(STORED_TYPES[name.upper()] for name in (self.type or "").split(",") if name)
        return Filter(types, self.q or "", self.badge or "", self.shared)
