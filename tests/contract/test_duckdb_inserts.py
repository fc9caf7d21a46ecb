"""Inserts that DuckDB plans once."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from unittest import mock

import duckdb as db
import pyarrow as pa
import pytest

from headwater.destinations import duckdb, duckdb_inserts
from headwater.destinations.duckdb_inserts import Inserts
from headwater.testing.contract import batch, made, opened, shown, values
from headwater.types.names import LONG, STRING, ColumnType
from tests.contract.duckdb_driver import DuckDBDriver

SQL = "INSERT INTO orders (id, note) SELECT id, note FROM headwater_batch"


@pytest.fixture
def connection() -> Iterator[db.DuckDBPyConnection]:
    with db.connect() as connection:
        connection.execute("CREATE TABLE orders (id BIGINT, note VARCHAR)")
        yield connection


def _rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "note": pa.array([f"note {n}" for n in ids], pa.string())})


def _ids(connection: db.DuckDBPyConnection) -> list[object]:
    return [n for (n,) in connection.execute("SELECT id FROM orders ORDER BY id, note").fetchall()]


def _plans(connection: db.DuckDBPyConnection) -> int:
    return len(connection.execute("SELECT name FROM duckdb_prepared_statements()").fetchall())


def test_an_insert_is_planned_when_it_comes_for_the_second_time(connection: db.DuckDBPyConnection) -> None:
    """A table that is loaded once, as most are in a short sync, costs no plan that is kept."""
    inserts = Inserts(connection)
    planned = []
    for n in range(4):
        inserts.run(SQL, _rows(n, n + 10))
        planned.append(_plans(connection))

    assert planned == [0, 1, 1, 1]
    assert _ids(connection) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_each_insert_reads_its_own_rows(connection: db.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE customers (id BIGINT, note VARCHAR)")
    inserts = Inserts(connection)
    for n in range(3):
        inserts.run(SQL, _rows(n))
        inserts.run(SQL.replace("orders", "customers"), _rows(n + 100))

    assert _plans(connection) == 2
    assert _ids(connection) == [0, 1, 2]
    assert connection.execute("SELECT id, note FROM customers ORDER BY id").fetchall() == [
        (100, "note 100"), (101, "note 101"), (102, "note 102"),
    ]  # fmt: skip


def test_rows_of_other_types_are_not_read_by_the_plan_of_those_before(connection: db.DuckDBPyConnection) -> None:
    inserts = Inserts(connection)
    inserts.run(SQL, _rows(1))
    inserts.run(SQL, _rows(2))
    for n in (3, 4):  # the plan for the rows before would take their pointers for numbers
        inserts.run(SQL, pa.table({"id": pa.array([str(n)]), "note": pa.array([n], pa.int64())}))
    inserts.run(SQL, _rows(5))
    inserts.run(SQL, _rows(6))

    assert _plans(connection) == 1
    found = connection.execute("SELECT id, note FROM orders ORDER BY id").fetchall()
    assert found == [(1, "note 1"), (2, "note 2"), (3, "3"), (4, "4"), (5, "note 5"), (6, "note 6")]


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("ALTER TABLE orders ALTER COLUMN id TYPE VARCHAR", ("3", "note 3")),
        ("DROP TABLE orders; CREATE TABLE orders (note VARCHAR, more VARCHAR, id BIGINT)", ("note 3", None, 3)),
    ],
)
def test_a_table_that_changes_between_two_runs(connection: db.DuckDBPyConnection, change: str, row: object) -> None:
    inserts = Inserts(connection)
    for n in (1, 2):
        inserts.run(SQL, _rows(n))
    connection.execute(change)
    inserts.run(SQL, _rows(3))

    assert connection.execute("SELECT * FROM orders WHERE id = 3").fetchall() == [row]


def test_a_table_that_is_new_in_the_transaction_is_planned_again_once(connection: db.DuckDBPyConnection) -> None:
    """DuckDB never runs a plan after the commit of the table it was made for, and plans anew each time instead."""
    inserts = Inserts(connection)
    original = duckdb_inserts._Insert.__arrow_c_schema__
    with mock.patch.object(duckdb_inserts._Insert, "__arrow_c_schema__", autospec=True, side_effect=original) as asked:
        connection.execute("BEGIN; DROP TABLE orders; CREATE TABLE orders (id BIGINT, note VARCHAR)")
        asked_for = []
        for n in range(10):
            before = asked.call_count
            inserts.run(SQL, _rows(n))
            asked_for.append(asked.call_count - before)
            if n == 3:
                connection.execute("COMMIT")

    assert asked_for == [0, 1, 0, 0, 1, 1, 0, 0, 0, 0]
    assert _ids(connection) == list(range(10))
    assert _plans(connection) == 1


def test_a_plan_outlives_the_transaction_that_was_rolled_back(connection: db.DuckDBPyConnection) -> None:
    inserts = Inserts(connection)
    for ids in ((1, 2), (3, 4)):
        connection.execute("BEGIN; DROP TABLE orders; CREATE TABLE orders (note VARCHAR, id BIGINT)")
        for n in ids:
            inserts.run(SQL, _rows(n))
        connection.execute("ROLLBACK")
    inserts.run(SQL, _rows(5))

    assert _ids(connection) == [5]


def test_an_insert_that_fails_can_be_run_again(connection: db.DuckDBPyConnection) -> None:
    connection.execute("DROP TABLE orders; CREATE TABLE orders (id BIGINT UNIQUE, note VARCHAR)")
    inserts = Inserts(connection)
    for n in (1, 2):
        inserts.run(SQL, _rows(n))
    with pytest.raises(db.ConstraintException, match="unique"):
        inserts.run(SQL, _rows(2))
    inserts.run(SQL, _rows(3))

    assert _ids(connection) == [1, 2, 3]


def test_no_rows_are_kept_after_the_insert(connection: db.DuckDBPyConnection) -> None:
    inserts = Inserts(connection)
    kept = []
    for n in range(3):
        rows = _rows(n)
        kept.append(weakref.ref(rows))
        inserts.run(SQL, rows)
        del rows

    assert [rows() for rows in kept] == [None, None, None]


def test_plans_are_forgotten_when_they_have_too_many_columns_together(connection: db.DuckDBPyConnection) -> None:
    """A plan takes half a kilobyte for each of its columns."""
    for n in range(5):
        connection.execute(f"CREATE TABLE orders_{n} (id BIGINT, note VARCHAR)")
    inserts = Inserts(connection)
    planned = []
    with mock.patch.object(duckdb_inserts, "KEPT_COLUMNS", 6):
        for n in range(5):
            for _ in range(3):
                inserts.run(SQL.replace("orders", f"orders_{n}"), _rows(n))
            planned.append(_plans(connection))

    assert planned == [1, 2, 3, 1, 2]
    for n in range(5):
        assert connection.execute(f"SELECT id FROM orders_{n}").fetchall() == [(n,)] * 3


def test_a_plan_does_not_lead_into_a_file_that_a_copy_has_replaced(tmp_path: Path) -> None:
    """The table has its plan before the segment moves to a copy, in the copy, and when that is the file."""
    table = made("orders", {"id": ColumnType(LONG), "note": ColumnType(STRING)})
    driver = DuckDBDriver(tmp_path / "warehouse.db")
    ids = count(1)
    with mock.patch.multiple(duckdb, LONG_SEGMENT_ROWS=5, COPY_TRANSACTION_ROWS=2), opened(driver) as destination:
        destination.create_table(table)
        for rows in (3, 9, 3, 9, 3):
            for n in islice(ids, rows):
                destination.write(table, batch(table, rows=[{"id": n, "note": f"note {n}"}]))
            destination.commit("{}")

    assert values(driver, table) == shown([{"id": i, "note": f"note {i}"} for i in range(1, 28)])
