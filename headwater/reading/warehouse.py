"""What a reader gives, whatever the database: tables, columns, counts and rows as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headwater.state import Commit

Json = str | int | float | bool | None

_WHOLE = {
    *(f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")),
    *("smallint", "integer", "bigint"),
}
_FLOATS = {"FLOAT", "DOUBLE", "real", "double precision"}
_BOOLEANS = {"BOOLEAN", "boolean"}


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, by the names it is stored under.

    catalog  the database's own name, where a schema could be taken for one
    """

    schema: str
    name: str
    catalog: str | None = None

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        return ".".join(quote(part) for part in (self.catalog, self.schema, self.name) if part is not None)


def quote(name: str) -> str:
    """Write a name as an identifier of SQL.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Sort:
    """One column to sort by; NULL comes last."""

    column: str
    descending: bool = False

    @property
    def sql(self) -> str:
        return f"{quote(self.column)} {'DESC' if self.descending else 'ASC'} NULLS LAST"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows and columns of a table.

    columns  all of them, when none is named
    where    a condition in the database's own SQL
    limit    how many rows at most; None for all
    offset   how many rows to pass over first
    """

    columns: tuple[str, ...] = ()
    where: str | None = None
    sort: tuple[Sort, ...] = ()
    limit: int | None = None
    offset: int = 0

    def sql(self, table: TableName) -> str:
        """Write the query, without the limit.

        >>> Selection(("id",), "paid", (Sort("total", descending=True),)).sql(TableName("shop", "orders"))
        'SELECT "id" FROM "shop"."orders" WHERE (paid\\n) ORDER BY "total" DESC NULLS LAST'
        """
        columns = ", ".join(map(quote, self.columns)) or "*"
        order = f" ORDER BY {', '.join(each.sql for each in self.sort)}" if self.sort else ""
        return f"SELECT {columns} FROM {table.quoted}{where_sql(self.where)}{order}"  # noqa: S608 - names are quoted


def where_sql(condition: str | None) -> str:
    """Write a condition as a clause; a comment at its end does not swallow the bracket."""
    return f" WHERE ({condition}\n)" if condition else ""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query gives.

    columns  names and the database's types; a query may give two columns one name
    rows     values as the database writes them, since Python has no dates past 9999, and none that are infinite;
             booleans are `true` and `false`, bytes are base64
    more     there are rows beyond these
    """

    columns: list[tuple[str, str]]
    rows: list[tuple[str | None, ...]]
    more: bool = False

    def as_json(self) -> list[dict[str, Json]]:
        """Give the rows as JSON has them: whole numbers, floats and booleans as such, all else as text."""
        return [
            {name: _json(text, kind) for (name, kind), text in zip(self.columns, row, strict=True)} for row in self.rows
        ]


def limited(columns: list[tuple[str, str]], rows: Sequence[tuple[str | None, ...]], limit: int | None) -> Rows:
    """Make `Rows` of up to `limit + 1` rows that were read."""
    if limit is not None and len(rows) > limit:
        return Rows(columns, list(rows[:limit]), more=True)
    return Rows(columns, list(rows))


def _json(text: str | None, kind: str) -> Json:
    if text is None:
        return None
    if kind in _BOOLEANS:
        return text == "true"
    if kind in _WHOLE:
        return int(text)
    if kind in _FLOATS and (number := float(text)) - number == 0:  # JSON has no NaN and no infinity
        return number
    return text


class Warehouse(Protocol):
    """A database that is open for reading; no query can change it."""

    def tables(self) -> list[TableName]:
        """List the tables that hold rows of connectors, headwater's own left out."""

    def loaded(self) -> list[tuple[str, str]]:
        """List the schema and name of every table that headwater has a record of; none where it has never been."""

    def connections(self) -> list[str]:
        """List the connections whose state is kept here."""

    def committed(self, connection: str) -> tuple[int, Commit | None]:
        """Give the newest epoch of a connection, 0 where it has never been, and its last commit."""

    def columns(self, table: TableName) -> list[tuple[str, str]]:
        """List names and types, in the table's order."""

    def count(self, table: TableName, where: str | None = None) -> int:
        """Count the rows, those marked as deleted included.

        Errors: ConfigurationError when the database refuses the condition.
        """

    def rows(self, table: TableName, selection: Selection) -> Rows:
        """Read rows.

        Errors: ConfigurationError when the database refuses the condition.
        """

    def query(self, sql: str, limit: int | None) -> Rows:
        """Run one query.

        Errors: ConfigurationError when it is no query, or the database refuses it.
        """
