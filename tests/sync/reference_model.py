"""What operations mean, in plain Python: one at a time, onto dicts; the engine must end where this ends.

Source: rules B-01 to B-11 and B-43, and decisions 2, 6 and 10 of the behaviour specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from headwater.naming import column_name
from headwater.row_id import row_ids
from headwater.types.columns import canonical_value, integer_type, type_of
from headwater.types.names import (
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INTEGERS,
    LARGEST_EXACT_INTEGER,
    NAIVE_DATETIME,
    STRING,
    ColumnType,
    promote,
)
from headwater.types.numeric import rounded_to_32_bits
from headwater.types.text import as_text

Row = dict[str, Any]


@dataclass
class Table:
    """One table; an empty `key` means that `_fivetran_id` names its rows."""

    key: tuple[str, ...]
    live: bool = False
    exists: bool = False
    declared: Mapping[str, ColumnType] = field(default_factory=dict)
    columns: dict[str, ColumnType] = field(default_factory=dict)
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    def key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key or ("_fivetran_id",))

    def take(self, data: Mapping[str, Any]) -> Row:
        """Widen the columns to hold `data`, and give `data` as it is then stored."""
        named = {column_name(raw): value for raw, value in data.items()}
        row = {name: typed(value, self.declared.get(name)) for name, value in named.items()}
        if not self.key and "_fivetran_id" not in row:
            (row_id,) = row_ids({name: [value] for name, value in named.items()}, self.declared, length=1)
            row["_fivetran_id"] = (ColumnType(STRING), row_id)
        for name, (kind, value) in row.items():
            if kind is not None:
                self.widen(name, kind, value)
        return {name: kind and converted(value, kind, self.columns[name]) for name, (kind, value) in row.items()}

    def widen(self, name: str, kind: ColumnType, value: Any = None) -> None:
        old = self.columns.get(name, kind)
        new = promote(old, kind)
        numbers = [value, *(row.get(name) for row in self.rows.values())]
        if new.name == DOUBLE and any(type(v) is int and abs(v) > LARGEST_EXACT_INTEGER for v in numbers):
            new = ColumnType(STRING)
        self.columns[name] = new
        for row in self.rows.values():
            if name in row:
                row[name] = converted(row[name], old, new)
        self.rows = {self.key_of(row): row for row in self.rows.values()}


class ReferenceModel:
    """Tables by name; `commit` and `rollback` move and restore what a reader sees."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = dict(tables)
        self.committed = deepcopy(self.tables)

    def declare(self, name: str, columns: Mapping[str, ColumnType]) -> None:
        table = self.tables[name]
        table.exists, table.declared = True, columns
        for column, kind in columns.items():
            table.widen(column, kind)

    def upsert(self, name: str, data: Mapping[str, Any]) -> None:
        table = self.tables[name]
        table.exists = True
        row = table.take(data)
        table.rows[table.key_of(row)] = row | {"_fivetran_deleted": False}

    def update(self, name: str, data: Mapping[str, Any]) -> None:
        table = self.tables[name]
        row = table.take(data)
        if table.key_of(row) in table.rows:
            table.rows[table.key_of(row)] |= row

    def delete(self, name: str, data: Mapping[str, Any]) -> None:
        table = self.tables[name]
        named = {raw: value for raw, value in data.items() if not table.key or column_name(raw) in table.key}
        key = table.key_of(table.take(named))
        if table.live:
            table.rows.pop(key, None)
        elif key in table.rows:
            table.rows[key]["_fivetran_deleted"] = True

    def truncate(self, name: str) -> None:
        table = self.tables[name]
        if table.live:
            table.rows = {}
        for row in table.rows.values():
            row["_fivetran_deleted"] = True

    def commit(self) -> None:
        for table in self.tables.values():
            if not table.exists:  # what updates said of its columns holds until the commit, and no longer
                table.columns = {}
        self.committed = deepcopy(self.tables)

    def rollback(self) -> None:
        self.tables = deepcopy(self.committed)

    def visible(self) -> dict[str, tuple[dict[str, ColumnType], list[Row]]]:
        """Give the columns and rows that a reader sees, `_fivetran_synced` left out."""
        return {name: _visible(table) for name, table in self.committed.items() if table.exists}


def _visible(table: Table) -> tuple[dict[str, ColumnType], list[Row]]:
    own = {} if table.key else {"_fivetran_id": ColumnType(STRING)}
    deleted = {} if table.live else {"_fivetran_deleted": ColumnType(BOOLEAN)}
    columns = {**own, **table.columns, **deleted}
    return columns, [{name: row.get(name) for name in columns} for row in table.rows.values()]


def typed(value: Any, declared: ColumnType | None) -> tuple[ColumnType | None, Any]:
    """Give the narrowest type a column needs for `value`, and the value as that type; None and None for NULL."""
    if value is None:
        return None, None
    kind = declared or type_of(value)
    value = canonical_value(kind, value)
    wider = kind
    if kind.name in INTEGERS:
        wider = promote(kind, integer_type(value, value))
    elif kind.name == FLOAT and abs(value) != float("inf") == abs(rounded_to_32_bits(value)):
        wider = ColumnType(DOUBLE)
    elif kind.name == FLOAT:
        value = rounded_to_32_bits(value)
    return wider, converted(value, kind, wider)


def converted(value: Any, kind: ColumnType, target: ColumnType) -> Any:
    """Give what a value becomes when its column is promoted (rule B-44)."""
    if value is None or kind == target:
        return value
    if target.name == STRING:
        return as_text(kind, value)
    if target.name == DOUBLE:
        return float(value)
    if target.name == DECIMAL:
        return Decimal(value)
    if target.name == NAIVE_DATETIME and type(value) is date:
        return datetime.combine(value, time.min)
    return value
