"""Columns that come as Arrow already: which type each Arrow type is, and how it becomes ours."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.types as at

from headwater.types.columns import Column, ValueRefused, arrow_type, cast, convert, types_among, within_the_calendar
from headwater.types.names import (
    BINARY,
    BOOLEAN,
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
    ColumnType,
    decimal_type,
    promote,
)

_BY_ARROW = (
    (at.is_boolean, BOOLEAN),
    (lambda t: at.is_int8(t) or at.is_int16(t) or at.is_uint8(t), SHORT),
    (lambda t: at.is_int32(t) or at.is_uint16(t), INT),
    (lambda t: at.is_int64(t) or at.is_uint32(t), LONG),
    (lambda t: at.is_float16(t) or at.is_float32(t), FLOAT),
    (at.is_float64, DOUBLE),
    (at.is_date, NAIVE_DATE),
    (lambda t: at.is_timestamp(t) and t.tz is None, NAIVE_DATETIME),
    (at.is_timestamp, UTC_DATETIME),
    (lambda t: at.is_string(t) or at.is_large_string(t) or at.is_string_view(t), STRING),
    (
        lambda t: at.is_binary(t) or at.is_large_binary(t) or at.is_binary_view(t) or at.is_fixed_size_binary(t),
        BINARY,
    ),
)  # fmt: skip


def column_type(kind: pa.DataType) -> ColumnType | None:
    """Name the type of an Arrow column; None for a column of NULL, STRING for what has no type of its own.

    >>> str(column_type(pa.decimal128(9, 2))), str(column_type(pa.list_(pa.int8())))
    ('DECIMAL(9,2)', 'JSON')
    """
    if at.is_null(kind):
        return None
    if at.is_decimal(kind) and 0 <= kind.scale <= min(kind.precision, MAX_SCALE) and kind.precision <= MAX_PRECISION:
        return decimal_type(kind.precision, kind.scale)
    if at.is_uint64(kind):
        return decimal_type(20, 0)
    if at.is_nested(kind):
        return ColumnType(JSON)
    return ColumnType(next((name for matches, name in _BY_ARROW if matches(kind)), STRING))


def column_from_arrow(array: pa.ChunkedArray, declared: ColumnType | None) -> Column:
    """Take a column of an Arrow table, as the declared type or a wider one.

    Errors: ValueRefused for a value that its type here cannot hold, such as a nanosecond.
    """
    column = _taken(array, declared)
    if at.is_temporal(column.array.type):
        try:
            within_the_calendar(column.array)
        except OverflowError as error:
            raise ValueRefused(0, array.type, f"column cannot be stored: {error}") from error
    return column


def _taken(array: pa.ChunkedArray, declared: ColumnType | None) -> Column:
    if at.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = column_type(array.type)
    if kind is None:
        return Column(pa.nulls(len(array), arrow_type(declared) if declared else pa.null()), declared)
    if declared is not None and declared != kind and promote(declared, kind) != declared:
        return _narrowed(array, declared)
    column = _as_type(array, kind)
    return column if declared is None else Column(cast(column.array, kind, declared), declared)


def _as_type(array: pa.ChunkedArray, kind: ColumnType) -> Column:
    if kind.name == JSON:
        texts = [None if value is None else json.dumps(value, default=str) for value in array.to_pylist()]
        return Column(pa.array(texts, pa.string()), kind)
    target = arrow_type(kind)
    if array.type == target:
        return Column(array.combine_chunks(), kind)
    if kind.name == STRING and not (at.is_large_string(array.type) or at.is_string_view(array.type)):
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        return Column(pa.array(texts, pa.string()), kind)
    try:
        return Column(array.cast(target).combine_chunks(), kind)
    except pa.ArrowInvalid as error:
        raise ValueRefused(0, array.type, f"column cannot be stored as {kind} without loss: {error}") from error


def _narrowed(array: pa.ChunkedArray, declared: ColumnType) -> Column:
    """Bring a column to a declared type that is not wider: at once where no value changes, else value by value."""
    try:
        return Column(array.cast(arrow_type(declared)).combine_chunks(), declared)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values = array.to_pylist()
        return convert(values, declared, types_among(values))
