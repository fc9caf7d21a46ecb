"""STRING and XML, and the text that any other column's values become when the column is promoted to STRING.

| type    | 2.13.1 takes (`STRICT`)   | `LENIENT` takes |
|---------|---------------------------|-----------------|
| STRING  | anything, as `str(value)` | the same        |
| XML     | text and UTF-8 bytes      | the same        |
| DECIMAL | text and UTF-8 bytes      | see numeric.py  |

Source: rules A-71, A-72, A-74 and B-44.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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
from headwater.types.numeric import rounded_to_32_bits

EXPECTED_XML = "expected text (str), or its bytes in UTF-8"
EXPECTED_UNICODE = "expected text without lone surrogates (halves of a UTF-16 pair), which UTF-8 cannot write"


def strict_text(value: object) -> str:
    """What protobuf makes of a value for a text field: text or UTF-8 bytes, nothing else."""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError("bad argument type for built-in operation")
    return _encodable(value)


def strict_string(value: object) -> str:
    return _encodable(value if isinstance(value, str) else str(value))


def lenient_xml(value: object) -> str:
    if not isinstance(value, (str, bytes)):
        raise TypeError(EXPECTED_XML)
    try:
        return strict_text(value)
    except UnicodeEncodeError:
        raise ValueError(EXPECTED_UNICODE) from None
    except UnicodeDecodeError:
        raise ValueError(EXPECTED_XML) from None


def lenient_string(value: object) -> str:
    """
    >>> lenient_string(True), lenient_string(b"ab")
    ('True', "b'ab'")
    """
    try:
        return strict_string(value)
    except UnicodeEncodeError:
        raise ValueError(EXPECTED_UNICODE) from None


def as_text(column_type: ColumnType, value: Any) -> str:
    """The text of `value`, a canonical value of a `column_type` column, once that column holds STRING.

    The same value gives the same text whether it is still in memory or was stored before: FLOAT is read
    as 32 bits, DECIMAL has the digits of its scale.

    >>> as_text(ColumnType(DOUBLE), 42.0), as_text(ColumnType(BOOLEAN), True)
    ('42', 'true')
    >>> as_text(ColumnType(DECIMAL, 10, 2), Decimal("1E+2"))
    '100.00'
    """
    if column_type.name == DECIMAL:
        return _decimal_text(value, column_type.scale)
    return _AS_TEXT[column_type.name](value)


def _encodable(text: str) -> str:
    text.encode()
    return str.__str__(text)  # the characters of an enum member, not its name


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


def _decimal_text(value: Decimal, scale: int) -> str:
    digits = format(value, "f")
    whole, _, fraction = digits.partition(".")
    # More digits than the scale are kept: they are why the column had to become STRING.
    fraction = fraction.rstrip("0").ljust(scale, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _double_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value)).removesuffix(".0")


def _float_text(value: float) -> str:
    return _double_text(_shortest_of_32_bits(value))


def _shortest_of_32_bits(value: float) -> float:
    """The number with the fewest decimal digits that is `value` in 32 bits.

    >>> _shortest_of_32_bits(0.10000000149011612), _shortest_of_32_bits(123456789.123)
    (0.1, 123456790.0)
    """
    stored = rounded_to_32_bits(value)
    if not math.isfinite(stored):  # NaN; or beyond 32 bits, so that its column cannot stay FLOAT
        return value
    # Nine digits tell any two 32-bit floats apart.
    candidates = (float(f"{stored:.{digits}g}") for digits in range(1, 10))
    return next(number for number in candidates if rounded_to_32_bits(number) == stored)


def _utc_text(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _base64_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_AS_TEXT: dict[str, Callable[[Any], str]] = {
    BOOLEAN: _boolean_text,
    SHORT: str,
    INT: str,
    LONG: str,
    FLOAT: _float_text,
    DOUBLE: _double_text,
    NAIVE_DATE: lambda value: str(value.isoformat()),
    NAIVE_DATETIME: lambda value: str(value.isoformat()),
    UTC_DATETIME: _utc_text,
    BINARY: _base64_text,
    XML: str,
    STRING: str,
    JSON: str,
}

STRICT: dict[str, Callable[[Any], object]] = {STRING: strict_string, XML: strict_text, DECIMAL: strict_text}
LENIENT: dict[str, Callable[[Any], object]] = {STRING: lenient_string, XML: lenient_xml}
