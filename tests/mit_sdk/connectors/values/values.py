"""The values that the coercion tests give to every column type, by name."""

import decimal
import enum
import fractions
import types
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

INDIA = timezone(timedelta(hours=5, minutes=30))

# The rows of tests/data/coercion_matrix_2.13.1.txt, under the names it uses.
MATRIX = {
    "True": True,
    "1": 1,
    "2": 2,
    "0": 0,
    "-1": -1,
    "32768": 32768,
    "2**31": 2**31,
    "2**63-1": 2**63 - 1,
    "2**63": 2**63,
    "1.0": 1.0,
    "1.5": 1.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "1e39": 1e39,
    "'abc'": "abc",
    "'1'": "1",
    "'true'": "true",
    "'1.5'": "1.5",
    "''": "",
    "b'ab'": b"ab",
    "bytearray": bytearray(b"ab"),
    "Decimal1.50": Decimal("1.50"),
    "DecimalNaN": Decimal("NaN"),
    "date": date(2024, 2, 29),
    "dt_naive": datetime(2024, 2, 29, 1, 2, 3, 456789),
    "dt_utc": datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
    "dt_+0530": datetime(2024, 2, 29, 1, 2, 3, tzinfo=INDIA),
    "'2024-02-29'": "2024-02-29",
    "'2024-02-29T01:02:03'": "2024-02-29T01:02:03",
    "'2024-02-29 01:02:03.5'": "2024-02-29 01:02:03.5",
    "'..Z'": "2024-02-29T01:02:03Z",
    "'..+05:30'": "2024-02-29T01:02:03+05:30",
    "'...123456789Z'": "2024-02-29T01:02:03.123456789Z",
    "'..123Z'": "2024-02-29T01:02:03.123Z",
    "'0001-01-01'": "0001-01-01",
    "'1969-12-31'": "1969-12-31",
    "time": time(1, 2, 3),
    "timedelta": timedelta(seconds=5),
    "dict": {"a": 1, "b": None},
    "list": [1, "x"],
    "tuple": (1, 2),
    "set": {1},
    "uuid": uuid.UUID(int=1),
    "dict_with_dt": {"a": datetime(2024, 1, 1)},
    "list_nan": [float("nan")],
    "'\\u0000'": "a\x00b",
    "surrogate": "\ud800",
    "None": None,
}


class Colour(str, enum.Enum):  # noqa: UP042 what authors write, and not what StrEnum does
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 7


class Text(str):
    pass


class Bytes(bytes):
    pass


class Indexed:
    def __index__(self) -> int:
        return 5

    def __repr__(self) -> str:
        return "Indexed()"


class Measured:
    def __float__(self) -> float:
        return 2.5

    def __repr__(self) -> str:
        return "Measured()"


class Broken:
    def __index__(self) -> int:
        raise ValueError("no number today")

    def __repr__(self) -> str:
        return "Broken()"


for _class in (Bytes, Indexed, Measured, Broken):
    _class.__module__ = "values"  # errors show it; the same, whatever this file is imported as


def _circle() -> list[object]:
    circle: list[object] = []
    circle.append(circle)
    return circle


