"""Random values of every column type, as the engine gives them to a destination."""

from __future__ import annotations

import json
from datetime import UTC
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

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
    TYPE_NAMES,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
)

# What ends, separates or escapes in one of COPY's formats.
LOOK_ALIKE = ["\\.", "\\N", "\\", "\t", "\r\n", "a\tb\n\\.\n", '"', '""', ",", "PGCOPY\n", "\u00ff\u00ff", "NULL", ""]
LOOK_ALIKE_BYTES = [b"\xff\xff\xff\xff", b"\xff\xff", b"PGCOPY\n\xff\r\n\0", b"\0", b"\\x00", b"\\.", b""]

_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_texts = st.sampled_from(LOOK_ALIKE) | st.text(_characters, max_size=40)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_datetimes = st.datetimes().map(lambda moment: moment.replace(fold=0))


def _decimals(kind: ColumnType) -> st.SearchStrategy[Decimal]:
    largest = 10**kind.precision - 1
    digits = st.integers(-largest, largest) | st.integers(-20_000, 20_000).filter(lambda value: abs(value) <= largest)
    return digits.map(lambda value: decimal_of(value, kind))


def decimal_of(digits: int, kind: ColumnType) -> Decimal:
    """Give the decimal of a type with these digits, its point left out."""
    return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -kind.scale))


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    SHORT: st.integers(-(2**15), 2**15 - 1),
    INT: st.integers(-(2**31), 2**31 - 1),
    LONG: st.integers(-(2**63), 2**63 - 1),
    FLOAT: st.floats(width=32),
    DOUBLE: st.floats(),
    NAIVE_DATE: st.dates(),
    NAIVE_DATETIME: _datetimes,
    UTC_DATETIME: _datetimes.map(lambda moment: moment.replace(tzinfo=UTC)),
    BINARY: st.sampled_from(LOOK_ALIKE_BYTES) | st.binary(max_size=40),
    XML: _texts,
    STRING: _texts,
    JSON: _json.map(json.dumps) | _json.map(lambda value: json.dumps(value, ensure_ascii=False)),
}


@st.composite
def column_types(draw: st.DrawFn) -> ColumnType:
    name = draw(st.sampled_from(TYPE_NAMES))
    if name != DECIMAL:
        return ColumnType(name)
    precision = draw(st.integers(1, MAX_PRECISION))
    return decimal_type(precision, draw(st.integers(0, min(precision, MAX_SCALE))))


def values_of(kind: ColumnType) -> st.SearchStrategy[Any]:
    return _decimals(kind) if kind.name == DECIMAL else _VALUES[kind.name]


@st.composite
def columns(draw: st.DrawFn, *, max_columns: int, max_rows: int) -> list[tuple[ColumnType, list[Any]]]:
    """Draw columns of equally many values; some hold NULL, some nothing else."""
    rows = draw(st.integers(0, max_rows))
    drawn = []
    for kind in draw(st.lists(column_types(), min_size=1, max_size=max_columns)):
        value = draw(st.sampled_from([values_of(kind), values_of(kind) | st.none(), st.none()]))
        drawn.append((kind, draw(st.lists(value, min_size=rows, max_size=rows))))
    return drawn
