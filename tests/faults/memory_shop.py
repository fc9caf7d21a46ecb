"""A project of the fault matrix that loads into memory, in this process: what is in another's memory cannot be read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

from headwater.cli.failure import explained
from headwater.options import read_options
from headwater.sync import Limits
from headwater.testing.run import Run, run_connector
from tests.faults.shop import Ended, Shop
from tests.faults.warehouses import SCHEMA, VARYING, Found, Tables


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

    def values(self, table: str, column: str) -> list[Any]:
        assert self.last is not None
        return [row[column] for row in self.last.rows(table, system_columns=True)]

    def clear(self) -> None:
        self.last = None


class MemoryShop(Shop):
    """Runs the project's connector with `run_connector`, and says what the command says."""

    # Of a process that is killed nothing is left in memory: the connector fails instead.
    dies: ClassVar[str] = 'raise ValueError("it dies")'
    died: ClassVar[int] = 1

    def run(self, *flags: str, **how: Any) -> Ended:
        if how or "--destination" in flags:  # the real command, in a process of its own
            return super().run(*flags, **how)
        assert isinstance(self.warehouse, MemoryWarehouse)
        before = json.dumps(self.warehouse.state())
        given = dict(pairwise(flags))
        options = read_options(self.path)
        last = run_connector(
            self.path,
            self.configuration,
            after=self.warehouse.last,
            options=replace(options, naming=given.get("--naming", options.naming)),
            limits=Limits(max_seconds=float(given["--max-seconds"])) if "--max-seconds" in given else None,
            full_resync="--full-resync" in flags,
        )
        self.warehouse.last = last
        error = last.result.error
        ending = f"SYNC FAILED: {explained(error).sentence}" if error else "Sync SUCCEEDED"
        if error and (hint := explained(error).hint):
            ending += f"\n  {hint}"
        warned = "\n".join(last.result.warnings)
        acknowledged = int(last.state.get("page", 0))
        return Ended(1 if error else 0, f"Previous state:\n{before}\n{warned}\n{ending}", acknowledged)

    def require_files(self) -> None:
        """Require nothing: what is in memory leaves no files."""
