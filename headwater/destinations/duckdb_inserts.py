"""Inserts that DuckDB plans once: planning is a third to a half of the time of a small one."""

from __future__ import annotations

from itertools import count

import duckdb
import pyarrow as pa

# The name by which SQL reads the Arrow table in hand: DuckDB looks for a variable of this name.
BATCH = "headwater_batch"

# Inserts are kept until they have so many columns together, whose plans take some 25 MB.
KEPT_COLUMNS = 50_000


class Inserts:
    """Runs inserts of Arrow tables on one connection, and keeps the plans of those that come again.

    Between two runs any SQL may change the tables, or attach another file in place of theirs: DuckDB sees that, and
    plans anew for that run. From then on it would do so for each: it is given another plan.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._inserts: dict[str, _Insert] = {}
        self._names = (f"headwater_insert_{n}" for n in count())
        self._columns = 0

    def run(self, sql: str, rows: pa.Table) -> None:
        """Run an insert that reads `rows` as the table `BATCH`.

        Errors: duckdb.Error; the insert may be run again.
        """
        insert = self._inserts.get(sql)
        if insert is not None and insert.schema.equals(rows.schema, check_metadata=True):
            self._run_planned(sql, insert, rows)
            return
        headwater_batch = rows  # noqa: F841 - DuckDB finds the table by this variable's name
        self._connection.execute(sql)
        self._forget(sql)
        self._keep(sql, rows.schema)

    def _run_planned(self, sql: str, insert: _Insert, rows: pa.Table) -> None:
        headwater_batch = insert  # noqa: F841 - DuckDB finds it by this variable's name, whenever it plans
        insert.rows = rows
        try:
            if insert.run is None:
                insert.name = next(self._names)
                self._connection.execute(f"PREPARE {insert.name} AS {sql}")
                [insert.run] = self._connection.extract_statements(f"EXECUTE {insert.name}")
            insert.is_planned_anew = False
            self._connection.execute(insert.run)
            if insert.is_planned_anew:
                self._drop_plan(insert)
        finally:
            insert.rows = None

    def _keep(self, sql: str, schema: pa.Schema) -> None:
        if self._columns + len(schema) > KEPT_COLUMNS:
            for other in list(self._inserts):
                self._forget(other)
        self._inserts[sql] = _Insert(schema)
        self._columns += len(schema)

    def _forget(self, sql: str) -> None:
        insert = self._inserts.pop(sql, None)
        if insert is not None:
            self._columns -= len(insert.schema)
            self._drop_plan(insert)

    def _drop_plan(self, insert: _Insert) -> None:
        if insert.run is not None:
            self._connection.execute(f"DEALLOCATE {insert.name}")
            insert.run = None


class _Insert:
    """An insert that was run; to DuckDB a table, whose rows are others at each run.

    run  runs its plan, which is made at the second run
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows: pa.Table | None = None
        self.name = ""
        self.run: duckdb.Statement | None = None
        self.is_planned_anew = False

    def __arrow_c_schema__(self) -> object:
        self.is_planned_anew = True
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        assert self.rows is not None
        return self.rows.__arrow_c_stream__(requested_schema)
