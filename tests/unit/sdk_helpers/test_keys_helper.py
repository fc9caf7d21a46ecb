"""Keys made from fields: stable over processes, and never one key for two different records."""

from __future__ import annotations

import doctest
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_helpers import keys
from sdk_helpers.keys import hash_fields, hash_values, record_id, record_id_parts

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(keys).failed == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1,), (1.0,)),
        ((1,), (Decimal("1.00"),)),
        ((0.1,), (Decimal("0.1"),)),
        ((0.0,), (-0.0,)),
        ((10**40,), (Decimal(10) ** 40,)),
        ((np.float64(0.1),), (0.1,)),
        ((NOON,), (NOON.astimezone(timezone(timedelta(hours=5))),)),
        (({"a": 1, "b": 2},), ({"b": 2, "a": 1},)),
        (([1, 2],), ((1, 2),)),
    ],
)
def test_equal_values_have_one_key(left: tuple[object, ...], right: tuple[object, ...]) -> None:
    assert hash_values(*left) == hash_values(*right)


def test_different_values_have_different_keys() -> None:
    values: list[tuple[object, ...]] = [
        (), (None,), (None, None), ("",), (" ",), ("a",), ("ab", "c"), ("a", "bc"), ("abc",), (1,), ("1",), (b"1",),
        (True,), ("true",), (-1,), (10,), (100,), (0.1,), (float("nan"),), (float("inf"),), ("nan",),
        (2**70,), (2**70 + 1,), (Decimal("1.00000000000000000000000000000000001"),),
        (date(2024, 2, 29),), ("2024-02-29",), (NOON,), (NOON.replace(tzinfo=None),), (time(12),),
        (timedelta(seconds=1),), (uuid.UUID(int=0),), ([],), ([[]],), ([1], 2), ([1, 2],), ({},), ({"a": 1},),
        ({1: 1},), ({"1": 1},), ("\ud800",), ("é",), ("e\u0301",),
    ]  # fmt: skip

    assert len({hash_values(*each) for each in values}) == len(values)


def test_a_key_is_the_same_in_every_process() -> None:
    program = "from sdk_helpers.keys import hash_values; print(hash_values('a', 1, 'x', {'k': [1, None]}))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }

    assert printed == {"410241ab756a11ef42c51202245c2f0dbdff83de0f5452d5503668fb65637ed4"}


def test_an_absent_field_and_none_are_alike_and_the_order_does_not_matter() -> None:
    assert hash_fields({"a": 1, "b": None, "other": 5}, ["b", "a"]) == hash_fields({"a": 1}, ["a", "b"])
    assert hash_fields({"a": 1, "b": 2}, ["b", "a", "b"]) == hash_fields({"b": 2, "a": 1}, ["a", "b"])


def test_the_names_of_fields_count() -> None:
    assert hash_fields({"a": 1}, ["a", "b"]) != hash_fields({"b": 1}, ["a", "b"])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (["a", "b"], ValueError, "no key: a, b is empty"),
        ([], ValueError, "no key: no field is empty"),
        ("id", TypeError, "give a list of names, ['id']"),
    ],
)
def test_a_row_without_a_key_is_refused(fields: list[str] | str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        hash_fields({"a": None}, fields)

    assert message in str(raised.value)


def test_a_value_without_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="type object has no canonical form"):
        hash_values(object())


@given(st.tuples(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1)))
def test_a_record_id_can_be_taken_apart_again(parts: tuple[str, str, str]) -> None:
    assert record_id_parts(record_id(*parts)) == parts


def test_a_number_and_its_text_are_one_record() -> None:
    assert record_id("s", 1, 2) == record_id("s", "1", "2") == "s:1:2"


@pytest.mark.parametrize(
    ("item", "error"),
    [("", ValueError), (None, TypeError), (True, TypeError), (1.5, TypeError)],
)
def test_an_item_that_names_nothing_is_refused(item: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        record_id("s", "a", item)  # type: ignore[arg-type]  # the wrong type is what is tested


def test_a_text_that_is_no_record_id_is_refused() -> None:
    with pytest.raises(ValueError, match="it has 2 parts"):
        record_id_parts("a:b")
