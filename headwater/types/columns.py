"""Columns: many Python values of one column become one Arrow array, with nothing rounded or lost."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from types import NoneType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headwater.types import coerce, infer
from headwater.types.json_text import JsonText
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INT,
    INTEGERS,
    JSON,
    LONG,
    MAX_PRECISION,
    NAIVE_DATE,
    NAIVE_DATETIME,
    SHORT,
    STRING,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
    promote,
)
from headwater.types.numeric import rounded_to_32_bits
from headwater.types.text import as_text

_ARROW: dict[str, pa.DataType] = {
    BOOLEAN: pa.bool_(),
    SHORT: pa.int16(),
    INT: pa.int32(),
    LONG: pa.int64(),
    FLOAT: pa.float32(),
    DOUBLE: pa.float64(),
    NAIVE_DATE: pa.date32(),
    NAIVE_DATETIME: pa.timestamp("us"),
    UTC_DATETIME: pa.timestamp("us", "UTC"),
    BINARY: pa.binary(),
    XML: pa.string(),
    STRING: pa.string(),
    JSON: pa.string(),
}

# pyarrow imports pandas, where it is installed, at its first conversion: now, not in the author's first row.
pa.array([], pa.int64())

# What pyarrow raises when a value does not fit the type it was given; TypeError for an infinite Decimal.
_DOES_NOT_FIT = (pa.ArrowInvalid, TypeError, OverflowError, UnicodeEncodeError)


def arrow_type(kind: ColumnType) -> pa.DataType:
    return pa.decimal128(kind.precision, kind.scale) if kind.name == DECIMAL else _ARROW[kind.name]


class ValueRefused(ValueError):
    """One value of a column cannot be stored; the message says what would be accepted."""

    def __init__(self, position: int, value: object, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.value = value


class Range(NamedTuple):
    """The range of a column of integers.

    rises  there is no NULL, and each is greater than the one before
    """

    least: int
    most: int
    rises: bool

    def then(self, other: Range) -> Range:
        """Give the range of these integers followed by others."""
        rises = self.rises and other.rises and self.most < other.least
        return Range(min(self.least, other.least), max(self.most, other.most), rises)


@dataclass(slots=True)
class Column:
    """A converted column.

    kind   None while only NULL has been seen in an undeclared one
    range  of integers, where it is known without another look
    """

    array: pa.Array
    kind: ColumnType | None
    range: Range | None = None


def convert_plainly(values: Sequence[Any], declared: ColumnType | None) -> Column | None:
    """Convert a column whose values Arrow itself reads as we do; None when it must be looked at more closely.

    That is so where the type Arrow finds leaves no doubt: text is `str` or extends it; in a column declared
    LONG, DOUBLE or BOOLEAN, numpy's numbers are taken as well. An undeclared number may be numpy's,
    which counts as text (rule A-87), unless nobody has imported numpy.
    """
    try:
        array = pa.array(values)
    except _DOES_NOT_FIT:
        return None
    kind = _PLAIN.get(array.type)
    sure = kind == declared if declared else kind == _STRING or "numpy" not in sys.modules
    return Column(array, kind) if kind is not None and sure else None


_STRING = ColumnType(STRING)
_PLAIN = {_ARROW[name]: ColumnType(name) for name in (STRING, LONG, DOUBLE, BOOLEAN)}


def convert_arrow(array: pa.Array, declared: ColumnType | None, kinds: frozenset[type]) -> Column | None:
    """Convert int, float, bool or str that are Arrow data already; None when they must be looked at more closely.

    kinds  the exact Python types that the values had, without NoneType
    """
    kind = _PLAIN[array.type]
    if declared is None or declared == kind:
        return Column(array, kind)
    direct = _DIRECTLY.get((declared.name, kinds))
    try:
        return None if direct is None else Column(direct(array, arrow_type(declared)), declared)
    except _DOES_NOT_FIT:
        return None


def convert(values: Sequence[Any], declared: ColumnType | None, kinds: set[type], *, strict: bool = False) -> Column:
    """Convert the values of one column.

    kinds   the exact Python types among the values, without NoneType
    strict  values were already coerced one by one, and floats that are not declared are 32-bit

    Errors: ValueRefused for a value that does not fit the declared type.
    """
    if not kinds:
        return Column(pa.nulls(len(values), arrow_type(declared) if declared else pa.null()), declared)
    if declared is None:
        return _convert_undeclared(values, kinds, strict=strict)
    direct = _DIRECTLY.get((declared.name, frozenset(kinds)))
    if direct is not None:
        try:
            return Column(direct(values, arrow_type(declared)), declared)
        except _DOES_NOT_FIT:
            pass  # one value at a time says which, and finds the wider type where there is one
    return _convert_declared(values, declared)


def types_among(values: Sequence[Any]) -> set[type]:
    """Find the exact Python types of a column's values, NULL left out."""
    kinds = set(map(type, values))
    kinds.discard(NoneType)
    return kinds


