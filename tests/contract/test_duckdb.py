"""The contract over DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from headwater.destinations import duckdb
from headwater.testing.contract import DestinationContract, batch, made, opened, shown, values
from headwater.types.names import LONG, ColumnType
from tests.contract.duckdb_driver import DuckDBDriver


class TestDuckDB(DestinationContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> DuckDBDriver:
        return DuckDBDriver(tmp_path / "warehouse.db")


class TestDuckDBWithLongSegments(DestinationContract):
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
