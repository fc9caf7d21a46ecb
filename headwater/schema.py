"""Tables: what `schema()` declares, what an operation's table name leads to, and how a table grows.

Takes     the entries of `schema()`, the project's options, and raw names from operations
Gives     one `SourceTable` per table, with the destination name and type of each column
Promises  two raw names that mean one table in the destination lead to one `SourceTable`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headwater.errors import ConnectorError, RowError, SchemaError
from headwater.naming import Naming
from headwater.types.names import (
    BOOLEAN,
    DECIMAL,
    MAX_PRECISION,
    MAX_SCALE,
    STRING,
    TYPE_NAMES,
    UTC_DATETIME,
    ColumnType,
    decimal_type,
    promote,
)

Mode = Literal["soft_delete", "live", "history"]
MODES: tuple[Mode, ...] = ("soft_delete", "live", "history")

ROW_ID = "_fivetran_id"
SYNCED = "_fivetran_synced"
DELETED = "_fivetran_deleted"
ACTIVE = "_fivetran_active"
START = "_fivetran_start"
END = "_fivetran_end"
FILE_PATH = "_fivetran_file_path"

SYSTEM_COLUMNS: dict[Mode, dict[str, ColumnType]] = {
    "soft_delete": {SYNCED: ColumnType(UTC_DATETIME), DELETED: ColumnType(BOOLEAN)},
    "live": {SYNCED: ColumnType(UTC_DATETIME)},
    "history": {
        SYNCED: ColumnType(UTC_DATETIME),
        ACTIVE: ColumnType(BOOLEAN),
        START: ColumnType(UTC_DATETIME),
        END: ColumnType(UTC_DATETIME),
    },
}


# Connectors send these all the same, with what the runtime writes anyway.
_LEFT_OUT = frozenset({SYNCED, DELETED})


@dataclass(slots=True)
class Table:
    """A table as the destination has it, or shall have it; all names are the destination's.

    key      the columns that name one row of the source, never empty: `_fivetran_id` where it has none
    columns  in order, system columns included
    """

    schema: str
    name: str
    key: tuple[str, ...]
    columns: dict[str, ColumnType]
    mode: Mode = "soft_delete"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """What is unique in the destination: in history mode each key has many versions."""
        return (*self.key, START) if self.mode == "history" else self.key

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DeclaredTable:
    """One entry of `schema()`, its names as the connector gives them."""

    table: str
    schema: str | None = None
    primary_key: tuple[str, ...] = ()
    columns: Mapping[str, ColumnType] = field(default_factory=dict)


_ENTRY_KEYS = {"table", "schema", "primary_key", "columns"}


def read_declaration(entries: Any, *, warn: Callable[[str], None]) -> list[DeclaredTable]:
    """Read what `schema()` returned.

    entries  any iterable of dicts with `table`, and optionally `schema`, `primary_key` (a list of
             column names) and `columns` (column name to type)
    warn     told of keys that mean nothing

    Errors: SchemaError, a ValueError, which names the table and column; TypeError when the answer is not iterable.
    Source: rules A-50 to A-57.
    """
    if entries is None or isinstance(entries, Mapping | str):
        raise TypeError(f"schema() must return a list of tables, not {type(entries).__name__}")
    tables: dict[tuple[str | None, str], DeclaredTable] = {}
    for entry in entries:
        declared = _read_entry(entry, warn)
        key = (declared.schema, declared.table)
        if key in tables:
            where = f"Table {declared.table} already exists in {declared.schema}"
            raise SchemaError(where if declared.schema else f"Table already defined: {declared.table}")
        tables[key] = declared
    return list(tables.values())


def _read_entry(entry: Any, warn: Callable[[str], None]) -> DeclaredTable:
    if not isinstance(entry, Mapping):
        raise TypeError(f"schema(): each table is a dict, not {type(entry).__name__}: {entry!r}")
    name = entry.get("table")
    if name is None:
        raise SchemaError(f"Entry missing table name: {dict(entry)}", hint="Give each entry a 'table'.")
    if not isinstance(name, str) or not name.strip():
        raise SchemaError(f"schema(): a table name must be non-empty text, not {name!r}")
    schema = entry.get("schema")
    if schema is not None and (not isinstance(schema, str) or not schema.strip()):
        raise SchemaError(f"{name}: 'schema' must be non-empty text, not {schema!r}")
    for key in entry.keys() - _ENTRY_KEYS:
        known = ", ".join(sorted(_ENTRY_KEYS))
        warn(f"schema(): {name}: the key {key!r} means nothing and is ignored; known keys: {known}")
    return DeclaredTable(
        table=name,
        schema=schema,
        primary_key=_read_primary_key(name, entry.get("primary_key")),
        columns=_read_columns(name, entry.get("columns")),
    )


def _read_primary_key(table: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        raise SchemaError(
            f"{table}: primary_key is the text {value!r}; it must be a list",
            hint=f'Write "primary_key": ["{value}"].',
        )
    if not isinstance(value, Iterable):
        raise SchemaError(f"{table}: primary_key must be a list of column names, not {value!r}")
    columns = tuple(dict.fromkeys(value))
    for column in columns:
        if not isinstance(column, str) or not column.strip():
            raise SchemaError(f"{table}: primary_key holds {column!r}; a column name is non-empty text")
    return columns


def _read_columns(table: str, columns: Any) -> dict[str, ColumnType]:
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise SchemaError(f"{table}: columns must be a dict of name to type, not {type(columns).__name__}")
    for column in columns:
        if not isinstance(column, str) or not column.strip():
            raise SchemaError(f"{table}: columns holds the name {column!r}; a column name is non-empty text")
    return {column: read_type(f"{table}.{column}", spec) for column, spec in columns.items()}


def read_type(where: str, spec: Any) -> ColumnType:
    """Read one declared type: a name in any case, or `{"type": "DECIMAL", "precision": p, "scale": s}`.

    Errors: SchemaError that begins with `where`; KeyError for a DECIMAL without precision or scale (rule A-56).
    """
    if isinstance(spec, Mapping):
        return _read_decimal(where, spec)
    if not isinstance(spec, str):
        raise SchemaError(f"{where}: Unrecognized column type for column: {spec!r}", hint=_type_hint())
    name = spec.strip().upper()
    if name == DECIMAL:
        raise SchemaError(
            f"{where}: DECIMAL data type missing precision and scale",
            hint='Write {"type": "DECIMAL", "precision": 18, "scale": 2}.',
        )
    if name not in TYPE_NAMES:
        raise SchemaError(f"{where}: Unrecognized column type encountered: {spec!r}", hint=_type_hint())
    return ColumnType(name)


def _read_decimal(where: str, spec: Mapping[str, Any]) -> ColumnType:
    if str(spec.get("type", "")).strip().upper() != DECIMAL:
        raise SchemaError(f"{where}: Expecting DECIMAL data type for dictionary column entry, not {spec!r}")
    precision, scale = spec["precision"], spec["scale"]
    for value in (precision, scale):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{where}: DECIMAL precision and scale are integers, not {value!r}")
    if not (1 <= precision <= MAX_PRECISION and 0 <= scale <= min(precision, MAX_SCALE)):
        raise SchemaError(
            f"{where}: Value out of range: DECIMAL({precision},{scale})",
            hint=f"precision is 1 to {MAX_PRECISION}, scale 0 to {MAX_SCALE} and at most the precision.",
        )
    return decimal_type(precision, scale)


def _type_hint() -> str:
    return "Types: " + ", ".join(TYPE_NAMES) + '; DECIMAL as {"type": "DECIMAL", "precision": p, "scale": s}.'


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the project's options say of one table; column names in either spelling."""

    mode: Mode = "soft_delete"
    blocked: bool = False
    blocked_columns: frozenset[str] = frozenset()
    hashed_columns: frozenset[str] = frozenset()

    @staticmethod
    def destination_names(columns: frozenset[str], naming: Naming) -> frozenset[str]:
        return columns | {naming.column(column) for column in columns}


