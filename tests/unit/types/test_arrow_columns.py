"""Columns that come as Arrow: times outside the calendar of Python and of every destination are refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from headwater.types.arrow import column_from_arrow
from headwater.types.columns import ValueRefused
from headwater.types.names import ColumnType

FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, in days since 1970
DAY = 86_400_000_000

EDGES: list[tuple[pa.DataType, int, int]] = [
    # type                        first value               last value
    (pa.date32(),                 FIRST_DAY,                LAST_DAY),
    (pa.date64(),                 FIRST_DAY * 86_400_000,   LAST_DAY * 86_400_000),
    (pa.timestamp("s"),           FIRST_DAY * 86_400,       LAST_DAY * 86_400 + 86_399),
    (pa.timestamp("ms"),          FIRST_DAY * 86_400_000,   LAST_DAY * 86_400_000 + 86_399_999),
    (pa.timestamp("us"),          FIRST_DAY * DAY,          LAST_DAY * DAY + DAY - 1),
    (pa.timestamp("us", "UTC"),   FIRST_DAY * DAY,          LAST_DAY * DAY + DAY - 1),
]  # fmt: skip


def column(kind: pa.DataType, values: list[Any]) -> pa.ChunkedArray:
    integers = pa.array(values, pa.int32() if kind == pa.date32() else pa.int64())
    return pa.chunked_array([integers.view(kind)])


@pytest.mark.parametrize(("kind", "first", "last"), EDGES)
def test_the_first_and_the_last_day_are_taken(kind: pa.DataType, first: int, last: int) -> None:
    taken = column_from_arrow(column(kind, [first, None, last]), None)

    assert [None if value is None else value.year for value in taken.array.to_pylist()] == [1, None, 9999]


@pytest.mark.parametrize(
    "declared", [None, ColumnType("NAIVE_DATE"), ColumnType("NAIVE_DATETIME"), ColumnType("UTC_DATETIME")]
)
@pytest.mark.parametrize(("kind", "first", "last"), EDGES)
def test_a_time_outside_the_years_1_to_9999_is_refused(
    kind: pa.DataType, first: int, last: int, declared: ColumnType | None
) -> None:
    step = 86_400_000 if kind == pa.date64() else 1

    for outside in (first - step, last + step):
        with pytest.raises(ValueRefused, match="outside the years 1 to 9999"):
            column_from_arrow(column(kind, [first, outside]), declared)


@pytest.mark.parametrize("value", [-(2**63), -(2**63) + 1, 2**63 - 1])
def test_the_ends_of_64_bits_are_refused(value: int) -> None:
    with pytest.raises(ValueRefused, match="outside the years 1 to 9999"):
        column_from_arrow(column(pa.timestamp("us"), [value]), None)


def test_an_empty_column_and_one_of_nulls_are_taken() -> None:
    for values in ([], [None, None]):
        assert column_from_arrow(column(pa.timestamp("us"), values), None).array.to_pylist() == values
