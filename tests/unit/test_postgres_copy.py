"""COPY's binary format: the bytes of each type's edges, and random columns beside a plain encoder."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.destinations import postgres_copy
from headwater.destinations.postgres_copy import copy_binary
from headwater.types.columns import arrow_type
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
from tests.column_values import columns, decimal_of

BEFORE_ROWS = bytes.fromhex("5047434f50590aff0d0a00 00000000 00000000")
AFTER_ROWS = bytes.fromhex("ffff")
ONE_FIELD = bytes.fromhex("0001")
NULL = bytes.fromhex("ffffffff")
NINES = "270f"
EXACT = Context(prec=100)
LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind",                     "value",                                         "field"),
    [
        (ColumnType(BOOLEAN),     True,                                            "00000001 01"),
        (ColumnType(BOOLEAN),     False,                                           "00000001 00"),
        (ColumnType(SHORT),       -(2**15),                                        "00000002 8000"),
        (ColumnType(SHORT),       2**15 - 1,                                       "00000002 7fff"),
        (ColumnType(INT),         -2,                                              "00000004 fffffffe"),
        (ColumnType(INT),         2**31 - 1,                                       "00000004 7fffffff"),
        (ColumnType(LONG),        -(2**63),                                        "00000008 8000000000000000"),
        (ColumnType(LONG),        0x0102030405060708,                              "00000008 0102030405060708"),
        (ColumnType(FLOAT),       -1.5,                                            "00000004 bfc00000"),
        (ColumnType(FLOAT),       2.0**-149,                                       "00000004 00000001"),
        (ColumnType(DOUBLE),      -0.0,                                            "00000008 8000000000000000"),
        (ColumnType(DOUBLE),      0.1,                                             "00000008 3fb999999999999a"),
        (ColumnType(DOUBLE),      math.nan,                                        "00000008 7ff8000000000000"),
        (ColumnType(DOUBLE),      -math.inf,                                       "00000008 fff0000000000000"),
        (ColumnType(NAIVE_DATE),  date(2000, 1, 1),                                "00000004 00000000"),
        (ColumnType(NAIVE_DATE),  date(1999, 12, 31),                              "00000004 ffffffff"),
        (ColumnType(NAIVE_DATE),  date.min,                                        "00000004 fff4dbf9"),
        (ColumnType(NAIVE_DATE),  date.max,                                        "00000004 002c95d3"),
        (ColumnType(NAIVE_DATETIME), datetime(2000, 1, 1, 0, 0, 0, 1),             "00000008 0000000000000001"),
        (ColumnType(NAIVE_DATETIME), datetime(1, 1, 1),                            "00000008 ff1fe2ffc59c6000"),
        (ColumnType(UTC_DATETIME),   datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), "00000008 fffffffffff0bdc0"),
        (ColumnType(UTC_DATETIME),   LAST_MOMENT,                                  "00000008 0380e70b913b7fff"),
        (ColumnType(STRING),      "",                                              "00000000"),
        (ColumnType(STRING),      "\u00e9\U0001f600",                              "00000006 c3a9f09f9880"),
        (ColumnType(STRING),      "\\N\t\n\\.",                                    "00000006 5c4e090a5c2e"),
        (ColumnType(XML),         "<a/>",                                          "00000004 3c612f3e"),
        (ColumnType(BINARY),      b"",                                             "00000000"),
        (ColumnType(BINARY),      b"\xff\xff\xff\xff\0",                           "00000005 ffffffff00"),
        (ColumnType(JSON),        "{}",                                            "00000003 01 7b7d"),
        # Numeric: how many groups of four digits, which power of 10,000 the first has, sign, digits after the point.
        (decimal_type(9, 2),      Decimal("1.50"),              "0000000e 0003 0001 0000 0002 0000 0001 1388"),
        (decimal_type(9, 2),      Decimal("-0.01"),             "0000000e 0003 0001 4000 0002 0000 0000 0064"),
        (decimal_type(9, 2),      Decimal("9999999.99"),        "0000000e 0003 0001 0000 0002 03e7 270f 26ac"),
        (decimal_type(9, 2),      Decimal("0.00"),              "0000000e 0003 0001 0000 0002 0000 0000 0000"),
        (decimal_type(1, 0),      Decimal(-9),                  "0000000a 0001 0000 4000 0000 0009"),
        (decimal_type(3, 3),      Decimal("0.123"),             "0000000a 0001 ffff 0000 0003 04ce"),
        (decimal_type(5, 4),      Decimal("1.2345"),            "0000000c 0002 0000 0000 0004 0001 0929"),
        (decimal_type(38, 0),     Decimal(10**38 - 1),          f"0000001c 000a 0009 0000 0000 0063 {NINES * 9}"),
        (decimal_type(38, 0),     Decimal(1 - 10**38),          f"0000001c 000a 0009 4000 0000 0063 {NINES * 9}"),
        (decimal_type(38, 37),    Decimal("9." + "9" * 37),     f"0000001e 000b 0000 0000 0025 0009 {NINES * 9} 2328"),
        (decimal_type(38, 37),    Decimal("-1e-37"),            f"0000001e 000b 0000 4000 0025 {'0000' * 10} 03e8"),
    ],
)  # fmt: skip
def test_a_value_has_the_bytes_that_postgres_reads(kind: ColumnType, value: Any, field: str) -> None:
    expected = BEFORE_ROWS + ONE_FIELD + bytes.fromhex(field) + AFTER_ROWS

    assert copied([(kind, [value])]) == expected
    assert copied([(kind, [None, value])]) == BEFORE_ROWS + ONE_FIELD + NULL + expected[len(BEFORE_ROWS) :]


@pytest.mark.parametrize("precision", range(1, MAX_PRECISION + 1))
def test_decimals_of_every_precision_and_scale(precision: int) -> None:
    largest = 10**precision - 1
    digits = [0, 1, -1, largest, -largest, largest // 3, -(largest // 7), *(10**n for n in range(0, precision, 3))]
    kinds = [decimal_type(precision, scale) for scale in range(min(precision, MAX_SCALE) + 1)]
    drawn = [(kind, [decimal_of(number, kind) for number in digits]) for kind in kinds]

    assert copied(drawn) == plainly(drawn)


@given(columns(max_columns=6, max_rows=12), st.integers(0, 12), st.integers(0, 9), st.sampled_from([1, 200, 8_000_000]))
def test_rows_are_written_as_a_plain_encoder_writes_them(
    drawn: list[tuple[ColumnType, list[Any]]], second_chunk: int, skipped: int, piece_bytes: int
) -> None:
    """The same bytes, wherever Arrow has its chunks, its slices and this module its pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_copy, "PIECE_BYTES", piece_bytes)

        assert copied(drawn, second_chunk=second_chunk, skipped=skipped) == plainly(drawn)


