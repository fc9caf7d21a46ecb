"""A `schema()` entry from sample records, with types that later records are most likely to fit.

In a connector, or once on the command line to write the entry down::

    def schema(configuration):
        return [infer_schema("orders", SAMPLE_ORDERS, ["id"])]

A sample never shows everything, so the choice is the widest type that keeps each value exactly: whole numbers
are LONG however small, text stays STRING, kinds that do not go together are STRING or JSON. A column that was
empty in every record is left out, and its type is found when its first value comes.

Decimals are DECIMAL, the one type that keeps them as numbers. Emit them as text (`records.exact`), which is all that
Fivetran's SDK 2.13.1 takes there; without a declared type it would make them a column of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

ColumnType = str | dict[str, object]

_EXACT_IN_DOUBLE = 2**53
_DECIMAL_PRECISION = 38  # what every warehouse holds
_DECIMAL_SCALE = 9  # room for later values, with 29 digits left before the point

_DAY = r"\d{4}-\d\d-\d\d"
_TEXT_TYPES = {
    "NAIVE_DATE": re.compile(_DAY),
    "NAIVE_DATETIME": re.compile(rf"{_DAY}[T ]\d\d:\d\d:\d\d(\.\d{{1,6}})?"),
    "UTC_DATETIME": re.compile(rf"{_DAY}[T ]\d\d:\d\d:\d\d(\.\d{{1,6}})?(Z|[+-]\d\d:\d\d)"),
}


@dataclass
class _Column:
    """What was seen in one column."""

    kinds: set[str] = field(default_factory=set)
    largest: int = 0  # of the whole numbers, without sign
    whole_digits: int = 0  # of the decimals, before the point
    scale: int = 0  # of the decimals, after it
    text_types: set[str] = field(default_factory=lambda: set(_TEXT_TYPES))  # that all texts fit


def infer_schema(
    table: str,
    records: Iterable[Mapping[str, object]],
    primary_key: Sequence[str] = (),
    *,
    read_times: bool = False,
) -> dict[str, object]:
    """Give the `schema()` entry of `table`: its primary key and its column types, in the order they appear.

    records      sample rows as they will be emitted; the more, the better
    read_times   also look into text: a column becomes NAIVE_DATE, NAIVE_DATETIME or UTC_DATETIME if every text
                 in it is one in ISO 8601. Off by default, since a column of dates may hold "unknown" tomorrow

    Errors: ValueError when a sample lacks a primary key, or a column name is not text.

    >>> infer_schema("orders", [{"id": 1, "paid": True}, {"id": 2, "price": 9.5}], ["id"])["columns"]
    {'id': 'LONG', 'paid': 'BOOLEAN', 'price': 'DOUBLE'}
    """
    if isinstance(primary_key, str):
        raise ValueError(f"{table}: primary_key is the text {primary_key!r}: give a list, [{primary_key!r}]")
    columns: dict[str, _Column] = {}
    for number, record in enumerate(records, start=1):
        missing = [column for column in primary_key if record.get(column) is None]
        if missing:
            raise ValueError(f"{table}: sample {number} has no {', '.join(missing)}, which is in the primary key")
        for name, value in record.items():
            if not isinstance(name, str):
                raise ValueError(f"{table}: sample {number} has the column name {name!r}, which is not text")
            if value is not None:
                _see(columns.setdefault(name, _Column()), value)
    types = {name: _column_type(column, read_times) for name, column in columns.items()}
    return {"table": table, "primary_key": list(primary_key), "columns": types}


def _see(column: _Column, value: object) -> None:
    value = _plain(value)
    kind = _kind(value)
    column.kinds.add(kind)
    if isinstance(value, int):
        column.largest = max(column.largest, abs(value))
    elif isinstance(value, Decimal) and kind == "decimal":
        _, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)  # a finite decimal
        column.scale = max(column.scale, -exponent)
        column.whole_digits = max(column.whole_digits, len(digits) + exponent)
    elif isinstance(value, str):
        column.text_types = {name for name in column.text_types if _is_time(name, value)}


def _plain(value: object) -> object:
    """Turn numpy's and pandas' own scalars into what they mean."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def _kind(value: object) -> str:
    """Name the family of a value."""
    if isinstance(value, datetime):
        return "naive datetime" if value.tzinfo is None else "aware datetime"
    if isinstance(value, Decimal) and not value.is_finite():
        return "other"
    return next((kind for kind, types in _KINDS if isinstance(value, types)), "other")


# In this order: bool is an int.
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("bool", (bool,)),
    ("int", (int,)),
    ("float", (float,)),
    ("decimal", (Decimal,)),
    ("text", (str,)),
    ("bytes", (bytes, bytearray, memoryview)),
    ("date", (date,)),
    ("nested", (Mapping, list, tuple)),
)


def _column_type(column: _Column, read_times: bool) -> ColumnType:
    if "nested" in column.kinds:
        # JSON holds any mixture of what JSON holds; a date or bytes beside an object would be refused in it.
        return "JSON" if column.kinds <= {"nested", "bool", "int", "float", "text"} else "STRING"
    if column.kinds <= {"int", "float"} and "float" in column.kinds:
        return "DOUBLE" if column.largest <= _EXACT_IN_DOUBLE else "STRING"
    if column.kinds <= {"int", "decimal"} and "decimal" in column.kinds:
        return _decimal_type(column)
    if len(column.kinds) == 1:
        return _TYPES[next(iter(column.kinds))](column, read_times)
    return "STRING"


def _decimal_type(column: _Column) -> ColumnType:
    whole_digits = max(column.whole_digits, len(str(column.largest)))
    scale = max(column.scale, min(_DECIMAL_SCALE, _DECIMAL_PRECISION - whole_digits))
    if whole_digits + scale > _DECIMAL_PRECISION:
        return "STRING"
    return {"type": "DECIMAL", "precision": _DECIMAL_PRECISION, "scale": scale}


def _text_type(column: _Column, read_times: bool) -> ColumnType:
    return next(iter(column.text_types)) if read_times and column.text_types else "STRING"


_TYPES: Mapping[str, Callable[[_Column, bool], ColumnType]] = {
    "bool": lambda column, _: "BOOLEAN",
    "int": lambda column, _: "LONG" if column.largest < 2**63 else "STRING",
    "text": _text_type,
    "bytes": lambda column, _: "BINARY",
    "date": lambda column, _: "NAIVE_DATE",
    "naive datetime": lambda column, _: "NAIVE_DATETIME",
    "aware datetime": lambda column, _: "UTC_DATETIME",
    "other": lambda column, _: "STRING",
}


def _is_time(name: str, text: str) -> bool:
    """Whether `text` is written like the type `name` and is a real day and time (no 31 February)."""
    if not _TEXT_TYPES[name].fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
