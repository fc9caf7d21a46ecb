"""What SQL databases write alike: lists of names, keys, widened values, and the record of a table's columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headwater.errors import DestinationError
from headwater.log import Logging
from headwater.remedies import remedies
from headwater.schema import Table
from headwater.types.names import BINARY, DOUBLE, FLOAT, NAIVE_DATETIME, STRING, UTC_DATETIME, ColumnType


def require_no_nul(table: str, names: Iterable[str]) -> None:
    """Refuse names that hold U+0000, where a database would cut them there or cannot keep them.

    table  to begin the message with

    Errors: DestinationError.
    """
    for name in names:
        if "\0" in name:
            raise DestinationError(
                f"{table}: the name {name!r} holds U+0000, which this destination does not take in it",
                hint=remedies().name_not_taken,
            )


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words in which a database differs from others; each function takes and gives SQL.

    quote       a name as an identifier
    table_name  a table, with its schema
    sql_type    a column type
    float_text  a float, of the type FLOAT or DOUBLE, as text that Python would write
    iso         a timestamp without zone, as Python writes it: 'T' between, and six digits of a second or none
    base64      bytes as text
    """

    quote: Callable[[str], str]
    table_name: Callable[[Table], str]
    sql_type: Callable[[ColumnType], str]
    float_text: Callable[[str, ColumnType], str]
    iso: Callable[[str], str]
    base64: Callable[[str], str]

    def names(self, columns: Iterable[str]) -> str:
        return ", ".join(map(self.quote, columns))

    def same_key(self, key: Iterable[str]) -> str:
        """Write that a row of the table, `old`, and one of the batch, `batch`, have one key."""
        return " AND ".join(f"old.{self.quote(name)} = batch.{self.quote(name)}" for name in key)

    def assignments(self, columns: Iterable[str]) -> str:
        return ", ".join(f"{self.quote(name)} = batch.{self.quote(name)}" for name in columns)

    def cast(self, column: str, target: ColumnType) -> str:
        return f"CAST({column} AS {self.sql_type(target)})"

    def converted(self, column: str, kind: ColumnType, target: ColumnType) -> str:
        """Write what gives a column's values as `target`; texts equal those of `types.text.as_text`."""
        if target.name == STRING:
            if kind.name in (FLOAT, DOUBLE):
                return self.float_text(column, kind)
            if kind.name == UTC_DATETIME:
                at_utc = f"({column} AT TIME ZONE 'UTC')"
                return f"({self.iso(at_utc)}) || 'Z'"
            if kind.name == NAIVE_DATETIME:
                return self.iso(column)
            if kind.name == BINARY:
                return self.base64(column)
        return self.cast(column, target)


def columns_text(table: Table) -> str:
    """Write the columns of a table as `_headwater.tables` keeps them: SQL alone does not tell JSON from text."""
    return json.dumps(
        {
            name: [kind.name, kind.precision, kind.scale, *([kind.held] if kind.held else [])]
            for name, kind in table.columns.items()
        }
    )


def columns_from(text: str) -> dict[str, ColumnType]:
    return {name: ColumnType(*kind) for name, kind in json.loads(text).items()}


def warn_of_dropped(schema: str, name: str) -> None:
    """Say that a table is gone which headwater has made: the state still speaks of its rows."""
    Logging.warning(
        f"{schema}.{name}: somebody has dropped this table; it is made anew, and the rows it had come back "
        f"{remedies().all_rows}"
    )