# What the matrix leaves out: subclasses, the ends of ranges, the rarer forms of text.
MORE = {
    "str enum": Colour.RED,
    "int enum": Level.HIGH,
    "str subclass": Text("2024-02-29"),
    "bytes subclass": Bytes(b"ab"),
    "index": Indexed(),
    "float method": Measured(),
    "raises": Broken(),
    "bytes not utf-8": b"\xff",
    "b'12'": b"12",
    "-2**63": -(2**63),
    "-2**63-1": -(2**63) - 1,
    "-2**31": -(2**31),
    "10**30": 10**30,
    "10**400": 10**400,
    # Beyond 4,300 digits what the error says depends on the patch version of Python.
    "10**4000": 10**4000,
    "-0.0": -0.0,
    "-inf": float("-inf"),
    "0.1": 0.1,
    "123456789.123": 123456789.123,
    "largest 32-bit float": 3.4028234663852886e38,
    "rounds above 32 bits": 3.4028235677973366e38,
    "1e-46": 1e-46,
    "1e300": 1e300,
    "Decimal 2.00": Decimal("2.00"),
    "Decimal 1e400": Decimal("1e400"),
    "Decimal sNaN": Decimal("sNaN"),
    "Decimal -0": Decimal("-0"),
    "fraction": fractions.Fraction(1, 3),
    "complex": 1j,
    "' 1 '": " 1 ",
    "'1_000'": "1_000",
    "'1e400'": "1e400",
    "'-inf'": "-inf",
    "'9'*40": "9" * 40,
    "surrogate inside": "a\ud800b",
    "'ü'": "ü",
    "datetime year 1 east": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    "datetime year 9999 west": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))),
    "datetime last": datetime(9999, 12, 31, 23, 59, 59, 999999),
    "datetime before 1970": datetime(1969, 12, 31, 23, 59, 59, 999999),
    "date first": date(1, 1, 1),
    "'  ..Z  '": "  2024-02-29T01:02:03Z  ",
    "two spaces": "2024-02-29  01:02:03Z",
    "short date": "2024-2-9",
    "short datetime": "2024-2-9T1:2:3",
    "date and space": "2024-02-29 ",
    "no such day": "2023-02-29",
    "no such month": "2024-13-01T00:00:00",
    "leap second": "2016-12-31T23:59:60Z",
    "24 o'clock": "2024-02-29T24:00:00",
    "year 0": "0000-01-01",
    "lower case": "2024-02-29t01:02:03z",
    "+0530": "2024-02-29T01:02:03+0530",
    "+05": "2024-02-29T01:02:03+05",
    "+05:30:15": "2024-02-29T01:02:03+05:30:15",
    "+99:00": "2024-02-29T01:02:03+99:00",
    "-00:00": "2024-02-29T01:02:03-00:00",
    "UTC": "2024-02-29T01:02:03 UTC",
    "text year 1 east": "0001-01-01T00:00:00+05:00",
    "comma": "2024-02-29T01:02:03,5Z",
    "basic": "20240229T010203Z",
    "week": "2024-W09-4T01:02:03Z",
    "no seconds": "2024-02-29T01:02",
    "fraction without digits": "2024-02-29T01:02:03.",
    "six digits": "2024-02-29T01:02:03.123456Z",
    "seven digits": "2024-02-29T01:02:03.1234567",
    "nine digits, zeros": "2024-02-29T01:02:03.120000000Z",
    "arabic digits": "٢٠٢٤-٠٢-٢٩",
    "empty list": [],
    "empty dict": {},
    "integer key": {1: 2},
    "tuple key": {(1, 2): 3},
    "surrogate key": {"\ud800": 1},
    "circle": _circle(),
    "deep Decimal": {"a": [Decimal(1)]},
    "OrderedDict": OrderedDict(a=1),
    "mapping": types.MappingProxyType({"a": 1}),
    "type": decimal.Decimal,
}


def numpy_and_pandas() -> dict[str, object]:
    import numpy as np
    import pandas as pd

    return {
        "np.bool True": np.bool_(True),
        "np.bool False": np.bool_(False),
        "np.int64": np.int64(5),
        "np.uint64": np.uint64(2**64 - 1),
        "np.float64": np.float64(1.5),
        "np.float32": np.float32(0.1),
        "np.str_": np.str_("x"),
        "np.bytes_": np.bytes_(b"x"),
        "np.datetime64": np.datetime64("2024-01-01"),
        "array": np.array([1]),
        "array of no dimension": np.array(1),
        "NaT": pd.NaT,
        "NA": pd.NA,
        "Timestamp": pd.Timestamp("2024-01-01T01:02:03.123456"),
        "Timestamp nanoseconds": pd.Timestamp("2024-01-01T01:02:03.123456789"),
        "Timestamp zoned": pd.Timestamp("2024-01-01T01:02:03", tz="Asia/Kolkata"),
        "Timedelta": pd.Timedelta(seconds=5),
    }


def all_values() -> dict[str, object]:
    return {**MATRIX, **MORE, **numpy_and_pandas()}
