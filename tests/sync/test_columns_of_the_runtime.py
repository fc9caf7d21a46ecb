"""Columns that the runtime writes itself, and that connectors send all the same.

Published connectors declare and send `_fivetran_synced` (prefect, coingeko, alpaca) and send
`_fivetran_deleted` as False (NetPrint): they run unmodified.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.errors import RowError
from headwater.options import Options
from headwater.schema import TableOptions
from headwater.testing.run import Run, run_connector

WARNING = {
    "_fivetran_synced": "t: the runtime writes the column _fivetran_synced itself: other values are left out",
    "_fivetran_deleted": (
        "t: the runtime writes the column _fivetran_deleted itself: a row in which it is true is marked deleted"
    ),
}


def rows_of(*rows: dict[str, Any], key: tuple[str, ...] = ("id",), after: Run | None = None) -> Run:
    def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
        columns = {name: "UTC_DATETIME" for row in rows for name in row if name == "_fivetran_synced"}
        return [{"table": "t", "primary_key": list(key), "columns": columns}]

    def update(configuration: dict[str, str], state: dict[str, Any]) -> Iterator[None]:
        for row in rows:
            yield op.upsert("t", row)

    return run_connector(Connector(update=update, schema=schema), after=after)


@pytest.mark.parametrize(
    ("column",            "value"),
    [
        ("_fivetran_synced",  "2001-01-01T00:00:00+00:00"),
        ("_fivetran_synced",  "no time at all"),
        ("_fivetran_synced",  None),
        ("_fivetran_deleted", False),
        ("_fivetran_deleted", None),
    ],
)  # fmt: skip
def test_a_value_for_a_column_of_the_runtime_is_left_out_with_one_warning(column: str, value: object) -> None:
    run = rows_of({"id": 1, "name": "a", column: value}, {"id": 2, "name": "b", column: value})

    assert run.result.error is None
    assert run.rows("t") == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert [row["_fivetran_deleted"] for row in run.rows("t", system_columns=True)] == [False, False]
    assert all(row["_fivetran_synced"].year > 2001 for row in run.rows("t", system_columns=True))
    assert run.result.warnings == [WARNING[column]]


def test_a_row_without_key_keeps_its_id_whenever_it_says_it_was_synced() -> None:
    first = rows_of({"name": "a", "_fivetran_synced": "2001-01-01T00:00:00Z"}, key=())
    second = rows_of({"name": "a", "_fivetran_synced": "2002-02-02T00:00:00Z"}, key=(), after=first)
    without = rows_of({"name": "a"}, key=())

    assert len(second.rows("t")) == 1
    assert [row["_fivetran_id"] for row in second.rows("t")] == [row["_fivetran_id"] for row in without.rows("t")]


@pytest.mark.parametrize("value", [True, 1])
@pytest.mark.parametrize("key", [("id",), ()])
def test_a_row_that_says_it_is_deleted_is_marked(value: object, key: tuple[str, ...]) -> None:
    run = rows_of(
        {"id": 1, "name": "a", "_fivetran_deleted": False},
        {"id": 2, "name": "b", "_fivetran_deleted": value},
        {"id": 3, "name": "c"},
        key=key,
    )

    rows = {row["id"]: row for row in run.rows("t", system_columns=True)}
    assert {id: (row["name"], row["_fivetran_deleted"]) for id, row in rows.items()} == {
        1: ("a", False),
        2: ("b", True),
        3: ("c", False),
    }


def test_the_last_word_on_a_row_counts() -> None:
    run = rows_of(
        {"id": 1, "_fivetran_deleted": True},
        {"id": 1, "_fivetran_deleted": False},
        {"id": 2, "_fivetran_deleted": False},
        {"id": 2, "_fivetran_deleted": True},
    )

    assert [row["_fivetran_deleted"] for row in run.rows("t", system_columns=True)] == [False, True]


def test_what_is_neither_true_nor_false_is_refused() -> None:
    run = rows_of({"id": 1, "_fivetran_deleted": False}, {"id": 2, "_fivetran_deleted": "perhaps"})

    assert isinstance(run.result.error, RowError)
    assert str(run.result.error).startswith("t._fivetran_deleted: 'perhaps'")
    assert '"id": 2' in str(run.result.error)


def test_an_update_leaves_them_out_too() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        op.upsert("t", {"id": 1, "name": "a"})
        op.update("t", {"id": 1, "name": "b", "_fivetran_synced": "2001-01-01T00:00:00Z"})

    run = run_connector(Connector(update=update, schema=lambda configuration: [{"table": "t", "primary_key": ["id"]}]))

    assert run.rows("t") == [{"id": 1, "name": "b"}]


def test_an_arrow_table_may_have_them() -> None:
    table = pa.table({"id": [1, 2], "_fivetran_synced": ["x", "y"], "_fivetran_deleted": [False, None]})

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        op.upsert("t", table)

    run = run_connector(Connector(update=update, schema=lambda configuration: [{"table": "t", "primary_key": ["id"]}]))

    assert run.result.error is None
    assert run.rows("t") == [{"id": 1}, {"id": 2}]
    assert run.result.warnings == list(WARNING.values())


def test_an_arrow_table_may_not_delete() -> None:
    table = pa.table({"id": [1, 2], "_fivetran_deleted": [False, True]})

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        op.upsert("t", table)

    run = run_connector(Connector(update=update))

    assert str(run.result.error) == (
        "t._fivetran_deleted: a table of many rows cannot say which of them are deleted\nCall op.delete for these rows."
    )


def test_the_start_of_a_version_cannot_be_sent() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        op.upsert("t", {"id": 1, "_fivetran_start": "2001-01-01T00:00:00Z"})

    run = run_connector(
        Connector(update=update, schema=lambda configuration: [{"table": "t", "primary_key": ["id"]}]),
        options=Options(tables={"t": TableOptions(mode="history")}),
    )

    assert isinstance(run.result.error, RowError)
    assert "Ambiguous column name _fivetran_start" in str(run.result.error)
