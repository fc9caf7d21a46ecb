"""DuckDB's words: identifiers, column types, and values that become text as `types.text.as_text` writes it."""

from __future__ import annotations

from headwater.destinations.dialect import Dialect
from headwater.destinations.duckdb_file import CATALOG
from headwater.schema import Table
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INT,
    JSON,
    LONG,
    NAIVE_DATE,
    NAIVE_DATETIME,
    SHORT,
    STRING,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
)

_TYPES = {
    BOOLEAN: "BOOLEAN",
    SHORT: "SMALLINT",
    INT: "INTEGER",
    LONG: "BIGINT",
    FLOAT: "FLOAT",
    DOUBLE: "DOUBLE",
    NAIVE_DATE: "DATE",
    NAIVE_DATETIME: "TIMESTAMP",
    UTC_DATETIME: "TIMESTAMP WITH TIME ZONE",
    BINARY: "BLOB",
    XML: "VARCHAR",
    STRING: "VARCHAR",
    JSON: "VARCHAR",
}
_NAMES = {sql: name for name, sql in _TYPES.items() if name not in (XML, JSON)}


def quote(name: str) -> str:
    """Write a name as a DuckDB identifier.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def table_name(table: Table) -> str:
    # With the file's own name before it: a schema may be called as a database of DuckDB's is, `memory` or `system`.
    return f"{schema_name(table.schema)}.{quote(table.name)}"


def schema_name(name: str) -> str:
    return f"{CATALOG}.{quote(name)}"


def sql_type(kind: ColumnType) -> str:
    return f"DECIMAL({kind.precision},{kind.scale})" if kind.name == DECIMAL else _TYPES[kind.name]


def column_type(sql: str) -> ColumnType:
    """Name the type of a column that headwater did not make; what has no counterpart counts as text.

    >>> str(column_type("DECIMAL(9,2)")), str(column_type("HUGEINT"))
    ('DECIMAL(9,2)', 'STRING')
    """
    if sql.startswith("DECIMAL("):
        precision, scale = sql[8:-1].split(",")
        return decimal_type(int(precision), int(scale))
    return ColumnType(_NAMES.get(sql, STRING))


def _float_text(column: str, kind: ColumnType) -> str:
    return (
        f"CASE WHEN isnan({column}) THEN 'NaN' WHEN isinf({column}) THEN "
        f"CASE WHEN {column} > 0 THEN 'Infinity' ELSE '-Infinity' END "
        f"ELSE regexp_replace(CAST({column} AS VARCHAR), '\\.0$', '') END"
    )


def _iso(column: str) -> str:
    whole, exact = (f"strftime({column}, '%Y-%m-%dT%H:%M:%S{rest}')" for rest in ("", ".%f"))
    return f"CASE WHEN microsecond({column}) % 1000000 = 0 THEN {whole} ELSE {exact} END"


def _base64(column: str) -> str:
    return f"base64({column})"


DUCKDB = Dialect(quote, table_name, sql_type, _float_text, _iso, _base64)