def _array(values: Sequence[Any] | pa.Array, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _dates_from_text(values: Sequence[Any] | pa.Array, kind: pa.DataType) -> pa.Array:
    return _array(values, pa.string()).cast(kind)


def _datetimes_from_text(values: Sequence[Any] | pa.Array, kind: pa.DataType) -> pa.Array:
    """Let Arrow read ISO 8601: it refuses a missing or superfluous zone and a seventh digit."""
    texts = _array(values, pa.string())
    if not pc.all(pc.equal(pc.utf8_slice_codeunits(texts, 16, 17), ":")).as_py():
        raise pa.ArrowInvalid("a datetime without seconds")
    return within_the_calendar(texts.cast(kind))


def _datetimes(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Convert datetimes at once; one whose UTC time lies outside the calendar would wrap around."""
    return within_the_calendar(pa.array(values, kind))


def within_the_calendar(array: pa.Array) -> pa.Array:
    """Give the times back as they came.

    Errors: OverflowError when one lies outside the years 1 to 9999, in UTC: Python has no such time.
    """
    days = array.type == pa.date32()
    first, last = (_FIRST_DAY, _LAST_DAY) if days else (_FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1)
    ends = pc.min_max(array.view(pa.int32() if days else pa.int64())).as_py()
    if ends["min"] is not None and not first <= ends["min"] <= ends["max"] <= last:
        raise OverflowError("a time lies outside the years 1 to 9999 in UTC")
    return array


# 0001-01-01 and 9999-12-31, in days since 1970; a day in microseconds.
_FIRST_DAY, _LAST_DAY, _DAY = -719_162, 2_932_896, 86_400_000_000


def _float32(values: Sequence[Any] | pa.Array, kind: pa.DataType) -> pa.Array:
    wide = _array(values, pa.float64())
    narrow = wide.cast(kind)
    if pc.any(pc.xor(pc.is_inf(narrow), pc.is_inf(wide))).as_py():
        raise OverflowError("a value is beyond 32-bit floats")
    return narrow


_Direct = Callable[[Sequence[Any] | pa.Array, pa.DataType], pa.Array]


def _direct_conversions() -> dict[tuple[str, frozenset[type]], _Direct]:
    conversions: dict[tuple[str, frozenset[type]], _Direct] = {
        (name, frozenset({kind})): _float32 if name == FLOAT else _array
        for name, kinds in coerce.DIRECT.items()
        for kind in kinds
    }
    conversions[(UTC_DATETIME, frozenset({str}))] = _datetimes_from_text
    conversions[(NAIVE_DATETIME, frozenset({str}))] = _datetimes_from_text
    conversions[(NAIVE_DATE, frozenset({str}))] = _dates_from_text
    conversions[(UTC_DATETIME, frozenset({datetime}))] = _datetimes
    conversions[(NAIVE_DATETIME, frozenset({datetime}))] = _datetimes
    conversions[(JSON, frozenset({JsonText}))] = _array
    conversions[(DOUBLE, frozenset({int, float}))] = _array
    conversions[(FLOAT, frozenset({int, float}))] = _float32
    return conversions


_DIRECTLY = _direct_conversions()


def _convert_declared(values: Sequence[Any], declared: ColumnType) -> Column:
    canonical: list[Any] = []
    for position, value in enumerate(values):
        try:
            canonical.append(canonical_value(declared, value))
        except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
            raise ValueRefused(position, value, str(error)) from error
    if declared.name == DECIMAL:
        _check_digits(canonical, values, declared)
    kind = _grown(declared, canonical)
    if declared.name == FLOAT != kind.name:
        canonical = [_as_float32(value) for value in canonical]
    if kind.name == STRING != declared.name:
        canonical = _as_texts(canonical, lambda value: as_text(declared, value), values)
    return Column(pa.array(canonical, arrow_type(kind)), kind)


def _as_texts(canonical: Sequence[Any], text: Callable[[Any], str], values: Sequence[Any]) -> list[str | None]:
    """Write values as text; Python refuses an integer of more than 4,300 digits."""
    written: list[str | None] = []
    for position, value in enumerate(canonical):
        try:
            written.append(None if value is None else text(value))
        except ValueError as error:
            raise ValueRefused(position, values[position], str(error)) from error
    return written


def _as_float32(value: float | None) -> float | None:
    """Round to 32 bits what fits there: a value beyond makes the column DOUBLE, but not its neighbours more exact.

    Which values share a chunk with it is chance.
    """
    rounded = None if value is None else rounded_to_32_bits(value)
    return value if rounded is not None and math.isinf(rounded) else rounded


def _check_digits(canonical: Sequence[Decimal | None], values: Sequence[Any], declared: ColumnType) -> None:
    """Refuse a decimal that has more digits than declared, on either side of the point."""
    whole = declared.precision - declared.scale
    for position, number in enumerate(canonical):
        if number is None or not number:
            continue
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        trailing_zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
        if -exponent - trailing_zeros > declared.scale:
            message = f"has more than {declared.scale} digits after the point ({declared})"
            raise ValueRefused(position, values[position], message)
        if len(digits) + exponent > whole:
            message = f"has more than {whole} digits before the point ({declared})"
            raise ValueRefused(position, values[position], message)


def _grown(declared: ColumnType, canonical: Sequence[Any]) -> ColumnType:
    """Find the type that holds every value: an integer or float column grows, others stay."""
    numbers = [value for value in canonical if value is not None]
    if declared.name in INTEGERS and numbers:
        return promote(declared, integer_type(min(numbers), max(numbers)))
    if declared.name == FLOAT:
        try:
            _float32(canonical, pa.float32())
        except OverflowError:
            return ColumnType(DOUBLE)
    return declared


def integer_type(lowest: int, highest: int) -> ColumnType:
    """Choose the narrowest type for the integers from `lowest` to `highest`."""
    for name, bits in ((SHORT, 16), (INT, 32), (LONG, 64)):
        if -(2 ** (bits - 1)) <= lowest and highest < 2 ** (bits - 1):
            return ColumnType(name)
    fits = max(-lowest, highest) < 10**MAX_PRECISION
    return decimal_type(MAX_PRECISION, 0) if fits else ColumnType(STRING)


_BY_EXACT_TYPE = {
    **{kind: column_type for kind, column_type in infer.BY_TYPE.items() if column_type.name != JSON},
    int: ColumnType(LONG),
    JsonText: ColumnType(JSON),
}


def type_of(value: object) -> ColumnType:
    """Infer the type of one value that is not None."""
    return ColumnType(JSON) if type(value) is JsonText else infer.infer(value)


def canonical_value(kind: ColumnType, value: object) -> object:
    """Give the value that a column of type `kind` stores; `kind` is declared, or `type_of(value)`."""
    return value if type(value) is JsonText else coerce.lenient(kind, value)


def _convert_undeclared(values: Sequence[Any], kinds: set[type], *, strict: bool) -> Column:
    if len(kinds) == 1:
        (kind,) = kinds
        column_type = _BY_EXACT_TYPE.get(kind)
        if strict and column_type == ColumnType(DOUBLE):
            return Column(pa.array(values, pa.float32()), ColumnType(FLOAT))
        if column_type is not None:
            try:
                return Column(pa.array(values, arrow_type(column_type)), column_type)
            except _DOES_NOT_FIT:
                pass  # an integer beyond 64 bits, or text that is not Unicode
    return _convert_mixed(values)


def _convert_mixed(values: Sequence[Any]) -> Column:
    """Convert values of several types to the narrowest type that holds them all."""
    kinds = [None if value is None else type_of(value) for value in values]
    target = reduce(promote, {kind for kind in kinds if kind is not None})
    canonical: list[Any] = []
    for position, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        try:
            canonical.append(None if kind is None else canonical_value(kind, value))
        except (TypeError, ValueError) as error:
            raise ValueRefused(position, value, str(error)) from error
    if target.name != STRING:
        try:
            return Column(pa.array(canonical, arrow_type(target)), target)
        except pa.ArrowInvalid:  # an integer that a float cannot hold
            target = ColumnType(STRING)
    texts = [
        value if kind is None or kind.name == STRING else as_text(kind, value)
        for kind, value in zip(kinds, canonical, strict=True)
    ]
    try:
        return Column(pa.array(texts, pa.string()), target)
    except UnicodeEncodeError:
        raise _not_unicode(texts) from None


def _not_unicode(texts: Sequence[str | None]) -> ValueRefused:
    for position, text in enumerate(texts):
        if text is not None:
            try:
                text.encode()
            except UnicodeEncodeError:
                return ValueRefused(position, text, "expected text that is valid Unicode; it holds a lone surrogate")
    raise AssertionError("every text is Unicode")


def cast(array: pa.Array, kind: ColumnType | None, target: ColumnType) -> pa.Array:
    """Convert an array of type `kind` to the wider type `target`, the one that `promote` gave.

    Errors: pyarrow.ArrowInvalid when a number would change: an integer that no float equals.
    """
    if kind == target:
        return array
    if kind is None:
        return pa.nulls(len(array), arrow_type(target))
    if target.name in (STRING, JSON, XML):
        if kind.name in (STRING, JSON, XML):
            return array
        return pa.array([None if v is None else as_text(kind, v) for v in array.to_pylist()], pa.string())
    return array.cast(arrow_type(target))
