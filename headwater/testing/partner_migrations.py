"""The schema migrations of Fivetran's destination tester, in headwater's words.

Source: fivetran_partner_sdk, schema-migration-helper-service.md; rule H, section 6.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from headwater.destinations.migrations import (
    AddColumnInHistory,
    ChangeMode,
    CopyColumn,
    CopyTable,
    DropColumn,
    DropColumnInHistory,
    FillColumn,
    Migration,
    Refused,
    RenameColumn,
    RenameTable,
)
from headwater.errors import ConfigurationError
from headwater.schema import DELETED, MODES, Mode, Table
from headwater.types.names import BOOLEAN, DECIMAL, FLOATS, INTEGERS, STRING, ColumnType

# Read a type, for a column of this name, and a value, for a column of this name and type, as the file spells them.
ReadType = Callable[[str, Any], ColumnType]
ReadValue = Callable[[str, ColumnType, Any], object]

_MOVES: dict[str, tuple[Mode, Mode]] = {
    f"migrate_{one}_to_{other}": (one, other) for one in MODES for other in MODES if one != other
}


class Step:
    """One migration of a file: what it is called there, and its fields.

    Errors: ConfigurationError for a field that is missing or not of its type.
    """

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        self.name = name
        self._fields = fields

    @property
    def table(self) -> str:
        """The table it is about."""
        return self.text("table", "from_table")

    @property
    def value(self) -> Any:
        return self._fields.get("value", self._fields.get("default_value"))

    def text(self, *names: str, default: str | None = None) -> str:
        """Read a field, under the first of these names that it has."""
        value = next((self._fields[name] for name in names if self._fields.get(name) is not None), default)
        if not isinstance(value, str):
            raise ConfigurationError(f"schema_migration: {self.name} needs a text {' or '.join(map(repr, names))}")
        return value

    def flag(self, *names: str) -> bool:
        return any(self._fields.get(name) is True for name in names)

    def type(self) -> Any:
        """Read the column's type, as `read_type` takes it."""
        if "data_type" not in self._fields:
            raise ConfigurationError(f"schema_migration: {self.name} needs a 'data_type'")
        return self._fields["data_type"]

    def time(self) -> datetime:
        text = self.text("operation_timestamp")
        try:
            time = datetime.fromisoformat(text)
        except ValueError as error:
            raise ConfigurationError(f"schema_migration: {self.name}: {text!r} is no timestamp") from error
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def migrations(
    step: Step, table: Table, read_type: ReadType, read_value: ReadValue, now: datetime
) -> list[Migration] | None:
    """Say what a step comes to, in order; None for one of a name that means nothing here.

    Errors: Refused when the table is not in the mode that the step says.
    """
    if step.name in _MOVES:
        before, mode = _MOVES[step.name]
        if table.mode != before:
            raise Refused(f"{table}: the table is in {table.mode} mode")
        return [_change(step, mode, now)]
    match step.name:
        case "rename_table":
            return [RenameTable(step.text("to_table"))]
        case "copy_table":
            return [CopyTable(step.text("to_table"))]
        case "copy_table_to_history_mode":
            return [CopyTable(step.text("to_table")), _change(step, "history", now)]
        case "rename_column":
            return [RenameColumn(step.text("from_column"), step.text("to_column"))]
        case "copy_column":
            return [CopyColumn(step.text("from_column"), step.text("to_column"))]
        case "drop_column":
            return [DropColumn(step.text("column"))]
        case "update_column_value" | "set_column_to_null" | "add_column_with_default_value":
            column = step.text("column")
            kind = table.columns.get(column, ColumnType(STRING))  # there is none: `after` says so
            return [FillColumn(column, read_value(column, kind, step.value))]
        case "add_column_in_history_mode":
            column = step.text("column")
            kind = read_type(column, step.type())
            return [AddColumnInHistory(column, kind, read_value(column, kind, step.value), step.time())]
        case "drop_column_in_history_mode":
            return [DropColumnInHistory(step.text("column"), step.time())]
    return None


def _change(step: Step, mode: Mode, now: datetime) -> ChangeMode:
    return ChangeMode(
        mode,
        now.replace(microsecond=now.microsecond // 1000 * 1000),
        deleted=step.text("deleted_column", "soft_deleted_column", default=DELETED),
        keep_deleted=step.flag("keep_inactive_rows", "keep_deleted_rows"),
    )


def value_from_text(kind: ColumnType, text: str) -> object:
    """Read a value that the partner protocol sends as text; what cannot be read stays text, and fits no column.

    `NULL` means NULL, in a column of text as well: the protocol has no other word for it.

    >>> value_from_text(ColumnType("DOUBLE"), "202.57"), value_from_text(ColumnType("STRING"), "NULL")
    (202.57, None)
    """
    if text == "NULL":
        return None
    try:
        if kind.name in INTEGERS:
            return int(text)
        if kind.name in FLOATS:
            return float(text)
        if kind.name == DECIMAL:
            return Decimal(text)
    except (ArithmeticError, ValueError):
        return text
    return {"true": True, "false": False}.get(text.lower(), text) if kind.name == BOOLEAN else text
