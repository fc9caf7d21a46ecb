"""Migrations in SQL that DuckDB and Postgres read alike."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.destinations.dialect import Dialect
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
)
from headwater.history import END_OF_TIME, MILLISECOND
from headwater.schema import ACTIVE, DELETED, END, START, SYNCED, Table

# SQL, and the values of $1, $2…
Statement = tuple[str, tuple[object, ...]]


def statements(sql: Dialect, table: Table, migration: Migration) -> Iterator[Statement]:
    """Write what a migration does to the tables, but not to the primary key: a change of the mode changes it.

    The copy of a table has been made by then, empty.
    """
    name, quote = sql.table_name(table), sql.quote
    match migration:
        case RenameTable(to):
            yield f"ALTER TABLE {name} RENAME TO {quote(to)}", ()
        case CopyTable():
            columns = sql.names(table.columns)
            yield f"INSERT INTO {sql.table_name(migration.after(table))} ({columns}) SELECT {columns} FROM {name}", ()
        case RenameColumn(column, to):
            yield f"ALTER TABLE {name} RENAME COLUMN {quote(column)} TO {quote(to)}", ()
        case CopyColumn(column, to):
            yield _add(sql, table, migration.after(table), to)
            yield f"UPDATE {name} SET {quote(to)} = {quote(column)}", ()
        case DropColumn(column):
            yield f"ALTER TABLE {name} DROP COLUMN {quote(column)}", ()
        case FillColumn(column, value):
            yield f"UPDATE {name} SET {quote(column)} = {sql.cast('$1', table.columns[column])}", (value,)
        case AddColumnInHistory(column, _, value):
            after = migration.after(table)
            if column not in table.columns:
                yield _add(sql, table, after, column)
            yield from _split(sql, after, migration, value, "TRUE")
        case DropColumnInHistory(column):
            yield from _split(sql, table, migration, None, f"{quote(column)} IS NOT NULL")
        case ChangeMode():
            yield from _change_mode(sql, table, migration)


def newest_start(sql: Dialect, table: Table) -> str:
    """Write what reads when the active version that starts last does, for `require_past`."""
    return f"SELECT max({START}) FROM {sql.table_name(table)} WHERE {ACTIVE}"


def _add(sql: Dialect, table: Table, after: Table, column: str) -> Statement:
    kind = sql.sql_type(after.columns[column])
    return f"ALTER TABLE {sql.table_name(table)} ADD COLUMN {sql.quote(column)} {kind}", ()


def _split(
    sql: Dialect, table: Table, migration: AddColumnInHistory | DropColumnInHistory, value: object, concerned: str
) -> Iterator[Statement]:
    """Write how the active versions that are concerned end before `at`, and others with the value start then."""
    name, column, at = sql.table_name(table), sql.quote(migration.column), migration.at
    new_value = sql.cast("$1", table.columns[migration.column])
    earlier = f"WHERE {ACTIVE} AND {concerned} AND {START} <"
    yield f"UPDATE {name} SET {column} = {new_value} WHERE {ACTIVE} AND {START} = $2", (value, at)
    replaced = {START: "$2", migration.column: new_value}
    values = ", ".join(replaced.get(each, sql.quote(each)) for each in table.columns)
    yield f"INSERT INTO {name} ({sql.names(table.columns)}) SELECT {values} FROM {name} {earlier} $2", (value, at)
    yield f"UPDATE {name} SET {ACTIVE} = FALSE, {END} = $1 {earlier} $2", (at - MILLISECOND, at)


def _change_mode(sql: Dialect, table: Table, change: ChangeMode) -> Iterator[Statement]:
    name, after = sql.table_name(table), change.after(table)
    deleted = f"coalesce({sql.quote(change.deleted)}, FALSE)" if change.marks(table) else "FALSE"
    if table.mode == "history":
        deleted = f"NOT {ACTIVE}"
        newest = f"SELECT {sql.names(table.key)}, max({START}) AS newest FROM {name} GROUP BY {sql.names(table.key)}"
        older = f"{sql.same_key(table.key)} AND old.{START} < batch.newest"
        yield f"DELETE FROM {name} AS old USING ({newest}) AS batch WHERE {older}", ()
    if change.mode == "live" and not (table.mode == "history" and change.keep_deleted):
        yield f"DELETE FROM {name} WHERE {deleted}", ()
    for column in after.columns:
        if column not in table.columns:
            yield _add(sql, table, after, column)
    if change.mode == "soft_delete":
        marks = ", ".join(f"{sql.quote(column)} = {deleted}" for column in dict.fromkeys([DELETED, change.deleted]))
        yield f"UPDATE {name} SET {marks}", ()
    elif change.mode == "history":
        start = "$1"
        if table.mode == "soft_delete":
            start = f"coalesce((SELECT date_trunc('milliseconds', max({SYNCED})) FROM {name}), $1)"
        times = (
            f"{START} = CASE WHEN {deleted} THEN $2 ELSE {start} END, {END} = CASE WHEN {deleted} THEN $2 ELSE $3 END"
        )
        yield f"UPDATE {name} SET {ACTIVE} = NOT {deleted}, {times}", (change.at, LONG_AGO, END_OF_TIME)
    for column in change.dropped(table):
        yield f"ALTER TABLE {name} DROP COLUMN {sql.quote(column)}", ()
