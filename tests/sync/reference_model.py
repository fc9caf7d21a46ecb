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
    BIG_LONG,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INTEGERS,
    LARGEST_EXACT_INTEGER,
    LONG,
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
    mode: str = "soft_delete"
    exists: bool = False
    declared: Mapping[str, ColumnType] = field(default_factory=dict)
    columns: dict[str, ColumnType] = field(default_factory=dict)
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    past: list[Row] = field(default_factory=list)

    def key_of(self, row: Row) -> tuple[Any, ...]:
        values = (row[name] for name in self.key or ("_fivetran_id",))
        return tuple("NaN" if value != value else value for value in values)

    def take(self, data: Mapping[str, Any]) -> Row:
        """Widen the columns to hold `data`, and give `data` as it is then stored."""
        named = {column_name(raw): value for raw, value in data.items()}
        row = {name: typed(value, self.declared.get(name)) for name, value in named.items()}
        if not self.key and "_fivetran_id" not in row:
            (row_id,) = row_ids({name: [value] for name, value in named.items()}, self.declared, length=1)
            row["_fivetran_id"] = (ColumnType(STRING), row_id)
        for name, (kind, _) in row.items():
            if kind is not None:
                self.widen(name, kind)
        for name in row.keys() & set(self.key):
            kind, value = row[name]
            if type(value) is float:
                row[name] = (kind, value + 0.0)  # -0.0 and 0.0 are one key
        return {name: kind and converted(value, kind, self.columns[name]) for name, (kind, value) in row.items()}

    def widen(self, name: str, kind: ColumnType) -> None:
        old = self.columns.get(name, kind)
        new = self.columns[name] = promote(old, kind)
        for row in [*self.rows.values(), *self.past]:
            if name in row:
                row[name] = converted(row[name], old, new)
        self.rows = {self.key_of(row): row for row in self.rows.values()}

    def put(self, row: Row) -> None:
        self.end(self.key_of(row))
        self.rows[self.key_of(row)] = row | SYSTEM_VALUES[self.mode]

    def end(self, key: tuple[Any, ...]) -> None:
        """Delete a row, as the mode wants it; nothing when there is none."""
        if self.mode == "soft_delete" and key in self.rows:
            self.rows[key]["_fivetran_deleted"] = True
            return
        row = self.rows.pop(key, None)
        if row and self.mode == "history":
            self.past.append(row | {"_fivetran_active": False})


SYSTEM_VALUES = {
    "soft_delete": {"_fivetran_deleted": False},
    "live": {},
    "history": {"_fivetran_active": True},
}


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
        table.put(table.take(data))

    def update(self, name: str, data: Mapping[str, Any]) -> None:
        table = self.tables[name]
        row = table.take(data)
        old = table.rows.get(table.key_of(row))
        if old and table.mode == "history":
            table.put(old | row)
        elif old:
            old |= row

    def delete(self, name: str, data: Mapping[str, Any]) -> None:
        table = self.tables[name]
        named = {raw: value for raw, value in data.items() if not table.key or column_name(raw) in table.key}
        table.end(table.key_of(table.take(named)))

    def truncate(self, name: str) -> None:
        table = self.tables[name]
        for key in list(table.rows):
            table.end(key)

    def commit(self) -> None:
        for table in self.tables.values():
            if not table.exists:  # what updates said of its columns holds until the commit, and no longer
                table.columns = {}
        self.committed = deepcopy(self.tables)

    def rollback(self) -> None:
        self.tables = deepcopy(self.committed)

    def visible(self) -> dict[str, tuple[dict[str, ColumnType], list[Row]]]:
        """Give the columns and rows that a reader sees, all times of the runtime's own left out."""
        return {name: _visible(table) for name, table in self.committed.items() if table.exists}


def _visible(table: Table) -> tuple[dict[str, ColumnType], list[Row]]:
    own = {} if table.key else {"_fivetran_id": ColumnType(STRING)}
    system = dict.fromkeys(SYSTEM_VALUES[table.mode], ColumnType(BOOLEAN))
    key = dict.fromkeys(table.key, ColumnType(STRING))  # text until a value of a key without declared type comes
    columns = {**own, **key, **table.columns, **system}
    return columns, [{name: row.get(name) for name in columns} for row in [*table.rows.values(), *table.past]]


def typed(value: Any, declared: ColumnType | None) -> tuple[ColumnType | None, Any]:
    """Give the narrowest type a column needs for `value`, and the value as that type; None and None for NULL."""
    if value is None:
        return None, None
    kind = declared or type_of(value)
    value = canonical_value(kind, value)
    wider = kind
    if kind.name in INTEGERS:
        wider = promote(kind, integer_type(value, value))
    if wider.name == LONG and abs(value) > LARGEST_EXACT_INTEGER:
        wider = BIG_LONG
    if kind.name == FLOAT and abs(value) != float("inf") == abs(rounded_to_32_bits(value)):
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
