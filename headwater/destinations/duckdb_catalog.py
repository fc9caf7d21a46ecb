"""What tables a DuckDB file holds: read once, as nobody else can write to it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Fetch = Callable[..., list[tuple[Any, ...]]]

_COLUMNS = (
    "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'warehouse'"
)


class StoredTables:
    """The tables of the file and their columns; a look at DuckDB's own catalog takes milliseconds per table.

    fetch  runs SQL in the open transaction
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._columns: dict[tuple[str, str], list[tuple[str, str]]] | None = None
        self._names: dict[tuple[str, str], str] = {}
        self._changed: set[tuple[str, str]] = set()

    def columns(self, schema: str, name: str) -> list[tuple[str, str]]:
        """List a table's columns and their types, in order; none when there is no such table."""
        if (schema, name) in self._changed:
            sql = f"{_COLUMNS} AND schema_name = ? AND table_name = ? ORDER BY column_index"
            return [(column, kind) for _, _, column, kind in self._fetch(sql, schema, name)]
        return self._all().get((schema, name), [])

    def alike(self, schema: str, name: str) -> str | None:
        """Find a table of the schema whose name differs at most in case."""
        self._all()
        return self._names.get((schema, name.lower()))

    def created(self, schema: str, name: str) -> None:
        self.altered(schema, name)
        self._names[schema, name.lower()] = name

    def altered(self, schema: str, name: str) -> None:
        self._all()
        self._changed.add((schema, name))

    def dropped(self, schema: str, name: str) -> None:
        self.altered(schema, name)
        self._names.pop((schema, name.lower()), None)

    def forget(self) -> None:
        """Read all again when asked: the transaction was rolled back."""
        self._columns = None
        self._changed.clear()

    def _all(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        if self._columns is None:
            self._columns = {}
            for schema, name, column, kind in self._fetch(f"{_COLUMNS} ORDER BY column_index"):
                self._columns.setdefault((schema, name), []).append((column, kind))
            self._names = {(schema, name.lower()): name for schema, name in self._columns}
        return self._columns
