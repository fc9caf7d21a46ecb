"""What a migration makes of rows, in Python: for the destination in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from headwater.batch import comparable_key
from headwater.destinations.migrations import (
    LONG_AGO,
    AddColumnInHistory,
    ChangeMode,
    CopyColumn,
    CopyTable,
    DropColumn,
    DropColumnInHistory,
    FillColumn,
    Migration,
    RenameColumn,
    RenameTable,
    require_past,
)
from headwater.history import END_OF_TIME, MILLISECOND
from headwater.schema import ACTIVE, DELETED, END, START, SYNCED, Table

Row = dict[str, Any]


def migrated(table: Table, migration: Migration, rows: list[Row]) -> list[Row]:
    """Give the rows of `migration.after(table)`.

    Errors: Refused where the rows do not allow the migration.
    """
    match migration:
        case RenameTable() | CopyTable():
            return list(rows)
        case RenameColumn(column, to):
            return [{to if name == column else name: value for name, value in row.items()} for row in rows]
        case CopyColumn(column, to):
            return [{**row, to: row[column]} for row in rows]
        case DropColumn(column):
            return [{name: value for name, value in row.items() if name != column} for row in rows]
        case FillColumn(column, value):
            return [{**row, column: value} for row in rows]
        case AddColumnInHistory(column, _, value, at):
            require_past(table, migration, _newest_start(rows))
            added = [{column: None, **row} for row in rows]
            return _split(added, at, {column: value}, lambda row: True)
        case DropColumnInHistory(column, at):
            require_past(table, migration, _newest_start(rows))
            return _split(rows, at, {column: None}, lambda row: row[column] is not None)
        case ChangeMode():
            return _moved(table, migration, rows)


def _newest_start(rows: list[Row]) -> datetime | None:
    return max((row[START] for row in rows if row[ACTIVE]), default=None)


def _split(rows: list[Row], at: datetime, change: Row, concerns: Callable[[Row], bool]) -> list[Row]:
    """Let the active versions that it concerns end before `at`, and others start then that are changed."""
    result: list[Row] = []
    for row in rows:
        if not row[ACTIVE] or not concerns(row):
            result.append(row)
        elif row[START] == at:
            result.append({**row, **change})
        else:
            result.append({**row, ACTIVE: False, END: at - MILLISECOND})
            result.append({**row, **change, START: at})
    return result


def _moved(table: Table, change: ChangeMode, rows: list[Row]) -> list[Row]:
    if table.mode == "history":
        rows = _newest_versions(table, rows)
    start = change.at
    if table.mode == "soft_delete":
        latest = max((row[SYNCED] for row in rows if row[SYNCED] is not None), default=change.at)
        start = latest.replace(microsecond=latest.microsecond // 1000 * 1000)
    columns = change.after(table).columns
    result = []
    for row in rows:
        deleted = _is_deleted(table, change, row)
        if change.mode == "live" and deleted and not (table.mode == "history" and change.keep_deleted):
            continue
        if change.mode == "soft_delete":
            row = {**row, DELETED: deleted, change.deleted: deleted}
        elif change.mode == "history":
            first, last = (LONG_AGO, LONG_AGO) if deleted else (start, END_OF_TIME)
            row = {**row, ACTIVE: not deleted, START: first, END: last}
        result.append({name: row[name] for name in columns})
    return result


def _newest_versions(table: Table, rows: list[Row]) -> list[Row]:
    newest: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row[START]):
        newest[comparable_key(row[name] for name in table.key)] = row
    return [*newest.values()]


def _is_deleted(table: Table, change: ChangeMode, row: Row) -> bool:
    if table.mode == "history":
        return not row[ACTIVE]
    return change.marks(table) and bool(row[change.deleted])