def test_a_piece_holds_whole_rows_and_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_copy, "PIECE_BYTES", 100_000)
    kinds = [ColumnType(LONG), *[ColumnType(BOOLEAN)] * 50]
    part = table_of([(kinds[0], list(range(20_000))), *[(kind, [True] * 20_000) for kind in kinds[1:]]])

    before, *pieces, after = map(bytes, copy_binary(part, kinds))

    row_bytes = 2 + 12 + 50 * 5
    assert (before, after) == (BEFORE_ROWS, AFTER_ROWS)
    assert all(len(piece) % row_bytes == 0 and len(piece) < 250_000 for piece in pieces)
    assert sum(map(len, pieces)) == 20_000 * row_bytes


def test_1600_columns_are_1600_fields() -> None:
    kinds = [ColumnType(LONG), ColumnType(STRING), ColumnType(BOOLEAN), ColumnType(JSON)] * 400
    values: dict[str, list[Any]] = {LONG: [1, None], STRING: ["a", None], BOOLEAN: [True, False], JSON: [None, "{}"]}
    drawn = [(kind, values[kind.name]) for kind in kinds]

    assert copied(drawn) == plainly(drawn)


def test_an_array_of_another_type_is_not_read_as_if_it_were_of_this_one() -> None:
    narrow = pa.table({"a": pa.array([1, 2], pa.int16())})
    texts = pa.table({"a": pa.array(["a", "b"])})

    assert b"".join(copy_binary(narrow, [ColumnType(LONG)])) == plainly([(ColumnType(LONG), [1, 2])])
    with pytest.raises(pa.ArrowInvalid):
        b"".join(copy_binary(texts, [ColumnType(LONG)]))