class SourceTable:
    """One table of the connector: raw names in, destination names and declared types out.

    declared  destination name to declared type
    blocked   destination names whose values are dropped
    hashed    destination names whose values are replaced by their hash
    left_out  destination names that the runtime writes itself, although the connector may send them
    says_deleted  whether its rows say `_fivetran_deleted` themselves
    """

    def __init__(
        self,
        target: Table,
        declared: Mapping[str, ColumnType],
        options: TableOptions,
        naming: Naming,
        warn: Callable[[str], None],
    ) -> None:
        self.target = target
        self.declared = declared
        self.dropped = options.blocked
        self.blocked = options.destination_names(options.blocked_columns, naming)
        self.hashed = options.destination_names(options.hashed_columns, naming)
        self.left_out = _LEFT_OUT & SYSTEM_COLUMNS[target.mode].keys()
        self.says_deleted = False
        self.has_key = target.key != (ROW_ID,)
        self._naming = naming
        self._warn = warn
        self._names: dict[str, str] = {}
        self._raw_of: dict[str, str] = {}

    def __str__(self) -> str:
        return self.target.name

    def name_of(self, raw: str) -> str:
        """Look up what the raw column is called in the destination.

        Errors: TypeError when `raw` is not text; RowError when the name belongs to the runtime (rule B-28).
        """
        found = self._names.get(raw)
        return found if found is not None else self._open_column(raw)

    def _open_column(self, raw: str) -> str:
        if not isinstance(raw, str):
            raise TypeError(f"{self}: a column name must be a string, got {type(raw).__name__}: {raw!r}")
        if not raw.strip():
            raise RowError(f"{self}: a column name must not be empty")
        name = self._naming.column(raw)
        if name in self.left_out:
            self.says_deleted |= name == DELETED
            effect = "a row in which it is true is marked deleted" if name == DELETED else "other values are left out"
            self._warn(f"{self}: the runtime writes the column {name} itself: {effect}")
        elif name in SYSTEM_COLUMNS[self.target.mode] or (name == ROW_ID and self.has_key):
            raise RowError(
                f"{self}: Ambiguous column name {raw}: the runtime writes a column of this name",
                hint="Rename the key before the operation.",
            )
        first = self._raw_of.setdefault(name, raw)
        if first != raw:
            self._warn(
                f"{self}: the columns {first!r} and {raw!r} are both called {name!r} in the destination; "
                "where a row has both, the later one counts"
            )
        self._names[raw] = name
        return name

    def redeclare(self, later: SourceTable) -> None:
        """Take the types that a later declaration gives; columns it does not name stay as they are.

        Errors: SchemaError when it has another primary key.
        """
        if later.target.key != self.target.key:
            raise SchemaError(
                f"{self}: the primary key is now {', '.join(later.target.key)}, "
                f"but rows have come with {', '.join(self.target.key)}"
            )
        # Replaced, not changed: the loading thread reads them at the same time.
        self.declared = {**self.declared, **later.declared}
        columns = {
            name: promote(self.target.columns.get(name, kind), kind) for name, kind in later.target.columns.items()
        }
        self.target.columns = {**self.target.columns, **columns}

    def knows(self, column: str) -> bool:
        """Say whether a column of this name, in either spelling, was declared or has come."""
        return column in self._names or column in self._raw_of or self._naming.column(column) in self._raw_of

    def declared_type(self, raw: str) -> ColumnType | None:
        return self.declared.get(self.name_of(raw))

    def require_key(self, keys: Iterable[str], operation: str) -> None:
        """Refuse an update or delete that does not name every primary-key column (rule B-04)."""
        given = {self.name_of(key) for key in keys}
        missing = [column for column in self.target.key if column not in given]
        if not missing or (operation == "delete" and not self.has_key):
            return
        if self.has_key:
            raise RowError(
                f"{self}: {operation} lacks the primary-key column {', '.join(missing)}",
                hint=f"Give every column of the primary key: {', '.join(self.target.key)}.",
            )
        raise RowError(
            f"{self}: {operation} on a table without primary key",
            hint="Declare a primary_key in schema(), or give the row's _fivetran_id.",
        )


