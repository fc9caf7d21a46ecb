"""The contract over the destination in memory."""

from __future__ import annotations

import pytest

from headwater.testing.migration_contract import MigrationContract
from tests.contract.memory_driver import MemoryDriver


class TestMemory(MigrationContract):
    reads_while_open = True

    @pytest.fixture
    def driver(self) -> MemoryDriver:
        return MemoryDriver()
