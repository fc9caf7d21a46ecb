"""How the contract suite and the property tests reach the destination in memory."""

from __future__ import annotations

from typing import Any

from headwater.destinations.memory import MemoryDestination, Warehouse
from headwater.schema import Table


class MemoryDriver:
    def __init__(self) -> None:
        self.warehouse = Warehouse()

    def destination(self, connection: str) -> MemoryDestination:
        return MemoryDestination(connection, warehouse=self.warehouse)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        return self.destination("reader").rows(table.name, table.schema)
