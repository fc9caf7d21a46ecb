"""History mode: every version of a row is kept, with the time from which and until which it held.

Takes     typed operations of one table, and the newest version of each key in the destination
Gives     a batch of new versions, and of old ones that end
Promises  one active version per key; each version ends a millisecond before the next one starts
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from headwater.batch import DELETE, UPDATE, UPSERT, Batch, TypedOperations, comparable_key
from headwater.schema import ACTIVE, END, START, SYNCED, SYSTEM_COLUMNS, Table
from headwater.types.columns import arrow_type

END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

_Row = dict[str, Any]


def versions(operations: TypedOperations, table: Table, newest: pa.Table, now: datetime) -> Batch:
    """Turn operations into versions.

    operations  in the types of the table
    newest      the newest version of each of the operations' keys, active or ended, all columns
    now         the start of the first version, in whole milliseconds; the versions of one key that follow it
                start a millisecond later each, and so may run ahead of the clock

    Source: rule B-62 and section 6.4.
    """
    rows = pa.table({name: column.array for name, column in operations.columns.items()}).to_pylist()
    kinds = operations.kinds or [UPSERT] * len(rows)
    newest_rows = {_key(table, row): row for row in newest.to_pylist()}
    stored = {key: row for key, row in newest_rows.items() if row[ACTIVE]}
    current: dict[tuple[Any, ...], _Row] = dict(stored)
    made: list[_Row] = []
    # Where the next version of a key may start.
    free_from = {key: (row[START] if row[ACTIVE] else row[END]) + MILLISECOND for key, row in newest_rows.items()}
    for position, (kind, row) in enumerate(zip(kinds, rows, strict=True)):
        key = _key(table, row)
        before = current.get(key)
        if kind != UPSERT and before is None:
            continue
        start = max(now, free_from.get(key, now))
        free_from[key] = start + MILLISECOND
        if before is not None:
            before[END] = start - MILLISECOND if kind != DELETE else start
            before[ACTIVE] = False
            if kind == DELETE:
                del current[key]
                continue
        given = _given(operations, position) if kind == UPDATE else None
        version = _version(table, row, before if given is not None else None, given)
        version |= {SYNCED: now, ACTIVE: True, START: start, END: END_OF_TIME}
        current[key] = version
        made.append(version)
    ended = [row for row in stored.values() if not row[ACTIVE]]
    return Batch(_rows(table, made), _endings(table, ended), None)


def _key(table: Table, row: _Row) -> tuple[Any, ...]:
    return comparable_key(row[name] for name in table.key)


def _given(operations: TypedOperations, position: int) -> frozenset[str]:
    assert operations.given is not None
    return operations.given[position]


def _version(table: Table, row: _Row, before: _Row | None, given: frozenset[str] | None) -> _Row:
    """Make the next version: the row itself, or for an update the version before with the given columns changed."""
    names = [name for name in table.columns if name not in SYSTEM_COLUMNS["history"]]
    if before is None or given is None:
        return {name: row.get(name) for name in names}
    return {name: row[name] if name in given and name in row else before.get(name) for name in names}


def _rows(table: Table, rows: list[_Row]) -> pa.Table | None:
    return _arrow(table, rows, list(table.columns)) if rows else None


def _endings(table: Table, rows: list[_Row]) -> list[pa.Table]:
    return [_arrow(table, rows, [*table.key, START, ACTIVE, END])] if rows else []


def _arrow(table: Table, rows: list[_Row], names: list[str]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], arrow_type(table.columns[name])) for name in names})
