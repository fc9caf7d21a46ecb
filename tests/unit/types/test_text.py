"""The text that a value becomes when its column is promoted to STRING."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.types.names import (
    BINARY,
    BOOLEAN,
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
    decimal_type,
)
from headwater.types.text import as_text

INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("type_name", "value", "text"),
    [
        (BOOLEAN,        True,                                    "true"),
        (BOOLEAN,        False,                                   "false"),
        (SHORT,          -7,                                      "-7"),
        (INT,            42,                                      "42"),
        (LONG,           -(2**63),                                "-9223372036854775808"),
        (LONG,           10**40,                                  "1" + "0" * 40),
        (DOUBLE,         42.0,                                    "42"),
        (DOUBLE,         42.42,                                   "42.42"),
        (DOUBLE,         -0.0,                                    "-0"),
        (DOUBLE,         1e15,                                    "1000000000000000"),
        (DOUBLE,         1e16,                                    "1e+16"),
        (DOUBLE,         1e300,                                   "1e+300"),
        (DOUBLE,         5e-324,                                  "5e-324"),
        (DOUBLE,         0.30000000000000004,                     "0.30000000000000004"),
        (DOUBLE,         float("nan"),                            "NaN"),
        (DOUBLE,         float("inf"),                            "Infinity"),
        (DOUBLE,         float("-inf"),                           "-Infinity"),
        (FLOAT,          0.1,                                     "0.1"),
        (FLOAT,          0.10000000149011612,                     "0.1"),
        (FLOAT,          123456789.123,                           "123456790"),
        (FLOAT,          16777216.0,                              "16777216"),
        (FLOAT,          -1.5,                                    "-1.5"),
        (FLOAT,          -0.0,                                    "-0"),
        (FLOAT,          1.401298464324817e-45,                   "1e-45"),
        (FLOAT,          3.4028234663852886e38,                   "3.4028235e+38"),
        (FLOAT,          1e39,                                    "1e+39"),
        (FLOAT,          float("nan"),                            "NaN"),
        (FLOAT,          float("-inf"),                           "-Infinity"),
        (NAIVE_DATE,     date(1, 1, 1),                           "0001-01-01"),
        (NAIVE_DATETIME, datetime(2024, 2, 29, 1, 2, 3),          "2024-02-29T01:02:03"),
        (NAIVE_DATETIME, datetime(2024, 2, 29, 1, 2, 3, 500000),  "2024-02-29T01:02:03.500000"),
        (UTC_DATETIME,   datetime(2024, 2, 29, tzinfo=UTC),       "2024-02-29T00:00:00Z"),
        (UTC_DATETIME,   datetime(2024, 2, 29, 0, 0, 0, 7, UTC),  "2024-02-29T00:00:00.000007Z"),
        (UTC_DATETIME,   datetime(2024, 2, 29, tzinfo=INDIA),     "2024-02-28T18:30:00Z"),
        (BINARY,         b"\x00\xff",                             "AP8="),
        (XML,            "<a/>",                                  "<a/>"),
        (STRING,         "42.0",                                  "42.0"),
        (JSON,           '{"a": 1}',                              '{"a": 1}'),
    ],
)  # fmt: skip
def test_each_type_has_one_text(type_name: str, value: Any, text: str) -> None:
    assert as_text(ColumnType(type_name), value) == text


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        ("1.5",                    2,  "1.50"),
        ("1.50000",                2,  "1.50"),
        ("1E+3",                   0,  "1000"),
        ("1E+3",                   1,  "1000.0"),
        ("1E-7",                   10, "0.0000001000"),
        ("-0",                     2,  "-0.00"),
        ("1.234",                  2,  "1.234"),  # too many digits for its column: none of them is lost
        ("9" * 38,                 0,  "9" * 38),
        ("0." + "1" * 37,          37, "0." + "1" * 37),
        ("9" * 60 + "." + "1" * 9, 2,  "9" * 60 + "." + "1" * 9),
    ],
)  # fmt: skip
def test_a_decimal_has_the_digits_of_its_scale_and_no_exponent(value: str, scale: int, text: str) -> None:
    assert as_text(decimal_type(38, scale), Decimal(value)) == text


@given(st.decimals(-(10**20), 10**20, places=4))
def test_a_decimal_that_was_stored_has_the_text_it_had_before(value: Decimal) -> None:
    stored = pa.array([value], pa.decimal128(38, 6))[0].as_py()

    assert as_text(decimal_type(38, 6), value) == as_text(decimal_type(38, 6), stored)


@given(st.floats(width=32))
def test_the_text_of_a_float_is_the_shortest_that_gives_it_back(value: float) -> None:
    text = as_text(ColumnType(FLOAT), value)

    assert struct.pack("f", float(text)) == struct.pack("f", value) or value != value
    assert float(text) == float(str(np.float32(value))) or value != value


@given(st.floats())
def test_a_float_that_was_stored_in_32_bits_has_the_text_it_had_before(value: float) -> None:
    stored = pa.array([value], pa.float32())[0].as_py()
    if stored in (float("inf"), float("-inf")):
        return  # such a value makes the column DOUBLE before it is stored

    assert as_text(ColumnType(FLOAT), value) == as_text(ColumnType(FLOAT), stored)


@given(st.floats())
def test_the_text_of_a_double_gives_it_back(value: float) -> None:
    text = as_text(ColumnType(DOUBLE), value)

    assert repr(float(text)) == repr(value)
    assert not text.endswith(".0")
