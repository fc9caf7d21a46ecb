"""Mapped rows keep what the source said; rows that cannot be mapped are kept aside, counted, with a reason."""

from __future__ import annotations

import doctest
import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from sdk_helpers import records
from sdk_helpers.records import Records, TooManyBadRows, exact, json_value


def person(record: dict[str, Any]) -> dict[str, Any]:
    return {"id": record["id"], "city": record["address"]["city"].upper(), "age": int(record["age"])}


GOOD = {"id": 1, "address": {"city": "Oslo"}, "age": "36", "extra": [1.5, None]}


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(records).failed == 0


def test_a_row_has_its_columns_and_the_whole_record() -> None:
    people = Records("people", person)

    assert list(people.rows(GOOD)) == [("people", {"id": 1, "city": "OSLO", "age": 36, "raw": GOOD})]
    assert (people.good, people.bad) == (1, 0)


def test_the_raw_record_is_a_copy_that_the_mapping_cannot_change() -> None:
    def greedy(record: dict[str, Any]) -> dict[str, Any]:
        return {"id": record.pop("id")}

    record = {"id": 1}
    rows = list(Records("t", greedy).rows(record))

    assert rows == [("t", {"id": 1, "raw": {"id": 1}})]
    assert record == {"id": 1}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({**GOOD, "age": "old"}, "ValueError: invalid literal for int() with base 10: 'old'"),
        ({"id": 1}, "KeyError: 'address'"),
        ({**GOOD, "address": None}, "TypeError: 'NoneType' object is not subscriptable"),
        ({**GOOD, "address": {"city": 5}}, "AttributeError: 'int' object has no attribute 'upper'"),
        ([1], "the record is a list, not an object"),
        (None, "the record is empty, not an object"),
    ],
)
def test_a_bad_row_goes_to_the_quarantine_with_its_reason(record: Any, reason: str) -> None:
    people = Records("people", person)
    ((table, row),) = people.rows(record)

    assert (table, row["reason"], json.loads(str(row["record"]))) == ("people_quarantine", reason, record)
    assert people.reasons == {reason: 1}


def test_a_bad_row_that_comes_again_is_still_one_row() -> None:
    ids = {next(Records("people", person).rows({"id": 1}))[1]["id"] for _ in range(3)}

    assert len(ids) == 1


def test_a_mistake_of_the_program_is_not_quarantined() -> None:
    def broken(record: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        list(Records("t", broken).rows({}))


def test_too_many_bad_rows_stop_the_sync() -> None:
    people = Records("people", person, max_bad=2)
    list(people.rows(GOOD))
    list(people.rows({"id": 1}))
    list(people.rows({"id": 2}))

    with pytest.raises(TooManyBadRows) as raised:
        list(people.rows({"id": 3}))

    assert "people: 3 bad of 4 rows (3 x KeyError: 'address')" in str(raised.value)


def test_a_mapping_that_makes_the_raw_column_is_refused() -> None:
    with pytest.raises(ValueError, match="choose another raw_column"):
        list(Records("t", lambda record: {"raw": 1}).rows({}))


def test_unreadable_bytes_can_be_quarantined_too() -> None:
    table, row = Records("t", person).reject(b'{"a": \xff', "not JSON")

    assert (table, row["record"], row["reason"]) == ("t_quarantine", '{"a": \\xff', "not JSON")


def test_the_schema_has_the_table_and_its_quarantine() -> None:
    assert Records("t", person).schema(["id"]) == [
        {"table": "t", "primary_key": ["id"], "columns": {"raw": "JSON"}},
        {
            "table": "t_quarantine",
            "primary_key": ["id"],
            "columns": {"id": "STRING", "reason": "STRING", "record": "STRING"},
        },
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Decimal("1.10"), "1.10"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29T00:00:00+00:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\xff", "/w=="),
        ({"a": ({"b": b"x"},)}, {"a": [{"b": "eA=="}]}),
    ],
)
def test_json_keeps_what_it_lacks_as_text(value: object, expected: object) -> None:
    assert json_value(value) == expected


@pytest.mark.parametrize(("value", "error"), [({1: 1, "1": 2}, ValueError), (object(), TypeError), ({1, 2}, TypeError)])
def test_what_json_would_lose_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        json_value(value)


DECIMAL = {"type": "DECIMAL", "precision": 12, "scale": 2}


@pytest.mark.parametrize(
    ("value",                          "declared", "written"),
    [
        (Decimal("19.50"),             None,       "19.50"),
        (Decimal("1E+3"),              None,       "1000"),
        (Decimal("-0.00"),             None,       "-0.00"),
        (Decimal("1e-30"),             None,       "0." + "0" * 29 + "1"),
        (Decimal("9" * 38),            DECIMAL,    "9" * 38),
        (Decimal("NaN"),               None,       "NaN"),
        (Decimal("0.1"),               "double",   Decimal("0.1")),
        (Decimal("0.1"),               "STRING",   "0.1"),
        (7,                            None,       7),
        (7,                            DECIMAL,    "7"),
        (2**100,                       DECIMAL,    str(2**100)),
        (0.1,                          DECIMAL,    "0.1"),
        (1e23,                         DECIMAL,    "1" + "0" * 23),
        (np.float64(0.1),              DECIMAL,    "0.1"),
        (0.1,                          None,       0.1),
        (True,                         DECIMAL,    True),
        ("7.00",                       DECIMAL,    "7.00"),
        (None,                         DECIMAL,    None),
    ],
)  # fmt: skip
def test_exact_numbers_are_text_where_a_decimal_column_wants_them(value: Any, declared: Any, written: Any) -> None:
    row = exact({"v": value, "other": "x"}, {"v": declared} if declared else None)

    assert row == {"v": written, "other": "x"}
    assert type(row["v"]) is type(written)
