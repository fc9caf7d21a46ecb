"""The type and value of columns that nobody declared (rules A-80 to A-89)."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from headwater.types import infer
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    JSON,
    LONG,
    STRING,
    ColumnType,
    decimal_type,
)
from tests.mit_sdk.connectors.values.values import Bytes, Colour, Level, Text, all_values

WIDE = decimal_type(38, 0)
Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "column_type", "canonical"),
    [
        (True,                         BOOLEAN, True),
        (2**63 - 1,                    LONG,    2**63 - 1),
        (-(2**63),                     LONG,    -(2**63)),
        (2**63,                        WIDE,    Decimal(2**63)),
        (-(2**63) - 1,                 WIDE,    Decimal(-(2**63) - 1)),
        (10**38 - 1,                   WIDE,    Decimal("9" * 38)),
        (10**38,                       STRING,  "1" + "0" * 38),
        (-(10**38),                    STRING,  "-1" + "0" * 38),
        (Level.HIGH,                   LONG,    7),
        (0.1,                          DOUBLE,  0.1),
        (1e300,                        DOUBLE,  1e300),
        (float("inf"),                 DOUBLE,  float("inf")),
        (np.float64(1.5),              DOUBLE,  1.5),
        ("2024-02-29",                 STRING,  "2024-02-29"),
        ("",                           STRING,  ""),
        ("a\x00b",                     STRING,  "a\x00b"),
        (Colour.RED,                   STRING,  "red"),
        (Text("x"),                    STRING,  "x"),
        (np.str_("x"),                 STRING,  "x"),
        (b"ab",                        BINARY,  b"ab"),
        (Bytes(b"ab"),                 BINARY,  b"ab"),
        ({"a": [1, None]},             JSON,    '{"a": [1, null]}'),
        ([],                           JSON,    "[]"),
        (["\ud800"],                   JSON,    '["\\ud800"]'),
        (OrderedDict(a=1),             JSON,    '{"a": 1}'),
        (defaultdict(list, a=[]),      JSON,    '{"a": []}'),
        (Decimal("1.50"),              STRING,  "1.50"),
        (date(2024, 2, 29),            STRING,  "2024-02-29"),
        (datetime(2024, 2, 29, 1),     STRING,  "2024-02-29 01:00:00"),
        (datetime(2024, 2, 29, tzinfo=UTC), STRING, "2024-02-29 00:00:00+00:00"),
        (pd.Timestamp("2024-02-29"),   STRING,  "2024-02-29 00:00:00"),
        (UUID(int=1),                  STRING,  "00000000-0000-0000-0000-000000000001"),
        ((1, 2),                       STRING,  "(1, 2)"),
        (Point(1, 2),                  STRING,  "Point(x=1, y=2)"),
        ({1},                          STRING,  "{1}"),
        (bytearray(b"ab"),             STRING,  "bytearray(b'ab')"),
        (np.int64(5),                  STRING,  "5"),
        (np.float32(0.5),              STRING,  "0.5"),
        (np.bool_(True),               STRING,  "True"),
        (pd.NaT,                       STRING,  None),
        (pd.NA,                        STRING,  None),
    ],
)  # fmt: skip
def test_the_value_decides_the_type(value: Any, column_type: str | ColumnType, canonical: Any) -> None:
    expected = column_type if isinstance(column_type, ColumnType) else ColumnType(column_type)
    inferred = infer.infer(value)
    given = infer.value(inferred, value)

    assert (inferred, type(given), given) == (expected, type(canonical), canonical)


@pytest.mark.parametrize(
    ("value", "type_name", "on_the_wire"),
    [
        (-(2**63) + 1, LONG,    -(2**63) + 1),
        (-(2**63),     FLOAT,   -9.223372036854775808e18),
        (2**63,        FLOAT,   9.223372036854775808e18),
        (0.1,          FLOAT,   0.10000000149011612),
        (1e300,        FLOAT,   float("inf")),
        (True,         BOOLEAN, True),
        (pd.NaT,       STRING,  "NaT"),
    ],
)  # fmt: skip
def test_strict_loses_what_2_13_1_loses(value: Any, type_name: str, on_the_wire: Any) -> None:
    assert infer.strict(value) == (ColumnType(type_name), on_the_wire)


def test_the_types_that_decide_alone_decide_as_their_values_do() -> None:
    values = [value for value in all_values().values() if type(value) in infer.BY_TYPE]

    assert {type(value) for value in values} == {bool, float, str, bytes, dict, list}
    assert [infer.infer(value) for value in values] == [infer.BY_TYPE[type(value)] for value in values]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"at": date(2024, 2, 29)}, TypeError),
        ([Decimal(1)],              TypeError),
        ({(1, 2): 3},               TypeError),
        ("a\ud800",                 ValueError),
        pytest.param(10**5000, ValueError, id="an integer too long to write"),
    ],
)  # fmt: skip
def test_what_no_column_can_hold_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        infer.value(infer.infer(value), value)

    assert type(refusal.value) is error
