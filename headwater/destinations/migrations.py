"""Migrations: what can become of a table beside growing, in a destination that has the means.

A migration is a value: what it makes of a table is `after`, what it makes of the rows stands in its docstring.
Fivetran's partner protocol asks for the same by `Migrate`; rule H, section 6.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from headwater.errors import DestinationError
from headwater.schema import DELETED, ROW_ID, SYSTEM_COLUMNS, Mode, Table
from headwater.types.names import BOOLEAN, ColumnType

_BOOLEAN = ColumnType(BOOLEAN)

# Where a version starts and ends of which only is known that it has ended.
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Refused(DestinationError):
    """The tables do not allow the migration; nothing was changed, and the transaction goes on."""


class Unsupported(DestinationError):
    """The destination has no means for the migration; nothing was changed, and the transaction goes on."""


@runtime_checkable
class Migrations(Protocol):
    """What a `Destination` may be able to do besides; one that is not has no such method."""

    def migrate(self, table: Table, migration: Migration) -> None:
        """Do to the table and its rows what the migration says, within the open transaction.

        From then on the table is described as `migration.after(table)`, and written in its mode.

        table  as it stands, from `describe_table`

        Errors: Refused by `after`, when a table's new name is taken, and where a migration says so;
        Unsupported. After any other error only `close` may be called.
        """


@dataclass(frozen=True, slots=True)
class RenameTable:
    """Give the table another name."""

    to: str

    def after(self, table: Table) -> Table:
        _require_name(table, self.to)
        return replace(table, name=self.to, columns=dict(table.columns))


@dataclass(frozen=True, slots=True)
class CopyTable:
    """Make a second table with the same rows, key and mode."""

    to: str

    def after(self, table: Table) -> Table:
        """Describe the copy; the table itself stays as it is."""
        return RenameTable(self.to).after(table)


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """Give a column another name, one of the key as well."""

    column: str
    to: str

    def after(self, table: Table) -> Table:
        _require_own(table, self.column)
        _require_free(table, self.to)
        names = {self.column: self.to}
        columns = {names.get(name, name): kind for name, kind in table.columns.items()}
        return replace(table, key=tuple(names.get(name, name) for name in table.key), columns=columns)


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """Add a column of the same type, which has the same value in every row."""

    column: str
    to: str

    def after(self, table: Table) -> Table:
        _require_column(table, self.column)
        _require_free(table, self.to)
        return replace(table, columns={**table.columns, self.to: table.columns[self.column]})


@dataclass(frozen=True, slots=True)
class DropColumn:
    """Remove a column with its values; none of the key."""

    column: str

    def after(self, table: Table) -> Table:
        _require_beside_key(table, self.column)
        return replace(table, columns=_without(table, [self.column]))


@dataclass(frozen=True, slots=True)
class FillColumn:
    """Put one value into every row; no other column changes, `_fivetran_synced` neither.

    value  in the column's type as Arrow's `as_py` gives it; None for NULL
    """

    column: str
    value: object

    def after(self, table: Table) -> Table:
        _require_beside_key(table, self.column)
        return replace(table, columns=dict(table.columns))


@dataclass(frozen=True, slots=True)
class AddColumnInHistory:
    """Add a column to a table in history mode, NULL in the versions there are.

    Each active version ends a millisecond before `at`, and one with the value starts then; one that starts at
    `at` already takes the value itself. A column that is there stays what it is.

    value  as in `FillColumn`

    Refused when an active version starts after `at`.
    """

    column: str
    kind: ColumnType
    value: object
    at: datetime

    def after(self, table: Table) -> Table:
        _require_history(table)
        if self.column not in table.columns:
            _require_free(table, self.column)
        else:
            _require_beside_key(table, self.column)
            _require_type(table, self.column, self.kind)
        return replace(table, columns={**table.columns, self.column: self.kind})


@dataclass(frozen=True, slots=True)
class DropColumnInHistory:
    """End a column in a table in history mode: it stays for the versions there are, and is NULL from `at` on.

    As `AddColumnInHistory` with NULL as the value; versions in which the column is NULL go on.

    Refused when an active version starts after `at`.
    """

    column: str
    at: datetime

    def after(self, table: Table) -> Table:
        _require_history(table)
        _require_beside_key(table, self.column)
        return replace(table, columns=dict(table.columns))


@dataclass(frozen=True, slots=True)
class ChangeMode:
    """Keep the table in another mode from now on.

    From history, the newest version of each key is its row; one that has ended was deleted. Into live, deleted rows
    are removed. Into soft-delete, they are marked, by `_fivetran_deleted` and by `deleted`, which is added where it is
    missing. Into history, each row is a version: of a live table it starts at `at`; of a soft-delete table in the
    millisecond of the latest `_fivetran_synced`, or, where none is known, at `at`; a deleted one starts and ends at
    `LONG_AGO`. System columns of the old mode that the new one lacks are dropped.

    at            in whole milliseconds
    deleted       the column that says which rows of a soft-delete table are deleted; NULL means they are not. A live
                  table that is to mark its rows may have such a column too
    keep_deleted  from history into live: keep the rows of keys that were deleted
    """

    mode: Mode
    at: datetime
    deleted: str = DELETED
    keep_deleted: bool = False

    def after(self, table: Table) -> Table:
        if table.mode == self.mode:
            raise Refused(f"{table}: the table is in {_words(self.mode)} mode already")
        if table.mode == "soft_delete":
            _require_column(table, self.deleted)
        added = dict(SYSTEM_COLUMNS[self.mode])
        if self.mode == "soft_delete":
            added[self.deleted] = _BOOLEAN
        if self.deleted != DELETED and self.deleted in self.dropped(table):
            raise Refused(f"{table}: the runtime writes the column {self.deleted!r} itself; it does not mark deletes")
        if self.marks(table):
            _require_type(table, self.deleted, _BOOLEAN)
        columns = _without(table, self.dropped(table))
        for name, kind in added.items():
            if name in columns:
                _require_type(table, name, kind)
            if name in table.key:
                raise Refused(f"{table}: the column {name!r} is part of the key, and would be overwritten")
        return replace(table, columns={**columns, **added}, mode=self.mode)

    def dropped(self, table: Table) -> list[str]:
        """List the columns that only the old mode has."""
        return [name for name in SYSTEM_COLUMNS[table.mode] if name not in SYSTEM_COLUMNS[self.mode]]

    def marks(self, table: Table) -> bool:
        """Say whether the table has a column that tells which of its rows are deleted."""
        if table.mode == "live":
            return self.mode == "soft_delete" and self.deleted in table.columns
        return table.mode == "soft_delete"


Migration = (
    RenameTable
    | CopyTable
    | RenameColumn
    | CopyColumn
    | DropColumn
    | FillColumn
    | AddColumnInHistory
    | DropColumnInHistory
    | ChangeMode
)


def name_taken(table: Table, name: str) -> Refused:
    """Say that a table cannot be called so, for another is."""
    return Refused(f"{table}: there is a table {name!r} already", hint="Drop or rename that one first.")


def require_past(table: Table, migration: AddColumnInHistory | DropColumnInHistory, newest: datetime | None) -> None:
    """Refuse to change versions that start later.

    newest  when the active version that starts last does; None when there is none
    """
    if newest is not None and newest > migration.at:
        raise Refused(
            f"{table}: a version starts at {newest.isoformat()}, after the change of its column "
            f"{migration.column!r} at {migration.at.isoformat()}"
        )


def require_distinct(table: Table) -> None:
    """Refuse columns whose names differ only in case, where a destination has no case."""
    seen: dict[str, str] = {}
    for name in table.columns:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise Refused(f"{table}: {name!r} and {other!r} would be one column here, where case does not count")


def _words(mode: Mode) -> str:
    return mode.replace("_", "-")


def _without(table: Table, names: Iterable[str]) -> dict[str, ColumnType]:
    left_out = set(names)
    return {name: kind for name, kind in table.columns.items() if name not in left_out}


def _require_name(table: Table, name: str) -> None:
    if not name:
        raise Refused(f"{table}: a name must not be empty")
    if name == table.name:
        raise name_taken(table, name)


def _require_column(table: Table, column: str) -> None:
    if column not in table.columns:
        raise Refused(f"{table}: there is no column {column!r}")


def _require_own(table: Table, column: str) -> None:
    _require_column(table, column)
    if column in SYSTEM_COLUMNS[table.mode] or column == ROW_ID:
        raise Refused(f"{table}: the runtime writes the column {column!r} itself")


def _require_beside_key(table: Table, column: str) -> None:
    _require_own(table, column)
    if column in table.key:
        raise Refused(f"{table}: the column {column!r} is part of the key")


def _require_free(table: Table, column: str) -> None:
    if not column:
        raise Refused(f"{table}: a name must not be empty")
    if column in table.columns:
        raise Refused(f"{table}: there is a column {column!r} already")
    if column in SYSTEM_COLUMNS[table.mode] or column == ROW_ID:
        raise Refused(f"{table}: the runtime writes a column called {column!r} itself")


def _require_type(table: Table, column: str, kind: ColumnType) -> None:
    if table.columns[column] != kind:
        raise Refused(f"{table}: the column {column!r} is {table.columns[column]}, not {kind}")


def _require_history(table: Table) -> None:
    if table.mode != "history":
        raise Refused(f"{table}: the table is in {_words(table.mode)} mode, and has no versions")
