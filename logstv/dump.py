"""Writes a log into a file, NDJSON or Parquet; the file is there whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

from app import pages, render
from logstv.errors import CommandError
from store.message import Message
from store.removals import Removals

_ROWS_IN_GROUP = 20_000
_FEW = 500


class Form(StrEnum):
    """How a log is written."""

    NDJSON = "ndjson"
    PARQUET = "parquet"


class Dump(Protocol):
    """A file that is being written."""

    def add(self, messages: list[Message], removals: Removals) -> None:
        """Add messages; those that were removed from the chat say so."""
        ...

    def end(self) -> None:
        """Write what is left."""
        ...


@contextlib.contextmanager
def dumping(path: Path | None, form: Form) -> Iterator[Dump]:
    """Give what writes a log, for as long as the block runs; ended by an error, it leaves nothing under the path.

    Args:
        path: the file; compressed where it ends in `.gz`; None: standard output.
        form: how it is written.

    Raises:
        CommandError: it cannot be written, or needs what is not installed.
    """
    if form is Form.PARQUET and path is None:
        raise CommandError("a Parquet file is read from its end: name one with --output FILE.parquet")
    try:
        if path is None:
            yield from _written(sys.stdout.buffer, form)
            sys.stdout.buffer.flush()
            return
        descriptor, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if path.suffix == ".gz":
                    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                        yield from _written(packed, form)
                else:
                    yield from _written(file, form)
                file.flush()
                os.fsync(descriptor)
            umask = os.umask(0)
            os.umask(umask)
            Path(part).chmod(0o666 & ~umask)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{path or 'standard output'} cannot be written: {error.strerror}") from error


def _written(file: IO[bytes] | gzip.GzipFile, form: Form) -> Iterator[Dump]:
    dump = _Ndjson(file) if form is Form.NDJSON else _Parquet(file)
    try:
        yield dump
    finally:
        dump.end()  # what writes Parquet wants it, also before it is thrown away


class _Ndjson:
    """One object a line, as the API has it."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file

    def add(self, messages: list[Message], removals: Removals) -> None:
        for at in range(0, len(messages), _FEW):
            self._file.write(pages.records(messages[at : at + _FEW], removals))

    def end(self) -> None:
        """Nothing is left."""


class _Parquet:
    """A table with a row a message; `raw` is the line itself, byte for byte."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        try:
            import pyarrow  # noqa: PLC0415, ICN001 - an extra
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise CommandError("Parquet needs pyarrow: pip install 'logstv[parquet]'") from None
        text, word = pyarrow.string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        moment = pyarrow.timestamp("ms", tz="UTC")
        self._arrow = pyarrow
        self._schema = pyarrow.schema(
            [
                ("sent", text), ("id", text), ("type", word), ("timestamp", moment), ("channel_id", pyarrow.int64()),
                ("channel_login", word), ("user_id", pyarrow.int64()), ("login", text), ("display_name", text),
                ("text", text), ("system_text", text), ("tags", pyarrow.map_(text, text)), ("raw", pyarrow.binary()),
                ("deleted_by", word), ("deleted_at", moment),
            ]
        )  # fmt: skip
        self._writer = pyarrow.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []

    def add(self, messages: list[Message], removals: Removals) -> None:
        for message in messages:
            removal = removals.get(message.position)
            self._rows.append((
                str(message.sent), message.id or None, message.type.name.lower(), message.sent_ms, message.channel_id,
                message.channel_login, message.author_id, message.login, message.shown_name or None, message.text,
                render.sentence(message) or None, list(render.raw_and_tags(message)[1].items()),
                render.as_raw(message),
                removal and removal.by.value, removal and removal.at_ms,
            ))  # fmt: skip
        while len(self._rows) >= _ROWS_IN_GROUP:
            self._write(self._rows[:_ROWS_IN_GROUP])
            del self._rows[:_ROWS_IN_GROUP]

    def end(self) -> None:
        if self._rows:
            self._write(self._rows)
        self._writer.close()

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        columns = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
