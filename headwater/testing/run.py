"""Run a connector in a test: into memory, with its tables as plain rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headwater.compat import fivetran
from headwater.connector import Connector
from headwater.destinations.memory import MemoryDestination, Row, Warehouse
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.schema import SYSTEM_COLUMNS, Table
from headwater.state import Commit
from headwater.sync import Limits, Quiet, Result, Sync


@dataclass(slots=True)
class Run:
    """What a connector did: give it to the next `run_connector` as `after` to sync once more.

    result  how the sync ended; an exception of the connector is in `result.error`
    states  the state of every commit, in order
    """

    result: Result
    warehouse: Warehouse
    states: list[dict[str, Any]]

    @property
    def state(self) -> dict[str, Any]:
        """The last committed state."""
        return self.states[-1] if self.states else {}

    def table(self, name: str, schema: str = "tester") -> Table:
        """Give a table as the destination has it: key, columns and types."""
        return self.warehouse.stored[schema, name].table

    def rows(self, name: str, schema: str = "tester", *, system_columns: bool = False) -> list[Row]:
        """Give the committed rows of a table, in the order of its key.

        Errors: KeyError when no commit has made the table.
        """
        stored = self.warehouse.stored[schema, name]
        hidden = () if system_columns else SYSTEM_COLUMNS[stored.table.mode]
        rows = [stored.rows[key] for key in sorted(stored.rows, key=repr)]
        return [{column: value for column, value in row.items() if column not in hidden} for row in rows]


@dataclass(slots=True)
class _Recorder(Quiet):
    """Keeps the states that were committed."""

    states: list[dict[str, Any]] = field(default_factory=list)

    def committed(self, commit: Commit) -> None:
        self.states.append(json.loads(commit.state))


def run_connector(
    connector: Connector | Path,
    configuration: Mapping[str, str] | None = None,
    *,
    after: Run | None = None,
    options: Options | None = None,
    limits: Limits | None = None,
    full_resync: bool = False,
) -> Run:
    """Run one sync of a connector into memory.

    connector  or the folder of a project: then its connector.py is imported anew, in which fivetran_connector_sdk means
               headwater, and its headwater.toml holds
    after      the run before this one: its tables and its state are what this one starts from

    >>> from headwater import Connector, Operations as op
    >>> def update(configuration, state):
    ...     op.upsert("hello", {"message": "hello"})
    >>> run_connector(Connector(update)).rows("hello")[0]["message"]
    'hello'
    """
    if isinstance(connector, Path):
        fivetran.install()
        project = Project(connector)
        options = options or read_options(project.path)
        connector = project.load_connector()
    options = options or Options()
    warehouse = after.warehouse if after else Warehouse()
    destination = MemoryDestination(options.schema, warehouse=warehouse)
    _, committed = destination.open()
    recorder = _Recorder()
    try:
        sync = Sync(
            connector,
            configuration or {},
            destination,
            options,
            recorder,
            state=committed.state if committed and not full_resync else "{}",
            after=committed.committed_at if committed else None,
            limits=limits,
            full_resync=full_resync,
        )
        result = sync.run()
    finally:
        destination.close()
    earlier = after.states if after else []
    return Run(result, warehouse, [*earlier, *recorder.states])
