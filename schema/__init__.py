"""Reads the CQL files: what each table is called, its columns, its key and its options.

Operators edit these files; `store.schema` brings a cluster into line with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

FOLDER = Path(__file__).parent
"""Where the files that come with logstv are."""


class SchemaFileError(Exception):
    """A CQL file that is not one CREATE TABLE; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a file states it.

    Attributes:
        name: in lower case.
        type: in Cassandra's spelling.
        static: whether a partition has one of it, and not each row.
    """

    name: str
    type: str
    static: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What a CQL file says of its table.

    Attributes:
        name: without keyspace.
        columns: all of them, in the order of the file.
        partition_key: names of columns.
        clustering: names of columns and whether they ascend.
        options: what stands after WITH, by name: a text, or the sub-options of a map.
        body: the statement from the first bracket on, without comments.
        path: the file.
    """

    name: str
    columns: tuple[Column, ...]
    partition_key: tuple[str, ...]
    clustering: tuple[tuple[str, bool], ...]
    options: dict[str, str | dict[str, str]]
    body: str
    path: Path

    def create(self, full_name: str) -> str:
        """Give the statement that creates the table under a full name, unless it is there."""
        return f"CREATE TABLE IF NOT EXISTS {full_name} {self.body}"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int


_TOKEN = re.compile(
    r"""
      (?: \s+ | --[^\n]* | //[^\n]* | /\*.*?\*/ )   # space and comments
    | (?P<token>
          ' (?: [^'] | '' )* '  |  \$\$ .*? \$\$      # a string
        | [A-Za-z_]\w*                               # a name, a word
        | -? \d[\w.]* (?: (?<=[eE]) [+-] \d+ )?       # a number
        | .                                          # a sign; whatever has no business here is one too
      )
    """,
    re.DOTALL | re.VERBOSE,
)
_VALUE = re.compile(r"'.*'|\$\$.*\$\$|-?\w[\w.+-]*", re.DOTALL)
_ALIASES = {"varchar": "text"}


def load(folder: Path = FOLDER) -> list[Table]:
    """Read every CQL file of a folder, by name.

    Raises:
        SchemaFileError: the folder has none, one is not a single CREATE TABLE, or two create the same table.
    """
    paths = sorted(folder.glob("*.cql"))
    if not paths:
        raise SchemaFileError(f"{folder} holds no .cql files: name the folder with LOGSTV_SCHEMA_DIR")
    tables: dict[str, Table] = {}
    for path in paths:
        table = read(path)
        if table.name in tables:
            raise SchemaFileError(f"{path} creates the table {table.name}, which {tables[table.name].path} creates too")
        tables[table.name] = table
    return list(tables.values())


def read(path: Path) -> Table:
    """Read one CQL file.

    Raises:
        SchemaFileError: it cannot be read, or is not a single CREATE TABLE.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
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
        self._clustering: list[str] = []

    def table(self) -> Table:
        self._expect("CREATE", "TABLE")
        if self._next_is("IF"):
            self._expect("IF", "NOT", "EXISTS")
        name = self._name("the name of the table")
        start = self._at
        self._expect("(")
        columns, partition, clustering = self._columns()
        order, options = self._options()
        body = " ".join(token.text for token in self._tokens[start : self._at])
        if self._next_is(";"):
            self._take()
        if self._at < len(self._tokens):
            self._fail(f"{self._peek()!r} stands where the statement should end; a file holds one")
        ordered = tuple((column, order.get(column, True)) for column in clustering)
        return Table(name, tuple(columns), tuple(partition), ordered, options, body, self._path)

    def _columns(self) -> tuple[list[Column], list[str], list[str]]:
        columns: dict[str, Column] = {}
        partition: list[str] = []
        clustering: list[str] = []
        key_at = 0
        while True:
            if self._next_is("PRIMARY"):
                key_at = self._at
                self._expect("PRIMARY", "KEY", "(")
                partition, clustering = self._key()
            else:
                column = self._column()
                if column.name in columns:
                    self._fail(f"the column {column.name} stands here for the second time")
                columns[column.name] = column
                if self._next_is("PRIMARY"):
                    key_at = self._at
                    self._expect("PRIMARY", "KEY")
                    partition = [column.name]
            if self._take(",", ")").text == ")":
                break
        if not partition:
            self._fail("the table has no PRIMARY KEY ((partition key), clustering columns)")
        for name in (*partition, *clustering):
            if name not in columns:
                self._fail(f"the key names {name}, which is no column of the table", key_at)
        self._clustering = clustering
        return list(columns.values()), partition, clustering

    def _column(self) -> Column:
        name, spelt = self._name("a column"), self._type()
        static = self._next_is("STATIC")
        if static:
            self._take()
        return Column(name, spelt, static)

    def _type(self) -> str:
        """Read a type, spelt as system_schema spells it: `map<text, int>`."""
        name = self._name("a type")
        if not self._next_is("<"):
            return _ALIASES.get(name, name)
        self._take()
        parts = [self._type_parameter()]
        while self._take(",", ">").text == ",":
            parts.append(self._type_parameter())
        return f"{name}<{', '.join(parts)}>"

    def _type_parameter(self) -> str:
        # The length of a vector<float, 3> is a number.
        return self._take().text if self._peek().isdigit() else self._type()

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
        joint = "WITH"
        while self._next_is(joint):
            self._take()
            joint = "AND"
            name = self._name("an option")
            if name == "clustering":
                order = self._order()
                continue
            self._expect("=")
            if name in options:
                self._fail(f"the option {name} stands here for the second time")
            options[name] = self._map() if self._next_is("{") else self._value()
        return order, options

    def _order(self) -> dict[str, bool]:
        self._expect("ORDER", "BY", "(")
        order: dict[str, bool] = {}
        while True:
            column = self._name("a clustering column")
            if column not in self._clustering:
                self._fail(f"CLUSTERING ORDER names {column}, which is no clustering column")
            order[column] = self._take("ASC", "DESC").text.upper() == "ASC"
            if self._take(",", ")").text == ")":
                return order

    def _map(self) -> dict[str, str]:
        self._expect("{")
        found: dict[str, str] = {}
        while not self._next_is("}"):
            key = self._value()
            self._expect(":")
            found[key] = self._value()
            if not self._next_is("}"):
                self._expect(",")
        self._expect("}")
        return found

    def _value(self) -> str:
        text = self._take().text
        if not _VALUE.fullmatch(text):
            self._at -= 1
            self._fail(
                "a string that begins here has no end" if text == "'" else f"{text!r} stands where a value should"
            )
        if text.startswith("$$"):
            return text[2:-2]
        return text[1:-1].replace("''", "'") if text.startswith("'") else text

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

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        place = min(self._at if at is None else at, len(self._tokens) - 1)
        token = self._tokens[place] if self._tokens else _Token("", 1)
        raise SchemaFileError(f"{self._path}, line {token.line}: {what}")
