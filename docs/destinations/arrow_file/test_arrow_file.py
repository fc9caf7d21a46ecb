"""The contract over headwater-arrow-file, which can migrate as the destination in memory can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from headwater_arrow_file import ArrowFile, read

from headwater.destinations.memory import Warehouse
from headwater.schema import Table
from headwater.testing.migration_contract import MigrationContract


class Driver:
    def __init__(self, path: Path) -> None:
        self.path = path

    def destination(self, connection: str) -> ArrowFile:
        return ArrowFile(self.path, connection)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        stored = Warehouse()
        read(self.path, stored)
        return [*stored.stored[table.schema, table.name].rows.values()]


class TestArrowFile(MigrationContract):
    reads_while_open = True

    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        return Driver(tmp_path / "warehouse.arrow")
