"""What the compatible routes can be asked: flags that count by their presence, places, ranges and dates."""

from __future__ import annotations

import datetime as dt
import re
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from app.errors import BadRequest, NotFound
from app.params import Time
from app.times import parse_time
from store.keys import LATEST_MS, MS_IN_DAY, Width

_MOST = 2**64 - 1  # rustlog's numbers
_EPOCH = dt.date(1970, 1, 1)
_FLAG = "Counts by being there, whatever its value."


class Form(Enum):
    """How lines are written."""

    TEXT = "text"
    RAW = "raw"
    JSON = "json"
    JSON_BASIC = "jsonBasic"
    NDJSON = "ndjson"


def _or_none(value: Any) -> Any:
    """Take a parameter without a value as none, as a form sends it."""
    return None if value == "" else value


def _time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) and value else _or_none(value)


Flag = Annotated[str | None, Field(description=_FLAG)]
Number = Annotated[Annotated[int, Field(ge=0, le=_MOST)] | None, BeforeValidator(_or_none)]
Moment = Annotated[Time | None, BeforeValidator(_time)]


class FormParams(BaseModel):
    """How lines are to be written; what is not known here is left alone."""

    raw: Flag = None
    json_basic: Annotated[str | None, Field(alias="jsonBasic", description=_FLAG)] = None
    json_: Annotated[str | None, Field(alias="json", description=_FLAG)] = None
    ndjson: Flag = None
    type: str | None = Field(default=None, description="`json` or `raw`, as justlog takes it.")

    def form(self, content_type: str = "") -> Form:
        """Choose how lines are written: rustlog's order of the flags, then justlog's other ways to ask for JSON.

        Args:
            content_type: the request's header.
        """
        if self.raw is not None or self.type == "raw":
            return Form.RAW
        if self.json_basic is not None:
            return Form.JSON_BASIC
        if self.json_ is not None or self.type == "json":
            return Form.JSON
        if self.ndjson is not None:
            return Form.NDJSON
        return Form.JSON if content_type.partition(";")[0].strip().lower() == "application/json" else Form.TEXT


class PlacedParams(FormParams):
    """Which lines of those that are asked for, and in which order."""

    reverse: Annotated[str | None, Field(description=f"Newest first. {_FLAG}")] = None
    limit: Annotated[Number, Field(description="How many lines at most; all without it.", examples=[100])] = None
    offset: Annotated[Number, Field(description="How many lines to leave out before them.", examples=[100])] = None


class LinesParams(PlacedParams):
    """What can be asked of a log."""

    from_: Annotated[
        Moment, Field(alias="from", description="The first moment, inclusive: RFC 3339 or Unix seconds.")
    ] = None
    to: Annotated[Moment, Field(description="The last moment, exclusive; written like `from`.")] = None
    cursor: Annotated[
        str | None, BeforeValidator(_or_none), Field(description="From the `Link` of a page: where to go on.")
    ] = None


class SearchParams(PlacedParams):
    """What can be asked of a search."""

    q: str = Field(max_length=500, description="What stands in the text, in any case.", examples=["good evening"])


class RangeParams(BaseModel):
    """Over which range statistics are wanted."""

    from_: Annotated[
        Moment, Field(alias="from", description="The first moment, inclusive: RFC 3339 or Unix seconds.")
    ] = None
    to: Annotated[Moment, Field(description="The last moment, exclusive; written like `from`.")] = None


def day_range(year: str, month: str, day: str) -> tuple[int, int]:
    """Give a UTC day as Unix milliseconds, the end exclusive; zeros before a number do not count.

    Raises:
        BadRequest: it is no date.
        NotFound: it is a date of which there can be no lines.
    """
    start = _start(year, month, day, "2026/3/1")
    return start, start + MS_IN_DAY


def month_range(year: str, month: str) -> tuple[int, int]:
    """Give a UTC month as Unix milliseconds, the end exclusive; zeros before a number do not count.

    Raises:
        BadRequest: it is no month.
        NotFound: it is a month of which there can be no lines.
    """
    start = _start(year, month, "1", "2026/3")
    if start > LATEST_MS:
        raise NotFound("there are no lines of such a far future")
    return start, Width.MONTH.end(start)


def _start(year: str, month: str, day: str, right: str) -> int:
    wrong = BadRequest(f"there is no such date: write numbers as in {right}")
    if not all(re.fullmatch("[0-9]{1,4}", part) for part in (year, month, day)):
        raise wrong
    try:
        start = (dt.date(int(year), int(month), int(day)) - _EPOCH).days * MS_IN_DAY
    except ValueError:
        raise wrong from None
    if start < 0:
        raise NotFound("there was no Twitch before 1970")
    return start
