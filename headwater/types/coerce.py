"""What a declared column makes of a value: what fivetran-connector-sdk 2.13.1 makes of it, or all of it.

Takes     one value and the column's declared type
Gives     the canonical Python value of that type: see the tables in the modules of the families
Promises  `lenient` takes what either wire mode of 2.13.1 takes, and refuses rather than rounds
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from headwater.types import binary, json, numeric, temporal, text
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
)

_FAMILIES = (numeric, text, temporal, binary, json)
_STRICT: dict[str, Callable[[Any], object]] = {k: v for family in _FAMILIES for k, v in family.STRICT.items()}
_LENIENT: dict[str, Callable[[Any], object]] = {k: v for family in _FAMILIES for k, v in family.LENIENT.items()}

# Exact types whose values `lenient` returns unchanged and `pa.array` takes as they are, or raises.
# A datetime is not among them: Arrow lets year 1 at +05:30 wrap around to a year that no calendar has.
DIRECT: dict[str, frozenset[type]] = {
    BOOLEAN: frozenset({bool}),
    SHORT: frozenset({int}),
    INT: frozenset({int}),
    LONG: frozenset({int}),
    DECIMAL: frozenset({Decimal}),
    FLOAT: frozenset({float}),
    DOUBLE: frozenset({float}),
    NAIVE_DATE: frozenset({date}),
    NAIVE_DATETIME: frozenset(),
    UTC_DATETIME: frozenset(),
    BINARY: frozenset({bytes}),
    XML: frozenset({str}),
    STRING: frozenset({str}),
    JSON: frozenset(),
}


def strict(column_type: ColumnType, value: object) -> object:
    """What 2.13.1 puts on the wire for `value`, as a Python value.

    DECIMAL is the text as given, FLOAT is rounded to 32 bits.

    Errors: the very exception that 2.13.1 raises in the op call, with its message.

    >>> strict(ColumnType(DECIMAL, 10, 2), "1.5")
    '1.5'
    """
    return None if value is None else _STRICT[column_type.name](value)


def lenient(column_type: ColumnType, value: object) -> object:
    """The canonical value of `value`, which either wire mode of 2.13.1 takes, or None if it is missing.

    Integers have any size, FLOAT has all 64 bits, DECIMAL all its digits: whoever stores them checks the
    range and lets the column grow. NaT and NA of pandas are missing values.

    Errors: TypeError or ValueError that says what would be accepted, without the value.

    >>> lenient(ColumnType(DECIMAL, 10, 2), "1.5")
    Decimal('1.5')
    """
    return None if value is None or _is_missing(value) else _LENIENT[column_type.name](value)


def remark(column_type: ColumnType, value: object) -> str | None:
    """One clause on what 2.13.1 does otherwise with `value`, which `lenient` takes; None if nothing.

    >>> remark(ColumnType(DECIMAL, 10, 2), Decimal("1.5"))
    "Fivetran's SDK 2.13.1 refuses Decimal for a DECIMAL column (TypeError)"
    >>> remark(ColumnType(NAIVE_DATE), datetime(2024, 2, 29, 1, 2, 3))
    "Fivetran's SDK 2.13.1 stores 2024-02-29 without its time, and so do we"
    """
    ours = lenient(column_type, value)
    try:
        theirs = strict(column_type, value)
    except (TypeError, AttributeError) as error:
        return f"{_SDK} refuses {_refused(column_type, value, error)}"
    except (ValueError, OverflowError) as error:
        return f"{_SDK} refuses this {_refused(column_type, value, error)}"
    if not _same(column_type, theirs, ours):
        return f"{_SDK} would store {theirs}"
    if column_type.name == NAIVE_DATE and isinstance(value, datetime) and value.time() != time.min:
        return f"{_SDK} stores {theirs} without its time, and so do we"
    return None


_SDK = "Fivetran's SDK 2.13.1"


def _refused(column_type: ColumnType, value: object, error: Exception) -> str:
    article = "an" if column_type.name in (INT, XML) else "a"
    return f"{type(value).__name__} for {article} {column_type.name} column ({type(error).__name__})"


def _is_missing(value: object) -> bool:
    kind = type(value)
    return kind.__name__ in ("NaTType", "NAType") and kind.__module__.partition(".")[0] == "pandas"


def _same(column_type: ColumnType, theirs: Any, ours: Any) -> bool:
    if ours is None:
        return theirs is None
    if column_type.name == DECIMAL:
        return bool(Decimal(theirs) == ours)
    if column_type.name == FLOAT and abs(theirs) != float("inf"):
        ours = numeric.rounded_to_32_bits(ours)  # a FLOAT column holds 32 bits: nobody expects more
    return bool(theirs == ours or (theirs != theirs and ours != ours))
