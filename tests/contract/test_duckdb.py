"""The contract over DuckDB."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import duckdb as db
import pyarrow as pa
import pytest

from headwater.batch import TypedOperations, net_effect
from headwater.destinations import duckdb
from headwater.destinations.duckdb_file import DatabaseFile
from headwater.destinations.migrations import ChangeMode, CopyTable, Refused, RenameColumn
from headwater.history import END_OF_TIME
from headwater.schema import ACTIVE, END, START, SYNCED
from headwater.testing.contract import LATER, batch, made, opened, rows_in_place, shown, values
from headwater.testing.migration_contract import AT, MigrationContract, full_rows, migrated
from headwater.types.columns import Column
from headwater.types.names import LONG, STRING, ColumnType
from tests.contract.duckdb_driver import DuckDBDriver


class TestDuckDB(MigrationContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> DuckDBDriver:
        return DuckDBDriver(tmp_path / "warehouse.db")


class TestDuckDBWithLongSegments(MigrationContract):
    """Every second row moves the segment to a copy of the file, where each row is a transaction of its own."""

    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[DuckDBDriver]:
        with mock.patch.multiple(duckdb, LONG_SEGMENT_ROWS=2, COPY_TRANSACTION_ROWS=1):
            yield DuckDBDriver(tmp_path / "warehouse.db")


# --- making the file


def test_a_file_that_another_sync_has_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Both found none; the slower one must not take the name away from a file that has rows by now."""
    table = made("orders", {"id": ColumnType(LONG)})
    driver = DuckDBDriver(tmp_path / "warehouse.db")
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=[{"id": 1}]))
        destination.commit("{}")
    with mock.patch.object(Path, "exists", return_value=False), opened(driver, "another"):
        pass

    assert values(driver, table) == shown([{"id": 1}])


def test_what_dead_syncs_have_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    own = [".warehouse.db.copy-1", f".warehouse.db.{'0' * 32}", f".warehouse.db.{'a' * 32}.wal"]
    others = [".warehouse.db.mine", f"warehouse.db.{'0' * 32}", f".other.db.{'0' * 32}"]
    for name in [*own, *others]:
        (tmp_path / name).touch()
    with opened(DuckDBDriver(tmp_path / "warehouse.db")):
        pass

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "warehouse.db"])


# --- long segments


@pytest.mark.parametrize(("rows", "is_copied"), [(1_000, False), (40_000, True)])
def test_a_slice_of_a_large_table_counts_as_what_it_holds(tmp_path: Path, rows: int, is_copied: bool) -> None:
    """Its buffers are those of the whole table; a file that is copied for each of its slices is copied for nothing."""
    table = made("orders", {"id": ColumnType(LONG)})
    whole = pa.table({"id": pa.array(range(100_000), pa.int64())})
    with (
        mock.patch.object(duckdb, "LONG_SEGMENT_BYTES", 200_000),
        mock.patch.object(DatabaseFile, "move_to_copy", autospec=True, side_effect=DatabaseFile.move_to_copy) as moved,
        opened(DuckDBDriver(tmp_path / "warehouse.db")) as destination,
    ):
        destination.create_table(table)
        destination.write(
            table, net_effect(TypedOperations({"id": Column(whole["id"][:rows], ColumnType(LONG))}, rows), table, LATER)
        )
        destination.commit("{}")

    assert moved.called is is_copied


# --- migrations


def test_a_table_with_a_primary_key_of_another_program_is_copied_before_it_changes_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.db"
    with db.connect(str(path)) as other:
        other.execute("CREATE SCHEMA tester; CREATE TABLE tester.orders (id BIGINT PRIMARY KEY, a VARCHAR)")
        other.execute("INSERT INTO tester.orders VALUES (1, 'x')")
    driver = DuckDBDriver(path)
    with opened(driver) as destination:
        table = destination.describe_table("tester", "orders")
        assert table is not None
        with pytest.raises(Refused, match="another program made this table with a primary key"):
            migrated(destination, table, ChangeMode("history", AT))
        table = migrated(destination, table, RenameColumn("a", "b"))
        copy = migrated(destination, migrated(destination, table, CopyTable("versions")), ChangeMode("history", AT))
        version = {"id": 1, "b": "x", SYNCED: None, ACTIVE: True, START: AT, END: END_OF_TIME}
        second = {**version, START: LATER}
        destination.write(copy, rows_in_place(copy, [second]))
        destination.commit("{}")

    assert full_rows(driver, copy) == shown([version, second])
    assert full_rows(driver, table) == shown([{"id": 1, "b": "x", SYNCED: None}])


# --- threads


def test_all_threads_empty_the_log_into_the_file_and_one_does_small_commits(tmp_path: Path) -> None:
    table = made("orders", {"id": ColumnType(LONG), "text": ColumnType(STRING)})
    log, chance = tmp_path / "warehouse.db.wal", random.Random(1)
    seen: list[tuple[str, bool]] = []
    with opened(DuckDBDriver(tmp_path / "warehouse.db")) as destination:
        assert isinstance(destination, duckdb.DuckDB)
        destination.create_table(table)
        destination.commit("{}")
        for step in range(12):
            rows = [{"id": 1_000 * step + n, "text": chance.randbytes(1_000).hex()} for n in range(1_000)]
            destination.write(table, batch(table, rows=rows))
            before = log.stat().st_size if log.exists() else 0
            destination.commit("{}")
            emptied = not log.exists() or log.stat().st_size < before
            [(threads,)] = destination._fetch("SELECT current_setting('threads')")
            seen.append((f"{threads} threads" if threads == 1 else "all threads", emptied))

    assert seen[0] == ("1 threads", False)
    assert ("all threads", True) in seen
    assert ("1 threads", True) not in seen
    assert seen[-1] == ("1 threads", False)
