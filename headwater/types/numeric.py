"""BOOLEAN, SHORT, INT, LONG, DECIMAL, FLOAT and DOUBLE: what each makes of a Python value.

| type          | 2.13.1 takes (`STRICT`)                  | `LENIENT` takes                              |
|---------------|------------------------------------------|----------------------------------------------|
| BOOLEAN       | bool, integers of 64 bits, numpy bool    | and any integer, floats, '0', '1'            |
| SHORT, INT    | integers of 32 bits                      | and any integer, what `int()` takes, but not |
| LONG          | integers of 64 bits                      | a number with a fraction                     |
| DECIMAL       | text and UTF-8 bytes, whatever they say  | those that are a number; int, Decimal        |
| FLOAT, DOUBLE | numbers; FLOAT rounds to 32 bits         | and text of a number, but nothing that loses |
|               |                                          | more than a literal in Python source does    |

Source: rules A-60 to A-66 and A-76; messages as fivetran-connector-sdk 2.13.1 raises them on CPython 3.11.
"""

from __future__ import annotations

import decimal
import math
import numbers
import operator
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from headwater.types.names import BOOLEAN, DECIMAL, DOUBLE, FLOAT, INT, LONG, SHORT

EXPECTED_BOOLEAN = "expected True, False, a number, '0' or '1'"
EXPECTED_INTEGER = "expected an integer, or a number or text without a fraction, like 42.0 or '42'"
EXPECTED_FLOAT = "expected a number, or text like '1.5'"
EXPECTED_FLOAT_RANGE = "expected a number within the range of a 64-bit float, about 1.8e308"
EXPECTED_EXACT_FLOAT = (
    "expected an integer that a 64-bit float holds exactly, as it holds each up to 2**53: "
    "declare the column LONG or DECIMAL"
)
EXPECTED_DECIMAL = "expected an int, a decimal.Decimal, or text like '1.50'"


def strict_boolean(value: Any) -> bool:
    if _is_numpy(value, "bool", "bool_"):
        return bool(value)
    _refuse_array(value, "bool")
    number = operator.index(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError("Python int too large to convert to C long")
    return number != 0


def strict_int32(value: Any) -> int:
    return _within(operator.index(value), 32)


def strict_int64(value: Any) -> int:
    return _within(operator.index(value), 64)


def strict_float32(value: Any) -> float:
    _refuse_array(value, "float")
    return rounded_to_32_bits(_c_double(value))


def strict_float64(value: Any) -> float:
    _refuse_array(value, "double")
    return _c_double(value)


def rounded_to_32_bits(number: float) -> float:
    """The 32-bit float nearest to `number`, as C casts it: infinite beyond the range.

    >>> rounded_to_32_bits(0.1), rounded_to_32_bits(-1e39)
    (0.10000000149011612, -inf)
    """
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def lenient_boolean(value: Any) -> bool:
    """
    >>> lenient_boolean("1"), lenient_boolean(0.0)
    (True, False)
    """
    if isinstance(value, (int, float)) or _is_numpy(value, "bool", "bool_"):
        return bool(value)
    if isinstance(value, str):
        if value not in ("0", "1"):
            raise ValueError(EXPECTED_BOOLEAN)
        return value == "1"
    try:
        return operator.index(value) != 0
    except TypeError:
        raise TypeError(EXPECTED_BOOLEAN) from None


def lenient_integer(value: Any) -> int:
    """The integer that `value` is, of any size: a column grows to hold it.

    The newer wire mode of 2.13.1 cuts Decimal('1.50') to 1; here a fraction is refused.

    >>> lenient_integer("42"), lenient_integer(1e3), lenient_integer(Decimal("7.00"))
    (42, 1000, 7)
    """
    if type(value) is int:
        return value
    try:
        number = int(value)
    except TypeError:
        raise TypeError(EXPECTED_INTEGER) from None
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED_INTEGER) from None
    if _is_number(value) and number != value:
        raise ValueError(EXPECTED_INTEGER)
    return number


def lenient_float(value: Any) -> float:
    """The 64-bit float of `value`; Decimals and text round as a literal in Python source does.

    Refused are an integer that has no float of its own, and a finite number that would turn infinite.

    >>> lenient_float("1.5"), lenient_float(Decimal("0.1")), lenient_float(2**63)
    (1.5, 0.1, 9.223372036854776e+18)
    """
    if type(value) is float:
        return value
    number = _python_float(value)
    if hasattr(value, "__index__") and operator.index(value) != number:
        raise ValueError(EXPECTED_EXACT_FLOAT)
    if math.isinf(number) and "inf" not in str(value).lower():
        raise ValueError(EXPECTED_FLOAT_RANGE)
    return number


def lenient_decimal(value: Any) -> Decimal:
    """The exact number `value` is; the caller checks its digits against precision and scale.

    A float is refused, as on both sides of 2.13.1: 0.1 is not the tenth its author means.

    >>> lenient_decimal("1.50"), lenient_decimal(b"7"), lenient_decimal(10**30)
    (Decimal('1.50'), Decimal('7'), Decimal('1000000000000000000000000000000'))
    """
    if isinstance(value, bool) or not isinstance(value, (str, bytes, int, Decimal)):
        raise TypeError(EXPECTED_DECIMAL)
    try:
        number = Decimal(value.decode() if isinstance(value, bytes) else value)
    except (decimal.InvalidOperation, ValueError):
        raise ValueError(EXPECTED_DECIMAL) from None
    if not number.is_finite():
        raise ValueError(EXPECTED_DECIMAL)
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Number)  # a UUID is none, although int() takes it


def _within(number: int, bits: int) -> int:
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError(f"Value out of range: {number}")
    return number


def _c_double(value: Any) -> float:
    # ldexp(x, 0) is x, and its argument is converted as protobuf converts it: numbers pass, text raises.
    return math.ldexp(value, 0)


def _python_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(EXPECTED_FLOAT_RANGE) from None
    except TypeError:
        raise TypeError(EXPECTED_FLOAT) from None
    except ValueError:
        raise ValueError(EXPECTED_FLOAT) from None


def _refuse_array(value: Any, wanted: str) -> None:
    if _is_numpy(value, "ndarray"):
        raise TypeError(f"{value} has type ndarray, but expected one of: {wanted}")


def _is_numpy(value: Any, *names: str) -> bool:
    # By name, so that numpy is never imported; protobuf tells its types apart in the same way.
    return type(value).__module__ == "numpy" and type(value).__name__ in names


STRICT: dict[str, Callable[[Any], object]] = {
    BOOLEAN: strict_boolean,
    # DECIMAL goes over the wire as text, and is among those.
    SHORT: strict_int32,  # rule A-61: 2.13.1 lets 32768 pass
    INT: strict_int32,
    LONG: strict_int64,
    FLOAT: strict_float32,
    DOUBLE: strict_float64,
}
LENIENT: dict[str, Callable[[Any], object]] = {
    BOOLEAN: lenient_boolean,
    SHORT: lenient_integer,
    INT: lenient_integer,
    LONG: lenient_integer,
    DECIMAL: lenient_decimal,
    FLOAT: lenient_float,
    DOUBLE: lenient_float,
}
