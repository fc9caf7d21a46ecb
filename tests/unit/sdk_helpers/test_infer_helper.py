"""Column types from samples: the widest that keeps every value, never one that tomorrow's value breaks."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from sdk_helpers import infer
from sdk_helpers.infer import infer_schema

NAIVE = datetime(2024, 2, 29, 12)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(infer).failed == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], "BOOLEAN"),
        ([1], "LONG"),
        ([2**63 - 1], "LONG"),
        ([2**63], "STRING"),
        ([1.5], "DOUBLE"),
        ([1, 1.5], "DOUBLE"),
        ([2**53 + 1, 1.5], "STRING"),
        ([float("nan")], "DOUBLE"),
        ([Decimal("1.10")], {"type": "DECIMAL", "precision": 38, "scale": 9}),
        ([Decimal("1E+30"), 1], {"type": "DECIMAL", "precision": 38, "scale": 7}),
        ([Decimal("0." + "0" * 11 + "1")], {"type": "DECIMAL", "precision": 38, "scale": 12}),
        ([Decimal(10) ** 30, Decimal("1e-20")], "STRING"),
        ([Decimal("NaN")], "STRING"),
        ([Decimal(1), 1.5], "STRING"),
        (["x"], "STRING"),
        (["007", "1"], "STRING"),
        (["2024-02-29"], "STRING"),
        ([1, "x"], "STRING"),
        ([True, 1], "STRING"),
        ([b"x"], "BINARY"),
        ([date(2024, 2, 29)], "NAIVE_DATE"),
        ([NAIVE], "NAIVE_DATETIME"),
        ([NAIVE.replace(tzinfo=UTC)], "UTC_DATETIME"),
        ([NAIVE, NAIVE.replace(tzinfo=UTC)], "STRING"),
        ([date(2024, 2, 29), NAIVE], "STRING"),
        ([time(12)], "STRING"),
        ([{"a": 1}], "JSON"),
        ([[1], {"a": 1}, "x", None], "JSON"),
        ([[1], b"x"], "STRING"),
        ([np.int64(5)], "LONG"),
        ([np.uint64(2**64 - 1)], "STRING"),
        ([np.int64(2**53 + 1), 1.5], "STRING"),
        ([np.float32(5)], "DOUBLE"),
        ([np.bool_(True)], "BOOLEAN"),
    ],
)
def test_the_type_of_a_column(values: list[Any], expected: object) -> None:
    entry = infer_schema("t", [{"c": value} for value in values])

    assert entry == {"table": "t", "primary_key": [], "columns": {"c": expected}}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2024-02-29", "0001-01-01"], "NAIVE_DATE"),
        (["2024-02-30"], "STRING"),
        (["2024-02-29T12:00:00", "2024-02-29 12:00:00.123456"], "NAIVE_DATETIME"),
        (["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+01:00"], "UTC_DATETIME"),
        (["2024-02-29T12:00:00.123456789Z"], "STRING"),
        (["2024-02-29", "2024-02-29T12:00:00"], "STRING"),
        (["2024-02-29", "unknown"], "STRING"),
        (["2024-02-29\n"], "STRING"),
        (["20240229"], "STRING"),
    ],
)
def test_times_in_text_are_read_only_when_asked_and_only_if_all_are_times(texts: list[str], expected: str) -> None:
    samples = [{"c": text} for text in texts]

    assert infer_schema("t", samples, read_times=True)["columns"] == {"c": expected}
    assert infer_schema("t", samples)["columns"] == {"c": "STRING"}


def test_late_columns_are_found_and_empty_ones_left_out() -> None:
    samples = [{"id": 1, "empty": None}] * 2000 + [{"id": 2, "late": 1}]

    assert infer_schema("t", samples, ["id"]) == {
        "table": "t",
        "primary_key": ["id"],
        "columns": {"id": "LONG", "late": "LONG"},
    }


@pytest.mark.parametrize(
    ("samples", "key", "message"),
    [
        ([{"id": 1}, {"id": None}], ["id"], "t: sample 2 has no id"),
        ([{1: 1}], [], "t: sample 1 has the column name 1"),
        ([], "id", "give a list, ['id']"),
    ],
)
def test_samples_that_cannot_be_are_refused(samples: list[Any], key: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # the message is compared below
        infer_schema("t", samples, key)

    assert message in str(raised.value)
