"""Postgres' words: identifiers, column types, and values that become text as `types.text.as_text` writes it."""

from __future__ import annotations

import hashlib
import re

from headwater.destinations.dialect import Dialect
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
    MAX_PRECISION,
    MAX_SCALE,
    NAIVE_DATE,
    NAIVE_DATETIME,
    SHORT,
    STRING,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
)

TYPES = {
    BOOLEAN: "boolean",
    SHORT: "smallint",
    INT: "integer",
    LONG: "bigint",
    FLOAT: "real",
    DOUBLE: "double precision",
    NAIVE_DATE: "date",
    NAIVE_DATETIME: "timestamp without time zone",
    UTC_DATETIME: "timestamp with time zone",
    BINARY: "bytea",
    XML: "text",
    STRING: "text",
    JSON: "jsonb",
}
_NAMES = {sql: name for name, sql in TYPES.items() if name != XML}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")

# Longer names are cut by Postgres without a word, and two may become one.
NAME_BYTES = 63
# What each Postgres table has already.
SYSTEM_NAMES = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_HASH_DIGITS = 16
_HASHED = re.compile(rf"__[0-9a-f]{{{_HASH_DIGITS}}}\Z")

# The staging table of one part of a batch.
BATCH = 'pg_temp."batch"'


def stored_name(name: str) -> str:
    """Choose what a schema, table or column is called in Postgres: its name, or its beginning and a hash of it.

    A name that looks like one with a hash gets a hash itself, so that no two names meet.

    >>> stored_name("Order lines"), stored_name("ctid")
    ('Order lines', 'ctid__a67689179f722010')
    >>> len(stored_name("n" * 64))
    63
    """
    raw = name.encode()
    fits = len(raw) <= NAME_BYTES and "\0" not in name and name not in SYSTEM_NAMES
    if fits and not _HASHED.search(name):
        return name
    suffix = "__" + hashlib.sha256(raw).hexdigest()[:_HASH_DIGITS]
    beginning = raw[: NAME_BYTES - len(suffix)].decode(errors="ignore").replace("\0", "")
    return beginning + suffix


def quote(name: str) -> str:
    """Write a name as a Postgres identifier.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + stored_name(name).replace('"', '""') + '"'


def table_name(table: Table) -> str:
    return f"{quote(table.schema)}.{quote(table.name)}"


def sql_type(kind: ColumnType) -> str:
    """Write a type as `format_type` shows it.

    >>> sql_type(decimal_type(9, 2)), sql_type(ColumnType(LONG))
    ('numeric(9,2)', 'bigint')
    """
    return f"numeric({kind.precision},{kind.scale})" if kind.name == DECIMAL else TYPES[kind.name]


def column_type(sql: str) -> ColumnType:
    """Name the type of a column that headwater did not make.

    What has no counterpart counts as text: values are not fitted to it, and Postgres refuses the text rather
    than round it.

    >>> str(column_type("numeric(9,2)")), str(column_type("timestamp(3) without time zone"))
    ('DECIMAL(9,2)', 'STRING')
    """
    numeric = _NUMERIC.fullmatch(sql)
    if numeric and int(numeric[1]) <= MAX_PRECISION and int(numeric[2]) <= MAX_SCALE:
        return decimal_type(int(numeric[1]), int(numeric[2]))
    return ColumnType(_NAMES.get(sql, STRING))


def _iso(column: str) -> str:
    whole, exact = (f"to_char({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS{rest}')" for rest in ("", ".US"))
    return f"CASE WHEN date_trunc('second', {column}) = {column} THEN {whole} ELSE {exact} END"


# Digits that always, and digits that never, fall short of telling two normal floats apart; the smallest normal
# float; and the one from which on the former may round up to what is no float any more.
_FLOAT_DIGITS = {
    FLOAT: (range(6, 10), "1.17549435e-38", "'Infinity'"),
    DOUBLE: (range(15, 18), "2.2250738585072014e-308", "1.79769313486231e308"),
}


def _float_text(column: str, kind: ColumnType) -> str:
    """Write a float with the fewest digits that give it back, in Python's spelling.

    Postgres' own text will not do: it has a digit more than needed for one large number in a hundred,
    and an exponent from 1e+15 on (real: 1e+06), where Python has one from 1e+16 on.
    """
    lengths, smallest, largest = _FLOAT_DIGITS[kind.name]
    scientific = [f"ltrim(to_char({column}, '9.{'9' * (digits - 1)}EEEE'))" for digits in lengths]
    exact = " ".join(f"WHEN {text}::{sql_type(kind)} = {column} THEN {text}" for text in scientific[:-1])
    shortest = f"CASE {exact} ELSE {scientific[-1]} END"
    number = f"({shortest})::numeric"
    own = f"{column} IN ('NaN', 'Infinity', '-Infinity') OR abs({column}) NOT BETWEEN {smallest} AND {largest}"
    if kind.name == DOUBLE:
        # The neighbours of a power of two are not equally far: Python takes the shorter text of the farther side.
        power = f"right(encode(float8send({column}), 'hex'), 13) = '{'0' * 13}'"
        own += f" OR {power} AND abs({column}) NOT BETWEEN 0.0001 AND 1e16"
    return (
        f"CASE WHEN {own} THEN {column}::text "
        f"WHEN abs({number}) >= 0.0001 AND abs({number}) < 1e16 THEN trim_scale({number})::text "
        f"ELSE regexp_replace({shortest}, '[.]?0*e', 'e') END"
    )


def _base64(column: str) -> str:
    return f"translate(encode({column}, 'base64'), E'\\n', '')"


POSTGRES = Dialect(quote, table_name, sql_type, _float_text, _iso, _base64)