class Catalog:
    """All tables of one sync, declared or met on the way."""

    def __init__(
        self,
        declared: list[DeclaredTable],
        *,
        destination_schema: str,
        naming: Naming,
        options: Mapping[str, TableOptions] | None = None,
        other_options: TableOptions | None = None,
        warn: Callable[[str], None],
    ) -> None:
        self._destination_schema = destination_schema
        self._naming = naming
        self._options = options or {}
        self._other_options = other_options or TableOptions()
        self._warn = warn
        self._by_target: dict[tuple[str, str], SourceTable] = {}
        self._raw_of: dict[tuple[str, str], tuple[str | None, str]] = {}
        self._by_option: dict[str, SourceTable] = {}
        self._declares = bool(declared)
        self._exactly = {(entry.schema, entry.table): entry.columns for entry in declared}
        for entry in declared:
            self._open(entry)

    @property
    def tables(self) -> list[SourceTable]:
        return list(self._by_target.values())

    def declared_exactly(self, schema: str | None, name: str) -> Mapping[str, ColumnType]:
        """Give the types declared for exactly these raw names, by raw column name (rule A-35)."""
        return self._exactly.get((schema, name), {})

    def table(self, schema: str | None, name: str) -> SourceTable:
        """Look up the table an operation names, opening it when it is new."""
        key = self._target_name(schema, name)
        found = self._by_target.get(key)
        if found is None:
            if self._declares:
                self._warn(
                    f"the table {name!r} is not in schema(), which declares other tables; "
                    "it is made from the rows as they come: check the spelling"
                )
            return self._open(DeclaredTable(table=name, schema=schema))
        self._notice_merge(key, schema, name)
        return found

    def declare(self, entry: DeclaredTable) -> SourceTable:
        """Take an entry that came while the sync runs: a new table, or other columns and types of a known one.

        Errors: SchemaError for another primary key than before, or a name that is another table's here.
        """
        key = self._target_name(entry.schema, entry.table)
        if self._raw_of.get(key) != (entry.schema, entry.table):
            return self._open(entry)
        known = self._by_target[key]
        option = entry.table if entry.table in self._options else key[1]
        known.redeclare(_source_table(key, entry, self._options_of(option), self._naming, self._warn))
        return known

    def _options_of(self, option: str) -> TableOptions:
        return self._options.get(option, self._other_options)

    def unmet_options(self) -> list[str]:
        """List what the project's options name and no table or column of this sync was called."""
        unmet = []
        for name, options in self._options.items():
            source = self._by_option.get(name)
            if source is None:
                unmet.append(f"[tables.{name}]")
                continue
            for column in sorted(options.blocked_columns | options.hashed_columns):
                if not source.knows(column):
                    unmet.append(f"[tables.{name}]: {column}")
        return unmet

    def _target_name(self, schema: str | None, name: str) -> tuple[str, str]:
        prefix = self._destination_schema
        return (f"{prefix}_{self._naming.table(schema)}" if schema else prefix, self._naming.table(name))

    def _notice_merge(self, key: tuple[str, str], schema: str | None, name: str) -> None:
        first = self._raw_of[key]
        if first != (schema, name):
            self._warn(
                f"the tables {first[1]!r} and {name!r} are both called {key[1]!r} in the destination; "
                "their rows go into one table"
            )

    def _open(self, entry: DeclaredTable) -> SourceTable:
        key = self._target_name(entry.schema, entry.table)
        if key in self._by_target:
            self._notice_merge(key, entry.schema, entry.table)
            raise SchemaError(
                f"schema(): {self._raw_of[key][1]!r} and {entry.table!r} are both called {key[1]!r} in the destination",
                hint="Rename one, or use the naming SOURCE.",
            )
        self._raw_of[key] = (entry.schema, entry.table)
        option = entry.table if entry.table in self._options else key[1]
        source = _source_table(key, entry, self._options_of(option), self._naming, self._warn)
        self._by_option[option] = source
        self._by_target[key] = source
        return source


