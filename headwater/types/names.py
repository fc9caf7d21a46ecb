"""The fourteen column types, and what a column becomes when it has to hold two of them."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})" if self.name == DECIMAL else self.name


def decimal_type(precision: int, scale: int) -> ColumnType:
    return ColumnType(DECIMAL, precision, scale)
