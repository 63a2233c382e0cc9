"""Reads the CQL files: what each table is called, its columns, its key and its options.

Operators edit these files; `store.schema` brings a cluster into line with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the files that come with logstv are."""


class SchemaFileError(Exception):
    """A CQL file that is not one CREATE TABLE; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a file states it, its type in Cassandra's spelling."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a CQL file says of its table.

    Attributes:
        name: without keyspace.
        columns: all of them, in the order of the file.
        partition_key: names of columns.
        clustering: names of columns and whether they ascend.
        options: what stands after WITH, by name: a text, or the sub-options of a map.
        cql: the statement, without comments.
        path: the file.
    """

    name: str
    columns: tuple[Column, ...]
    partition_key: tuple[str, ...]
    clustering: tuple[tuple[str, bool], ...]
    options: dict[str, str | dict[str, str]]
    cql: str
    path: Path

    def create(self, full_name: str) -> str:
        """Give the statement that creates the table under a full name, unless it is there."""
        return re.sub(r"(?i)^CREATE\s+TABLE\s+\w+", f"CREATE TABLE IF NOT EXISTS {full_name}", self.cql, count=1)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int


# A comment, a string, a name or number, or a sign; $$ strings and quoted names have no use in our files.
_TOKEN = re.compile(r"(?P<skip>\s+|--[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<token>'(?:[^']|'')*'|[\w.+-]+|.)", re.DOTALL)


def load(folder: Path = FOLDER) -> list[Table]:
    """Read every CQL file of a folder, by name.

    Raises:
        SchemaFileError: the folder has none, or one is not a single CREATE TABLE.
    """
    paths = sorted(folder.glob("*.cql"))
    if not paths:
        raise SchemaFileError(f"{folder} holds no .cql files: name the folder with LOGSTV_SCHEMA_DIR")
    return [read(path) for path in paths]


def read(path: Path) -> Table:
    """Read one CQL file.

    Raises:
        SchemaFileError: it cannot be read, or is not a single CREATE TABLE.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaFileError(f"{path} cannot be read: {error}") from error
    return _Parser(path, text).table()


class _Parser:
    """Reads one CREATE TABLE, token by token."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._tokens: list[_Token] = []
        line = 1
        for match in _TOKEN.finditer(text):
            if match["token"] is not None:
                self._tokens.append(_Token(match["token"], line))
            line += match[0].count("\n")
        self._at = 0

    def table(self) -> Table:
        self._expect("CREATE", "TABLE")
        if self._next_is("IF"):
            self._expect("IF", "NOT", "EXISTS")
        name = self._name("the name of the table")
        self._expect("(")
        columns, partition, clustering = self._columns()
        order, options = self._options()
        if self._next_is(";"):
            self._take()
        if self._at < len(self._tokens):
            self._fail("a file holds one statement, and it ends here")
        unknown = {*partition, *clustering, *order} - {column.name for column in columns}
        if unknown:
            self._fail(f"the key names columns that are not there: {', '.join(sorted(unknown))}")
        cql = " ".join(token.text for token in self._tokens if token.text != ";")
        ordered = tuple((column, order.get(column, True)) for column in clustering)
        return Table(name, tuple(columns), tuple(partition), ordered, options, cql, self._path)

    def _columns(self) -> tuple[list[Column], list[str], list[str]]:
        columns: list[Column] = []
        partition: list[str] = []
        clustering: list[str] = []
        while True:
            if self._next_is("PRIMARY"):
                self._expect("PRIMARY", "KEY", "(")
                partition, clustering = self._key()
            else:
                name = self._name("a column")
                columns.append(Column(name, self._type()))
            if self._take(",", ")").text == ")":
                break
        if not partition:
            self._fail("the table has no PRIMARY KEY ((partition key), clustering columns)")
        return columns, partition, clustering

    def _type(self) -> str:
        """Read a type up to the comma or bracket behind it, spelt as system_schema spells it."""
        depth, parts = 0, []
        while depth or self._peek() not in (",", ")"):
            text = self._take().text.lower()
            depth += (text == "<") - (text == ">")
            parts.append(", " if text == "," else text)
        return "".join(parts)

    def _key(self) -> tuple[list[str], list[str]]:
        partition = []
        if self._next_is("("):
            self._take()
            partition = self._names()
        else:
            partition = [self._name("a column of the key")]
        clustering = self._names() if self._take(",", ")").text == "," else []
        return partition, clustering

    def _names(self) -> list[str]:
        names = [self._name("a column of the key")]
        while self._take(",", ")").text == ",":
            names.append(self._name("a column of the key"))
        return names

    def _options(self) -> tuple[dict[str, bool], dict[str, str | dict[str, str]]]:
        order: dict[str, bool] = {}
        options: dict[str, str | dict[str, str]] = {}
        if not self._next_is("WITH"):
            return order, options
        self._take()
        while True:
            name = self._name("an option")
            if name == "clustering":
                self._expect("ORDER", "BY", "(")
                while True:
                    column = self._name("a clustering column")
                    order[column] = self._take("ASC", "DESC").text.upper() == "ASC"
                    if self._take(",", ")").text == ")":
                        break
            else:
                self._expect("=")
                options[name] = self._map() if self._next_is("{") else _value(self._take().text)
            if not self._next_is("AND"):
                return order, options
            self._take()

    def _map(self) -> dict[str, str]:
        self._expect("{")
        found: dict[str, str] = {}
        while not self._next_is("}"):
            key = _value(self._take().text)
            self._expect(":")
            found[key] = _value(self._take().text)
            if not self._next_is("}"):
                self._expect(",")
        self._expect("}")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next_is(self, word: str) -> bool:
        return self._peek().upper() == word

    def _take(self, *wanted: str) -> _Token:
        if self._at >= len(self._tokens):
            self._fail(f"the file ends where {' or '.join(wanted) or 'more'} should stand")
        token = self._tokens[self._at]
        if wanted and token.text.upper() not in wanted:
            self._fail(f"{token.text!r} stands where {' or '.join(wanted)} should")
        self._at += 1
        return token

    def _expect(self, *words: str) -> None:
        for word in words:
            self._take(word)

    def _name(self, what: str) -> str:
        token = self._take()
        if not re.fullmatch(r"[A-Za-z]\w*", token.text):
            self._at -= 1
            self._fail(f"{token.text!r} stands where {what} should")
        return token.text.lower()

    def _fail(self, what: str) -> None:
        token = self._tokens[min(self._at, len(self._tokens) - 1)] if self._tokens else _Token("", 1)
        raise SchemaFileError(f"{self._path}, line {token.line}: {what}")


def _value(token: str) -> str:
    return token[1:-1].replace("''", "'") if token.startswith("'") else token