def _source_table(
    key: tuple[str, str],
    entry: DeclaredTable,
    options: TableOptions,
    naming: Naming,
    warn: Callable[[str], None],
) -> SourceTable:
    name = naming.column
    hashed = options.destination_names(options.hashed_columns, naming)
    blocked = options.destination_names(options.blocked_columns, naming)
    declared = {name(raw): column_type for raw, column_type in entry.columns.items()}
    for column in hashed & declared.keys():
        declared[column] = ColumnType(STRING)
    row_key = tuple(dict.fromkeys(name(raw) for raw in entry.primary_key)) or (ROW_ID,)
    for column in row_key:
        if column in blocked:
            raise ConnectorError(
                f"{entry.table}: the primary-key column {column} cannot be blocked",
                hint="Hash it instead: hashed_columns in headwater.toml.",
            )
    left_out = _LEFT_OUT & SYSTEM_COLUMNS[options.mode].keys()
    declared = {column: kind for column, kind in declared.items() if column not in left_out}
    reserved = SYSTEM_COLUMNS[options.mode].keys() | ({ROW_ID} if entry.primary_key else set())
    for column in [*(row_key if entry.primary_key else ()), *declared]:
        if column in reserved:
            raise SchemaError(
                f"{entry.table}: Ambiguous column name {column}: the runtime writes a column of this name"
            )
    columns = {column: declared[column] for column in row_key if column in declared}
    if not entry.primary_key:
        columns[ROW_ID] = ColumnType(STRING)
    columns |= {column: kind for column, kind in declared.items() if column not in blocked}
    columns |= SYSTEM_COLUMNS[options.mode]
    source = SourceTable(Table(*key, row_key, columns, options.mode), declared, options, naming, warn)
    for raw in [*entry.primary_key, *entry.columns]:
        source.name_of(raw)
    return source