# --- the columns as Arrow, and as bytes


def copied(drawn: Sequence[tuple[ColumnType, list[Any]]], *, second_chunk: int = 0, skipped: int = 0) -> bytes:
    part = table_of(drawn, second_chunk=second_chunk, skipped=skipped)
    return b"".join(copy_binary(part, [kind for kind, _ in drawn]))


def table_of(drawn: Sequence[tuple[ColumnType, list[Any]]], *, second_chunk: int = 0, skipped: int = 0) -> pa.Table:
    """Make a table of columns of two chunks each, whose values are preceded in memory by others."""
    arrays = []
    for kind, values in drawn:
        chunks = [values[:second_chunk], values[second_chunk:]] if second_chunk else [values]
        other = next((value for value in values if value is not None), None)
        padded = [pa.array([other] * skipped + chunk + [other], arrow_type(kind)) for chunk in chunks]
        arrays.append(pa.chunked_array([array.slice(skipped, len(array) - skipped - 1) for array in padded]))
    return pa.table(arrays, names=[str(number) for number in range(len(arrays))])


def plainly(drawn: Sequence[tuple[ColumnType, list[Any]]]) -> bytes:
    """Write the columns as COPY's documentation says, value by value."""
    kinds = [kind for kind, _ in drawn]
    rows = zip(*(values for _, values in drawn), strict=True)
    count = struct.pack(">h", len(kinds))
    tuples = [count + b"".join(map(field_of, kinds, row)) for row in rows]
    return BEFORE_ROWS + b"".join(tuples) + AFTER_ROWS


def field_of(kind: ColumnType, value: Any) -> bytes:
    if value is None:
        return NULL
    content = numeric_of(kind, value) if kind.name == DECIMAL else _CONTENT[kind.name](value)
    return struct.pack(">i", len(content)) + content


def numeric_of(kind: ColumnType, value: Decimal) -> bytes:
    """Write a number as text, cut it at the point and every four digits from there."""
    digits = "".join(map(str, value.scaleb(kind.scale, EXACT).as_tuple().digits)).zfill(kind.precision)
    point = len(digits) - kind.scale
    whole, after = digits[:point], digits[point:]
    whole, after = whole.zfill(-(-len(whole) // 4) * 4), after.ljust(-(-len(after) // 4) * 4, "0")
    groups = [int((whole + after)[start : start + 4]) for start in range(0, len(whole + after), 4)]
    sign = 0x4000 if value < 0 else 0
    return struct.pack(f">hhHh{len(groups)}h", len(groups), len(whole) // 4 - 1, sign, kind.scale, *groups)


_MICROSECOND = timedelta(microseconds=1)
_CONTENT: dict[str, Callable[[Any], bytes]] = {
    BOOLEAN: lambda value: struct.pack(">?", value),
    SHORT: lambda value: struct.pack(">h", value),
    INT: lambda value: struct.pack(">i", value),
    LONG: lambda value: struct.pack(">q", value),
    FLOAT: lambda value: struct.pack(">f", value),
    DOUBLE: lambda value: struct.pack(">d", value),
    NAIVE_DATE: lambda value: struct.pack(">i", (value - date(2000, 1, 1)).days),
    NAIVE_DATETIME: lambda value: struct.pack(">q", (value - datetime(2000, 1, 1)) // _MICROSECOND),
    UTC_DATETIME: lambda value: struct.pack(">q", (value - datetime(2000, 1, 1, tzinfo=UTC)) // _MICROSECOND),
    BINARY: bytes,
    XML: str.encode,
    STRING: str.encode,
    JSON: lambda value: b"\x01" + value.encode(),
}
