"""What `lenient` makes of values beyond the matrix, and what `remark` and `DIRECT` promise about it."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.types import coerce
from headwater.types.binary import EXPECTED_BYTES
from headwater.types.json import EXPECTED_JSON
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
    TYPE_NAMES,
    UTC_DATETIME,
    XML,
    ColumnType,
)
from headwater.types.numeric import (
    EXPECTED_BOOLEAN,
    EXPECTED_DECIMAL,
    EXPECTED_EXACT_FLOAT,
    EXPECTED_FLOAT,
    EXPECTED_FLOAT_RANGE,
    EXPECTED_INTEGER,
)
from headwater.types.temporal import EXPECTED_DATE, EXPECTED_INSTANT, EXPECTED_MICROSECONDS
from headwater.types.text import EXPECTED_UNICODE, EXPECTED_XML
from tests.mit_sdk.connectors.values.values import Broken, Colour, Level, Text, all_values

INDIA = timezone(timedelta(hours=5, minutes=30))
NAIVE_TEXT = "expected a datetime, a date, or text like '2024-02-29T01:02:03' without an offset"
SET_IN_JSON = f"{EXPECTED_JSON} (Object of type set is not JSON serializable)"
ZONED_TEXT = "expected a datetime, a date, or text with an offset, like '2024-02-29T01:02:03Z'"


def column(type_name: str) -> ColumnType:
    return ColumnType(type_name, 38, 10) if type_name == DECIMAL else ColumnType(type_name)


class NoOffset(tzinfo):
    def utcoffset(self, moment: datetime | None) -> None:
        return None

    dst = utcoffset

    def tzname(self, moment: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        (BOOLEAN,        10**30,                              True),
        (BOOLEAN,        -0.0,                                False),
        (BOOLEAN,        "0",                                 False),
        (BOOLEAN,        np.bool_(False),                     False),
        (BOOLEAN,        np.int64(2),                         True),
        (SHORT,          Level.HIGH,                          7),
        (INT,            " 1_000 ",                           1000),
        (INT,            b"-12",                              -12),
        (INT,            Decimal("7.00"),                     7),
        (INT,            np.float32(3),                       3),
        (LONG,           True,                                1),
        (LONG,           np.uint64(2**64 - 1),                2**64 - 1),
        (LONG,           -(10**40),                           -(10**40)),
        (LONG,           1e22,                                10**22),
        (LONG,           uuid.UUID(int=9),                    9),
        (FLOAT,          0.1,                                 0.1),
        (FLOAT,          np.float32(0.1),                     0.10000000149011612),
        (DOUBLE,         2**53,                               9007199254740992.0),
        (DOUBLE,         2**60,                               1152921504606846976.0),
        (DOUBLE,         "9007199254740993",                  9007199254740992.0),
        (DOUBLE,         Decimal("9007199254740993"),         9007199254740992.0),
        (DOUBLE,         "-Infinity",                         float("-inf")),
        (DOUBLE,         Decimal("Infinity"),                 float("inf")),
        (DOUBLE,         b" 1e-400 ",                         0.0),
        (DOUBLE,         Fraction(1, 4),                      0.25),
        (DOUBLE,         np.bool_(True),                      1.0),
        (DECIMAL,        " 1_000.10 ",                        Decimal("1000.10")),
        (DECIMAL,        "9" * 60,                            Decimal("9" * 60)),
        (DECIMAL,        "-1.5E-7",                           Decimal("-1.5E-7")),
        (DECIMAL,        10**60 + 1,                          Decimal("1" + "0" * 59 + "1")),
        (DECIMAL,        Decimal("0.10"),                     Decimal("0.10")),
        (DECIMAL,        Level.HIGH,                          Decimal("7")),
        (NAIVE_DATE,     "2024-2-9",                          date(2024, 2, 9)),
        (NAIVE_DATE,     Text("2024-02-29"),                  date(2024, 2, 29)),
        (NAIVE_DATE,     datetime(2024, 2, 29, 23, tzinfo=INDIA), date(2024, 2, 29)),
        (NAIVE_DATE,     pd.Timestamp("2024-02-29 01:02:03"), date(2024, 2, 29)),
        (NAIVE_DATETIME, date(1, 1, 1),                       datetime(1, 1, 1)),
        (NAIVE_DATETIME, datetime(2024, 2, 29, tzinfo=INDIA), datetime(2024, 2, 28, 18, 30)),
        (NAIVE_DATETIME, datetime(2024, 2, 29, tzinfo=NoOffset()), datetime(2024, 2, 29)),
        (NAIVE_DATETIME, " 2024-2-9 1:2:3 ",                  datetime(2024, 2, 9, 1, 2, 3)),
        (NAIVE_DATETIME, "2024-02-29T01:02:03.123456000",     datetime(2024, 2, 29, 1, 2, 3, 123456)),
        (NAIVE_DATETIME, pd.Timestamp("2024-02-29 01:02:03"), datetime(2024, 2, 29, 1, 2, 3)),
        (UTC_DATETIME,   datetime(2024, 2, 29),               datetime(2024, 2, 29, tzinfo=UTC)),
        (UTC_DATETIME,   date(9999, 12, 31),                  datetime(9999, 12, 31, tzinfo=UTC)),
        (UTC_DATETIME,   "1969-12-31 23:59:59.999999-0130", datetime(1970, 1, 1, 1, 29, 59, 999999, UTC)),
        (UTC_DATETIME,   "2024-02-29T01:02:03.000000000Z",    datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)),
        (UTC_DATETIME,   pd.Timestamp("2024-02-29", tz=INDIA), datetime(2024, 2, 28, 18, 30, tzinfo=UTC)),
        (BINARY,         bytearray(b"\x00\xff"),              b"\x00\xff"),
        (BINARY,         np.bytes_(b"x"),                     b"x"),
        (XML,            "<é/>".encode(),                     "<é/>"),
        (STRING,         Colour.RED,                          "red"),
        (STRING,         Level.HIGH,                          "7"),
        (STRING,         np.str_("x"),                        "x"),
        (JSON,           {"é": ("\ud800", float("nan"))},     '{"\\u00e9": ["\\ud800", NaN]}'),
        (JSON,           Colour.RED,                          '"red"'),
        (JSON,           {1: None},                           '{"1": null}'),
    ],
)  # fmt: skip
def test_lenient_gives_a_plain_value_of_the_canonical_type(type_name: str, value: Any, expected: Any) -> None:
    canonical = coerce.lenient(column(type_name), value)

    assert (type(canonical), canonical) == (type(expected), expected)


@pytest.mark.parametrize(
    ("type_name", "value", "error", "message"),
    [
        (BOOLEAN,        "true",                               ValueError, EXPECTED_BOOLEAN),
        (BOOLEAN,        Decimal(1),                           TypeError,  EXPECTED_BOOLEAN),
        (SHORT,          1.5,                                  ValueError, EXPECTED_INTEGER),
        (INT,            Decimal("1.50"),                      ValueError, EXPECTED_INTEGER),
        (INT,            Fraction(3, 2),                       ValueError, EXPECTED_INTEGER),
        (INT,            np.float32(1.5),                      ValueError, EXPECTED_INTEGER),
        (LONG,           float("inf"),                         ValueError, EXPECTED_INTEGER),
        (LONG,           float("nan"),                         ValueError, EXPECTED_INTEGER),
        (LONG,           "9" * 5000,                           ValueError, EXPECTED_INTEGER),
        (LONG,           None.__class__,                       TypeError,  EXPECTED_INTEGER),
        (DOUBLE,         2**53 + 1,                            ValueError, EXPECTED_EXACT_FLOAT),
        (DOUBLE,         np.int64(2**53 + 1),                  ValueError, EXPECTED_EXACT_FLOAT),
        (DOUBLE,         10**400,                              ValueError, EXPECTED_FLOAT_RANGE),
        (DOUBLE,         Decimal("1e400"),                     ValueError, EXPECTED_FLOAT_RANGE),
        (DOUBLE,         "-1e400",                             ValueError, EXPECTED_FLOAT_RANGE),
        (DOUBLE,         Decimal("sNaN"),                      ValueError, EXPECTED_FLOAT),
        (FLOAT,          "1,5",                                ValueError, EXPECTED_FLOAT),
        (FLOAT,          1j,                                   TypeError,  EXPECTED_FLOAT),
        (DECIMAL,        0.1,                                  TypeError,  EXPECTED_DECIMAL),
        (DECIMAL,        True,                                 TypeError,  EXPECTED_DECIMAL),
        (DECIMAL,        "NaN",                                ValueError, EXPECTED_DECIMAL),
        (DECIMAL,        Decimal("-Infinity"),                 ValueError, EXPECTED_DECIMAL),
        (DECIMAL,        b"\xff",                              ValueError, EXPECTED_DECIMAL),
        (DECIMAL,        "\ud800",                             ValueError, EXPECTED_DECIMAL),
        (NAIVE_DATE,     "2023-02-29",                         ValueError, EXPECTED_DATE),
        (NAIVE_DATE,     "2024-02-29T00:00:00",                ValueError, EXPECTED_DATE),
        (NAIVE_DATE,     20240229,                             TypeError,  EXPECTED_DATE),
        (NAIVE_DATETIME, "2024-02-29T01:02:03Z",               ValueError, NAIVE_TEXT),
        (NAIVE_DATETIME, "2024-02-29",                         ValueError, NAIVE_TEXT),
        (NAIVE_DATETIME, "2024-02-29T24:00:00",                ValueError, NAIVE_TEXT),
        (NAIVE_DATETIME, "2024-02-29T01:02:03.1234567",        ValueError, EXPECTED_MICROSECONDS),
        (NAIVE_DATETIME, pd.Timestamp(1),                      ValueError, EXPECTED_MICROSECONDS),
        (NAIVE_DATETIME, datetime(1, 1, 1, tzinfo=INDIA),      ValueError, EXPECTED_INSTANT),
        (UTC_DATETIME,   "2024-02-29T01:02:03",                ValueError, ZONED_TEXT),
        (UTC_DATETIME,   "2024-02-29T01:02:03 UTC",            ValueError, ZONED_TEXT),
        (UTC_DATETIME,   "2016-12-31T23:59:60Z",               ValueError, ZONED_TEXT),
        (UTC_DATETIME,   "0001-01-01T00:00:00+05:30",          ValueError, EXPECTED_INSTANT),
        (UTC_DATETIME,   "2024-02-29T01:02:03.123456789Z",     ValueError, EXPECTED_MICROSECONDS),
        (UTC_DATETIME,   1709168523,                           TypeError,  ZONED_TEXT),
        (UTC_DATETIME,   np.datetime64("2024-01-01"),          TypeError,  ZONED_TEXT),
        (UTC_DATETIME,   b"2024-02-29T01:02:03Z",              TypeError,  ZONED_TEXT),
        (BINARY,         "ab",                                 TypeError,  EXPECTED_BYTES),
        (BINARY,         memoryview(b"ab"),                    TypeError,  EXPECTED_BYTES),
        (XML,            1,                                    TypeError,  EXPECTED_XML),
        (XML,            b"\xff",                              ValueError, EXPECTED_XML),
        (XML,            "\udfff",                             ValueError, EXPECTED_UNICODE),
        (STRING,         "a\ud800",                            ValueError, EXPECTED_UNICODE),
        (JSON,           {"a": {1}},                           TypeError,  SET_IN_JSON),
    ],
)  # fmt: skip
def test_lenient_refuses_and_says_what_it_takes(
    type_name: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refusal:
        coerce.lenient(column(type_name), value)

    assert (type(refusal.value), str(refusal.value)) == (error, message)


def test_no_refusal_shows_its_value() -> None:
    def refusals(value: object) -> set[str]:
        messages = set()
        for type_name in TYPE_NAMES:
            try:
                coerce.lenient(column(type_name), value)
            except (TypeError, ValueError) as error:
                messages.add(str(error))
        return messages

    tokens = [
        "q7x",
        b"q7x",
        bytearray(b"q7x"),
        907.25,
        Decimal("907.25"),
        {"q7x"},
        {("q7x",): 1},
        {"a": {907.25}},
    ]
    messages = set().union(*map(refusals, tokens))

    assert len(messages) > 10
    assert [message for message in messages if "q7x" in message or "907" in message] == []


@pytest.mark.parametrize("type_name", TYPE_NAMES)
@pytest.mark.parametrize("missing", [None, pd.NaT, pd.NA], ids=str)
def test_what_pandas_calls_missing_is_null(type_name: str, missing: object) -> None:
    assert coerce.lenient(column(type_name), missing) is None


def test_what_the_author_s_own_object_raises_comes_through() -> None:
    with pytest.raises(ValueError, match="no number today"):
        coerce.lenient(column(BOOLEAN), Broken())


@pytest.mark.parametrize(
    ("type_name", "value", "remark"),
    [
        (LONG,           5,                              None),
        (LONG,           "5",                            "refuses str (TypeError)"),
        (INT,            2**31,                          "refuses this int (ValueError)"),
        (BOOLEAN,        2**63,                          "refuses this int (OverflowError)"),
        (FLOAT,          0.1,                            None),
        (FLOAT,          float("nan"),                   None),
        (FLOAT,          float("inf"),                   None),
        (FLOAT,          -1e39,                          "would store -inf"),
        (DOUBLE,         float("nan"),                   None),
        (DOUBLE,         "1.5",                          "refuses str (TypeError)"),
        (DECIMAL,        "1.50",                         None),
        (DECIMAL,        b"1.50",                        None),
        (DECIMAL,        Decimal("1.50"),                "refuses Decimal (TypeError)"),
        (DECIMAL,        7,                              "refuses int (TypeError)"),
        (NAIVE_DATE,     date(2024, 2, 29),              None),
        (NAIVE_DATE,     datetime(2024, 2, 29),          None),
        (NAIVE_DATE,     datetime(2024, 2, 29, 1),       "stores 2024-02-29 without its time, and so do we"),
        (NAIVE_DATE,     pd.NaT,                         "would store 0001-01-01"),
        (NAIVE_DATETIME, date(2024, 2, 29),              "refuses date (AttributeError)"),
        (UTC_DATETIME,   "2024-02-29T01:02:03+05:30",    None),
        (UTC_DATETIME,   "2024-02-29T01:02:03.1234560Z", "refuses this str (ValueError)"),
        (UTC_DATETIME,   pd.NaT,                         "refuses this NaTType (ValueError)"),
        (BINARY,         bytearray(b"a"),                "refuses bytearray (TypeError)"),
        (STRING,         pd.NA,                          "would store <NA>"),
        (STRING,         1,                              None),
        (JSON,           [1],                            None),
        (JSON,           None,                           None),
    ],
)  # fmt: skip
def test_remark_says_what_2_13_1_does_otherwise(type_name: str, value: Any, remark: str | None) -> None:
    where = f" for {'an' if type_name == INT else 'a'} {type_name} column ("
    expected = remark and f"Fivetran's SDK 2.13.1 {remark.replace(' (', where)}"

    assert coerce.remark(column(type_name), value) == expected


ARROW = {
    BOOLEAN: pa.bool_(),
    SHORT: pa.int16(),
    INT: pa.int32(),
    LONG: pa.int64(),
    DECIMAL: pa.decimal128(38, 10),
    FLOAT: pa.float64(),
    DOUBLE: pa.float64(),
    NAIVE_DATE: pa.date32(),
    BINARY: pa.binary(),
    XML: pa.string(),
    STRING: pa.string(),
}


@pytest.mark.parametrize("type_name", ARROW)
def test_arrow_stores_a_direct_value_as_lenient_gives_it(type_name: str) -> None:
    direct = [value for value in all_values().values() if type(value) in coerce.DIRECT[type_name]]
    stored = {index: arrow_value(value, ARROW[type_name]) for index, value in enumerate(direct)}
    kept = {index: value for index, value in stored.items() if value is not RAISED}

    assert kept
    assert list(map(comparable, kept.values())) == [
        comparable(coerce.lenient(column(type_name), direct[index])) for index in kept
    ]


RAISED = object()


def arrow_value(value: object, arrow_type: pa.DataType) -> object:
    try:
        return pa.array([value], arrow_type)[0].as_py()
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return RAISED


def comparable(value: object) -> object:
    return repr(value) if isinstance(value, float) else value  # NaN, and the sign of zero


def test_direct_names_every_type_and_never_none() -> None:
    assert set(coerce.DIRECT) == set(TYPE_NAMES)
    assert not any(type(None) in kinds for kinds in coerce.DIRECT.values())


TIMES = st.datetimes(timezones=st.sampled_from([None, UTC, INDIA, timezone(timedelta(hours=-11, minutes=-5))]))
SEPARATORS = st.sampled_from(["T", " "])


@given(TIMES, SEPARATORS)
def test_the_fast_reading_of_text_is_the_slow_one(moment: datetime, separator: str) -> None:
    text = moment.isoformat(separator)
    type_name = NAIVE_DATETIME if moment.tzinfo is None else UTC_DATETIME
    form = "%Y-%m-%dT%H:%M:%S" + ".%f" * ("." in text) + "%z" * (moment.tzinfo is not None)
    slow = datetime.strptime(text.replace(" ", "T"), form)  # noqa: DTZ007 some of them are naive

    try:
        assert coerce.lenient(column(type_name), text) == slow
    except ValueError as error:  # at either end of the calendar, there is no such time in UTC
        assert str(error) == EXPECTED_INSTANT


@given(st.one_of(st.integers(), st.floats(), st.decimals(), st.fractions(), st.text("0123456789.-e _")))
def test_a_lenient_number_is_the_number_it_was_given(value: Any) -> None:
    for type_name in (LONG, DECIMAL):
        try:
            canonical: Any = coerce.lenient(column(type_name), value)
        except (TypeError, ValueError):
            continue
        assert canonical == (Decimal(value) if isinstance(value, str) else value)
