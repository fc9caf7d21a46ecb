"""The fourteen column types, and what a column becomes when it has to hold two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SHORT = "SHORT"
INT = "INT"
LONG = "LONG"
DECIMAL = "DECIMAL"
FLOAT = "FLOAT"
DOUBLE = "DOUBLE"
BOOLEAN = "BOOLEAN"
NAIVE_DATE = "NAIVE_DATE"
NAIVE_DATETIME = "NAIVE_DATETIME"
UTC_DATETIME = "UTC_DATETIME"
BINARY = "BINARY"
XML = "XML"
STRING = "STRING"
JSON = "JSON"

TYPE_NAMES = (
    BOOLEAN, SHORT, INT, LONG, DECIMAL, FLOAT, DOUBLE,
    NAIVE_DATE, NAIVE_DATETIME, UTC_DATETIME, BINARY, XML, STRING, JSON,
)  # fmt: skip

MAX_PRECISION = 38
MAX_SCALE = 37


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One column's type: a name of `TYPE_NAMES`, and for DECIMAL its digits.

    precision  digits in all, 1 to 38; scale  digits after the point, 0 to 37 (rule B-40)
    held       what decides over the next type although it is stored alike, see `UNTYPED` and `BIG_LONG`
    """

    name: str
    precision: int = 0
    scale: int = 0
    held: Literal["", "nothing", "big"] = ""

    def __str__(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})" if self.name == DECIMAL else self.name


def decimal_type(precision: int, scale: int) -> ColumnType:
    return ColumnType(DECIMAL, precision, scale)


# The integer types, smallest first, with the digits each may need.
INTEGER_DIGITS = {SHORT: 5, INT: 10, LONG: 19}
INTEGERS = tuple(INTEGER_DIGITS)
FLOATS = (FLOAT, DOUBLE)

# From here to its negative every integer has a float of its own; beyond, Arrow counts none as exact.
LARGEST_EXACT_INTEGER = 2**53

# Text until the first value comes, and then whatever that value is.
UNTYPED = ColumnType(STRING, held="nothing")
# A LONG that has been given an integer beyond LARGEST_EXACT_INTEGER, whether it still holds it or not.
BIG_LONG = ColumnType(LONG, held="big")


def promote(one: ColumnType, other: ColumnType) -> ColumnType:
    """Choose the narrowest type that holds the values of both without loss.

    It does not matter in which order, or in which groups, several types are promoted: what a column becomes depends
    only on what it has been given.

    Source: rule B-43.

    >>> str(promote(ColumnType("INT"), decimal_type(5, 2)))
    'DECIMAL(12,2)'
    >>> str(promote(ColumnType("BOOLEAN"), ColumnType("DOUBLE")))
    'STRING'
    >>> str(promote(ColumnType("LONG"), ColumnType("DOUBLE"))), str(promote(BIG_LONG, ColumnType("DOUBLE")))
    ('DOUBLE', 'STRING')
    """
    if one == other or other == UNTYPED:
        return one
    if one == UNTYPED:
        return other
    names = {one.name, other.name}
    if names <= set(INTEGERS):
        return max(one, other, key=lambda kind: (INTEGER_DIGITS[kind.name], kind.held))
    if names <= {*INTEGERS, DECIMAL}:
        return _promote_exact(one, other)
    if names <= {*INTEGERS, *FLOATS}:
        return ColumnType(STRING if BIG_LONG in (one, other) else DOUBLE)
    if names == {NAIVE_DATE, NAIVE_DATETIME}:
        return ColumnType(NAIVE_DATETIME)
    return ColumnType(STRING)


def _promote_exact(one: ColumnType, other: ColumnType) -> ColumnType:
    (digits_one, scale_one), (digits_other, scale_other) = _digits(one), _digits(other)
    scale = max(scale_one, scale_other)
    precision = scale + max(digits_one - scale_one, digits_other - scale_other)
    return decimal_type(precision, scale) if precision <= MAX_PRECISION else ColumnType(STRING)


def _digits(kind: ColumnType) -> tuple[int, int]:
    return (kind.precision, kind.scale) if kind.name == DECIMAL else (INTEGER_DIGITS[kind.name], 0)
