"""`_fivetran_id`: the published test vectors, and what must and must not change an id."""

from __future__ import annotations

import hashlib
import math
from ast import literal_eval
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.row_id import row_ids
from headwater.schema import read_type
from headwater.types.names import DOUBLE, LONG, STRING, ColumnType, decimal_type

DOCUMENT = Path(__file__).parents[2] / "docs" / "design" / "row_id.md"
NAMES = {"nan": math.nan, "inf": math.inf, "Decimal": Decimal, "date": date}


def vectors() -> Iterator[tuple[str, str, str, str]]:
    """Read the table of docs/design/row_id.md."""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `{"):
            row, declared, written, row_id = (cell.strip().strip("`") for cell in line.strip("|").split(" | "))
            yield row, declared, written, row_id


def row_id(row: dict[str, Any], declared: dict[str, ColumnType | None] | None = None) -> str:
    (found,) = row_ids({name: [value] for name, value in row.items()}, declared or {}, length=1)
    return found


@pytest.mark.parametrize(("row", "declared", "written", "expected"), list(vectors()))
def test_the_published_vectors_hold(row: str, declared: str, written: str, expected: str) -> None:
    types = {name: read_type(name, spec) for name, spec in literal_eval(declared).items()}
    data = literal_eval(f"'''{written}'''").encode()

    assert row_id(eval(row, NAMES), {**types}) == expected
    assert hashlib.sha256(data).hexdigest() == expected


def test_there_are_vectors() -> None:
    assert len(list(vectors())) >= 25


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=["Cs"])), st.binary()
)
ROWS = st.dictionaries(st.text("abcé1:", min_size=1, max_size=3), VALUES, max_size=4)


@given(ROWS, st.randoms())
def test_the_order_of_columns_and_null_ones_do_not_matter(row: dict[str, Any], random: Any) -> None:
    names = list(row)
    random.shuffle(names)
    shuffled = {name: row[name] for name in names} | {"later": None}

    assert row_id(shuffled) == row_id(row)


@given(ROWS, ROWS)
def test_two_rows_share_an_id_only_if_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    def content(row: dict[str, Any]) -> list[tuple[str, str]]:
        return sorted((name, repr(value)) for name, value in row.items() if value is not None)

    assert (row_id(one) == row_id(other)) == (content(one) == content(other))


@given(st.lists(ROWS, max_size=4))
def test_rows_are_named_together_as_they_are_alone(rows: list[dict[str, Any]]) -> None:
    names = sorted({name for row in rows for name in row})
    together = row_ids({name: [row.get(name) for row in rows] for name in names}, {}, length=len(rows))

    assert together == [row_id(row) for row in rows]


@pytest.mark.parametrize(
    ("value",        "declared",          "same_as",  "declared_as"),
    [
        ("42",           ColumnType(LONG),    42,         None),
        (Decimal("1.5"), decimal_type(9, 2),  "1.5000",   decimal_type(12, 4)),
        (3,              ColumnType(DOUBLE),  3.0,        None),
        (True,           ColumnType(STRING),  "True",     None),
    ],
)  # fmt: skip
def test_a_value_is_named_as_its_column_takes_it(
    value: Any, declared: ColumnType, same_as: Any, declared_as: ColumnType | None
) -> None:
    assert row_id({"a": value}, {"a": declared}) == row_id({"a": same_as}, {"a": declared_as})


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, "1"), (1, 1.0), (1, True), (0.0, -0.0), ("a", "a "), ("", None), ("a", b"a"), ("NaN", math.nan)],
)
def test_values_that_differ_have_different_ids(one: Any, other: Any) -> None:
    assert row_id({"a": one}) != row_id({"a": other})
