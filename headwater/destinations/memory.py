"""In memory: the contract of a destination in its fewest words, for `memory:` and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from headwater.batch import Batch, comparable_key
from headwater.destinations.abc import Settings
from headwater.destinations.memory_migrations import migrated
from headwater.destinations.migrations import Migration, RenameTable, name_taken
from headwater.errors import DestinationError, Fenced
from headwater.schema import ACTIVE, DELETED, END, START, SYNCED, Table
from headwater.state import Commit
from headwater.types.columns import arrow_type, cast
from headwater.types.names import DOUBLE, INTEGERS, LARGEST_EXACT_INTEGER, ColumnType

Row = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(slots=True)
class Stored:
    """A table and its rows, by primary key."""

    table: Table
    rows: dict[Key, Row] = field(default_factory=dict)

    def copy(self) -> Stored:
        return Stored(_copy(self.table), dict(self.rows))


@dataclass(slots=True)
class Warehouse:
    """What commits have made durable; it outlives the destinations that are opened on it."""

    stored: dict[tuple[str, str], Stored] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)


def from_url(url: str, settings: Settings) -> MemoryDestination:
    """Make a destination for `memory:`, empty and for one sync."""
    return MemoryDestination(settings.connection)


class MemoryDestination:
    """One connection's tables as dicts of rows, keyed by primary key.

    connection  whose state this is
    warehouse   where commits go; give two destinations the same one to let the second take over

    >>> with_nothing_in_it = MemoryDestination("tester")
    >>> with_nothing_in_it.tables()
    {}
    """

    folds_case = False
    keeps_nul = True

    def __init__(self, connection: str = "tester", *, warehouse: Warehouse | None = None) -> None:
        self._connection = connection
        self._warehouse = warehouse or Warehouse()
        self._changed: dict[tuple[str, str], Stored | None] = {}  # None for a table that was dropped
        self._epoch: int | None = None
        self._sequence = 0

    # --- what a test asks

    def rows(self, name: str, schema: str = "tester") -> list[Row]:
        """Give the committed rows of a table as dicts, system columns included, in the order of their first coming.

        Errors: KeyError when no commit has made the table.
        """
        return [dict(row) for row in self._warehouse.stored[schema, name].rows.values()]

    def tables(self) -> dict[str, Table]:
        """Give the committed tables, by `schema.name`."""
        return {f"{schema}.{name}": _copy(stored.table) for (schema, name), stored in self._warehouse.stored.items()}

    # --- open, commit, close

    def open(self) -> tuple[int, Commit | None]:
        self._epoch = self._warehouse.epochs.get(self._connection, 0) + 1
        self._warehouse.epochs[self._connection] = self._epoch
        self._sequence = 0
        return self._epoch, self._warehouse.commits.get(self._connection)

    def commit(self, state: str) -> Commit:
        epoch = self._require_open()
        if self._warehouse.epochs[self._connection] != epoch:
            raise Fenced(f"a newer sync has taken over the connection {self._connection}; this one changed nothing")
        before = self._warehouse.commits.get(self._connection)
        now = datetime.now(UTC)
        at = max(now, before.committed_at or now) if before else now
        self._sequence += 1
        commit = Commit(epoch, self._sequence, state, before.state if before else "{}", at)
        for name, stored in self._changed.items():
            self._warehouse.stored.pop(name, None)
            if stored is not None:
                self._warehouse.stored[name] = stored
        self._warehouse.commits[self._connection] = commit
        self._changed = {}
        return commit

    def close(self) -> None:
        self._epoch = None
        self._changed = {}

    # --- tables

    def describe_table(self, schema: str, name: str) -> Table | None:
        self._require_open()
        at = (schema, name)
        stored = self._changed[at] if at in self._changed else self._warehouse.stored.get(at)
        return None if stored is None else _copy(stored.table)

    def create_table(self, table: Table) -> None:
        if self.describe_table(table.schema, table.name) is not None:
            raise DestinationError(f"{table}: the table exists already")
        self._changed[table.schema, table.name] = Stored(_copy(table))

    def drop_table(self, table: Table) -> None:
        self._touch(table)
        self._changed[table.schema, table.name] = None

    def alter_table(self, table: Table, *, add: Mapping[str, ColumnType], retype: Mapping[str, ColumnType]) -> None:
        stored = self._touch(table)
        before = stored.table.columns
        for name, kind in retype.items():
            values = pa.array([row[name] for row in stored.rows.values()], arrow_type(before[name]))
            widened = cast(values, before[name], kind).to_pylist()
            stored.rows = {
                key: {**row, name: value} for (key, row), value in zip(stored.rows.items(), widened, strict=True)
            }
        stored.table = replace(stored.table, columns={**before, **retype, **add})
        blank = dict.fromkeys(add)
        rows = ({**row, **blank} for row in stored.rows.values())
        stored.rows = {_key(table.primary_key, row): row for row in rows}

    def migrate(self, table: Table, migration: Migration) -> None:
        stored = self._touch(table)
        after = migration.after(stored.table)
        if after.name != table.name and self.describe_table(after.schema, after.name) is not None:
            raise name_taken(table, after.name)
        rows = migrated(stored.table, migration, [*stored.rows.values()])
        if isinstance(migration, RenameTable):
            self._changed[table.schema, table.name] = None
        by_key = {_key(after.primary_key, row): row for row in rows}
        self._changed[after.schema, after.name] = Stored(after, by_key)

    def holds(self, table: Table, column: str, kind: ColumnType) -> bool:
        stored = self._touch(table)
        if kind.name != DOUBLE or stored.table.columns[column].name not in INTEGERS:
            return True
        values = [row[column] for row in stored.rows.values() if row[column] is not None]
        return all(-LARGEST_EXACT_INTEGER <= value <= LARGEST_EXACT_INTEGER for value in values)

    # --- rows

    def write(self, table: Table, batch: Batch) -> None:
        stored = self._touch(table)
        _require_fits(stored.table, batch)
        blank = dict.fromkeys(stored.table.columns)
        for row in _rows(batch.rows):
            stored.rows[_key(table.primary_key, row)] = {**blank, **row}
        for part in batch.changes:
            for row in _rows(part):
                key = _key(table.primary_key, row)
                if key in stored.rows:
                    stored.rows[key] = {**stored.rows[key], **row}
        for row in _rows(batch.deletes):
            stored.rows.pop(_key(table.primary_key, row), None)

    def truncate(self, table: Table, *, at: datetime, before: datetime | None = None) -> None:
        stored = self._touch(table)
        marked: dict[Key, Row] = {}
        for key, row in stored.rows.items():
            if (before is not None and row[SYNCED] >= before) or (table.mode == "history" and not row[ACTIVE]):
                marked[key] = row
            elif table.mode == "history":
                marked[key] = {**row, ACTIVE: False, END: max(at, row[START])}
            elif table.mode == "soft_delete":
                marked[key] = {**row, DELETED: True}
        stored.rows = marked

    def newest_versions(self, table: Table, keys: pa.Table) -> pa.Table:
        stored = self._touch(table)
        newest: dict[Key, Row | None] = {_key(table.key, row): None for row in _rows(keys)}
        for row in stored.rows.values():
            key = _key(table.key, row)
            if key in newest and ((before := newest[key]) is None or before[START] < row[START]):
                newest[key] = row
        found = [row for row in newest.values() if row is not None]
        columns = stored.table.columns.items()
        return pa.table({name: pa.array([row[name] for row in found], arrow_type(kind)) for name, kind in columns})

    # --- behind them

    def _require_open(self) -> int:
        if self._epoch is None:
            raise DestinationError("the destination in memory is not open")
        return self._epoch

    def _touch(self, table: Table) -> Stored:
        """Take a table into the open transaction."""
        self._require_open()
        key = (table.schema, table.name)
        if key not in self._changed and key in self._warehouse.stored:
            self._changed[key] = self._warehouse.stored[key].copy()
        stored = self._changed.get(key)
        if stored is None:
            raise DestinationError(f"{table}: there is no such table")
        return stored


def _copy(table: Table) -> Table:
    return replace(table, columns=dict(table.columns))


def _rows(part: pa.Table | None) -> list[Row]:
    rows: list[Row] = [] if part is None else part.to_pylist()
    return rows


def _key(names: tuple[str, ...], row: Row) -> Key:
    return comparable_key(row[name] for name in names)


def _require_fits(table: Table, batch: Batch) -> None:
    """Check what the engine promises of a batch: a test must not pass on what a real destination would refuse."""
    keys: list[Key] = []
    for part in batch.parts:
        for column in part.schema:
            assert column.name in table.columns, f"{table}.{column.name}: there is no such column"
            expected = arrow_type(table.columns[column.name])
            assert column.type == expected, f"{table}.{column.name}: {column.type} came for {expected}"
        keys += [_key(table.primary_key, row) for row in part.select(table.primary_key).to_pylist()]
    assert len(keys) == len(set(keys)), f"{table}: a batch holds a key twice"
    assert all(value is not None for key in keys for value in key), f"{table}: a batch holds a key that is NULL"
