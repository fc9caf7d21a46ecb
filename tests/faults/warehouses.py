"""What a destination holds between two syncs, read past headwater: tables, and the committed state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb

from tests.contract.postgres_driver import PostgresDriver

SCHEMA = "tester"
# What differs from one undisturbed sync to the next.
VARYING = frozenset(
    {"emission", "_fivetran_id", "_fivetran_synced", "_fivetran_start", "_fivetran_end"}
)  # fmt: skip

_COLUMNS = f"""
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = '{SCHEMA}'
ORDER BY table_name, column_name
"""
_STATE = f"SELECT state FROM _headwater.state WHERE connection = '{SCHEMA}'"


class Disagreement(AssertionError):
    """Tables are not those of the checkpoint whose state is committed."""


@dataclass(frozen=True, slots=True)
class Found:
    """One table: its columns with their types, and how often each row is in it."""

    columns: tuple[tuple[str, str], ...]
    rows: Counter[tuple[str, ...]]

    def compared(self, expected: Found) -> list[str]:
        """Say what is not as expected, in words that tell a loss from a double."""
        said = []
        if self.columns != expected.columns:
            said.append(f"its columns are {self.columns}, not {expected.columns}")
        if lost := expected.rows - self.rows:
            said.append(f"lost {_listed(lost)}")
        if extra := self.rows - expected.rows:
            said.append(f"too many {_listed(extra)}")
        return said


Tables = Mapping[str, Found]


class Warehouse(Protocol):
    """Where a project of the matrix loads to."""

    url: str

    def tables(self) -> Tables:
        """Read every table of the connection; none before the first commit."""

    def state(self) -> dict[str, Any]:
        """Read the committed state; `{}` before the first commit."""

    def query(self, sql: str) -> list[tuple[Any, ...]]: ...

    def values(self, table: str, column: str) -> list[Any]:
        """Read a column of a table, in no order."""

    def clear(self) -> None:
        """Remove all that syncs have made."""


def require_same(found: Tables, expected: Tables) -> None:
    """Compare whole tables.

    Errors: Disagreement, with the rows that are lost and those that are too many.
    """
    said = [f"{name} is missing" for name in expected.keys() - found.keys()]
    said += [f"{name} should not be there" for name in found.keys() - expected.keys()]
    for name in sorted(found.keys() & expected.keys()):
        said += [f"{name}: {difference}" for difference in found[name].compared(expected[name])]
    if said:
        raise Disagreement("; ".join(said))


class DuckDBWarehouse:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"duckdb:{path}"

    def tables(self) -> Tables:
        return _read_tables(self) if self.path.exists() else {}

    def state(self) -> dict[str, Any]:
        return _read_state(self) if self.path.exists() else {}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as db:
            return db.execute(sql).fetchall()

    def values(self, table: str, column: str) -> list[Any]:
        return _values(self, table, column)

    def clear(self) -> None:
        for path in (self.path, Path(f"{self.path}.wal")):
            path.unlink(missing_ok=True)


class PostgresWarehouse:
    def __init__(self, driver: PostgresDriver) -> None:
        self.driver = driver
        self.url = driver.url

    def tables(self) -> Tables:
        return _read_tables(self)

    def state(self) -> dict[str, Any]:
        made = self.query("SELECT 1 WHERE to_regclass('_headwater.state') IS NOT NULL")
        return _read_state(self) if made else {}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.driver.fetch(sql)

    def values(self, table: str, column: str) -> list[Any]:
        return _values(self, table, column)

    def clear(self) -> None:
        self.driver.execute(f"DROP SCHEMA IF EXISTS {SCHEMA}, _headwater CASCADE")


def _read_tables(warehouse: Warehouse) -> Tables:
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, name, kind in warehouse.query(_COLUMNS):
        columns.setdefault(table, []).append((name, kind))
    return {table: Found(tuple(kinds), _rows(warehouse, table, kinds)) for table, kinds in columns.items()}


def _values(warehouse: Warehouse, table: str, column: str) -> list[Any]:
    return [value for (value,) in warehouse.query(f"SELECT {_quoted(column)} FROM {SCHEMA}.{_quoted(table)}")]


def _rows(warehouse: Warehouse, table: str, columns: Sequence[tuple[str, str]]) -> Counter[tuple[str, ...]]:
    compared = ", ".join(_quoted(name) for name, _ in columns if name not in VARYING)
    rows: Iterable[tuple[Any, ...]] = warehouse.query(f"SELECT {compared} FROM {SCHEMA}.{_quoted(table)}")
    return Counter(tuple(map(repr, row)) for row in rows)


def _read_state(warehouse: Warehouse) -> dict[str, Any]:
    rows = warehouse.query(_STATE)
    state: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    return state


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _listed(rows: Counter[tuple[str, ...]]) -> str:
    shown = ", ".join(f"({', '.join(row)})" for row in list(rows)[:3])
    return f"{rows.total()} rows: {shown}{' …' if len(rows) > 3 else ''}"
