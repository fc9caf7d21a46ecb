"""A project of the fault matrix that loads into memory, in this process: what is in another's memory cannot be read."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from headwater.options import Options
from headwater.schema import TableOptions
from headwater.testing.run import Run, run_connector
from tests.faults import workload
from tests.faults.shop import Ended, Shop
from tests.faults.warehouses import SCHEMA, VARYING, Found, Tables

_OPTIONS = Options(tables={"removed": TableOptions(mode="live"), "versions": TableOptions(mode="history")})


class MemoryWarehouse:
    """The tables that the runs of one connector have left in memory."""

    url = "memory:"

    def __init__(self) -> None:
        self.last: Run | None = None

    def tables(self) -> Tables:
        if self.last is None:
            return {}
        stored = {name: each for (_, name), each in self.last.warehouse.stored.items()}
        return {
            name: Found(
                tuple(sorted((column, str(kind)) for column, kind in each.table.columns.items())),
                Counter(
                    tuple(repr(value) for column, value in sorted(row.items()) if column not in VARYING)
                    for row in each.rows.values()
                ),
            )
            for name, each in stored.items()
        }

    def state(self) -> dict[str, Any]:
        committed = self.last.warehouse.commits.get(SCHEMA) if self.last else None
        return json.loads(committed.state) if committed else {}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        raise AssertionError("rows of the matrix that play in memory ask it by name, never by SQL")

    def clear(self) -> None:
        self.last = None


class MemoryShop(Shop):
    """Runs the connector of the matrix with `run_connector`, and says what the command says."""

    def run(self, *flags: str, **how: Any) -> Ended:
        if flags or how:  # the real command, in a process of its own
            return super().run(*flags, **how)
        assert isinstance(self.warehouse, MemoryWarehouse)
        before = json.dumps(self.warehouse.state())
        last = run_connector(workload.connector, self.configuration, after=self.warehouse.last, options=_OPTIONS)
        self.warehouse.last = last
        error = last.result.error
        ending = f"SYNC FAILED: {type(error).__name__}: {error}" if error else "Sync SUCCEEDED"
        acknowledged = int(last.state.get("page", 0))
        return Ended(1 if error else 0, f"Previous state:\n{before}\n{ending}", acknowledged)

    def require_files(self) -> None:
        """Require nothing: what is in memory leaves no files."""
