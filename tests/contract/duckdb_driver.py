"""How the contract suite and the property tests reach DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from headwater.destinations.duckdb import DuckDB
from headwater.destinations.duckdb_sql import quote
from headwater.schema import Table


class DuckDBDriver:
    def __init__(self, path: Path) -> None:
        self.path = path

    def destination(self, connection: str) -> DuckDB:
        return DuckDB(self.path, connection=connection)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.path)) as db:
            db.execute("SET TimeZone = 'UTC'")
            found = db.sql(f"SELECT * FROM {quote(table.schema)}.{quote(table.name)}").to_arrow_table()
            rows: list[dict[str, Any]] = found.to_pylist()
            return rows
