"""The contract over the destination in memory."""

from __future__ import annotations

import pytest

from headwater.testing.contract import DestinationContract
from tests.contract.memory_driver import MemoryDriver


class TestMemory(DestinationContract):
    reads_while_open = True

    @pytest.fixture
    def driver(self) -> MemoryDriver:
        return MemoryDriver()
