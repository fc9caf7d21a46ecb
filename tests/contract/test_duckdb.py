"""The contract over DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from headwater.destinations import duckdb
from headwater.testing.contract import DestinationContract
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
