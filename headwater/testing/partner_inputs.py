"""Plays the input files of Fivetran's destination tester against a destination of headwater.

An input file is a JSON object of steps, which are played in the order in which they stand: `create_table`,
`alter_table`, `ops` (upsert, update, delete, soft_delete, truncate_before, soft_truncate_before),
`schema_migration`, `describe_table`. Each operation and each migration is committed by itself.

A migration that the destination has no means for is noted, as a partner's destination answers `unsupported`, and
so is one that the tables do not allow. What must be ignored is: an update or delete of a row that is not there, an
operation on a table that is not there.

Source: fivetran_partner_sdk, tools/destination-connector-tester (README and input files); rules H-20 to H-34.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from headwater.batch import DELETE, UPDATE, UPSERT, Batch, TypedOperations, net_effect
from headwater.destinations import Destination
from headwater.destinations.migrations import Migrations, Refused, Unsupported
from headwater.errors import ConfigurationError
from headwater.history import versions
from headwater.schema import ROW_ID, SYSTEM_COLUMNS, Mode, Table, read_type
from headwater.testing.partner_migrations import Step, migrations, value_from_text
from headwater.types.columns import Column, ValueRefused, convert, types_among
from headwater.types.json_text import JsonText
from headwater.types.names import BINARY, DECIMAL, FLOATS, JSON, MAX_PRECISION, STRING, ColumnType, promote
from headwater.types.nul import without_nul

SCHEMA = "tester"

_OP_TIME = "op_time"
_STRING = ColumnType(STRING)
_ROUNDING = Context(prec=2 * MAX_PRECISION, rounding=ROUND_HALF_UP)
_KINDS = {"upsert": UPSERT, "update": UPDATE, "delete": DELETE, "soft_delete": DELETE}
_TRUNCATES = ("truncate_before", "soft_truncate_before")


@dataclass(slots=True)
class Played:
    """What came of a file.

    described  the tables it asks for, as the destination has them; None for one that is not there
    notes      what was ignored, rounded or refused, or is unsupported
    """

    described: dict[str, Table | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def play_file(path: Path, destination: Destination, *, schema: str = SCHEMA) -> Played:
    """Open a destination, play a file, and close it; what was played before an error stays.

    Errors: ConfigurationError for a file that cannot be read or says what means nothing; those of the destination.
    """
    try:
        # Decimals keep all their digits.
        steps = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if not isinstance(steps, dict):
        raise ConfigurationError(f"{path} must hold a JSON object, not {type(steps).__name__}")
    try:
        destination.open()
        return _Player(destination, schema).play(steps)
    finally:
        destination.close()


class _Player:
    def __init__(self, destination: Destination, schema: str) -> None:
        self._destination = destination
        self._schema = schema
        self._filled: set[str] = set()
        self._played = Played()
        self._steps: dict[str, Callable[[Any], None]] = {
            "create_table": self._create,
            "alter_table": self._alter,
            "ops": self._operations,
            "schema_migration": self._schema_migration,
            "describe_table": self._describe,
        }

    def play(self, steps: Mapping[str, Any]) -> Played:
        for name, content in steps.items():
            if name not in self._steps:
                raise ConfigurationError(f"{name!r} is no step; there are: {', '.join(self._steps)}")
            self._steps[name](content)
            self._destination.commit("{}")
        return self._played

    def _note(self, text: str) -> None:
        if text not in self._played.notes:
            self._played.notes.append(text)

    def _table(self, name: str) -> Table | None:
        return self._destination.describe_table(self._schema, name)

    # --- tables

    def _create(self, tables: Mapping[str, Any]) -> None:
        for name, spec in tables.items():
            if self._table(name) is None:
                self._destination.create_table(self._wanted(name, spec))
            else:
                self._alter({name: spec})

    def _alter(self, tables: Mapping[str, Any]) -> None:
        for name, spec in tables.items():
            wanted, table = self._wanted(name, spec), self._table(name)
            if table is None:
                raise ConfigurationError(f"alter_table: there is no table {name!r}")
            if (table.key, table.mode) != (wanted.key, wanted.mode):
                self._make_anew(table, wanted)
            else:
                self._grow(table, wanted.columns)

    def _make_anew(self, table: Table, wanted: Table) -> None:
        if table.name in self._filled:
            raise ConfigurationError(
                f"alter_table: {table.name} holds rows; their key or mode cannot change",
                hint="headwater does not change the key of a table with rows: load it anew.",
            )
        self._destination.drop_table(table)
        kept = {name: kind for name, kind in table.columns.items() if name not in SYSTEM_COLUMNS[table.mode]}
        self._destination.create_table(replace(wanted, columns={**kept, **wanted.columns}))

    def _grow(self, table: Table, columns: Mapping[str, ColumnType]) -> None:
        """Add columns and widen types; one that is left out stays, since drop_columns is false (rule H-21)."""
        add = {name: kind for name, kind in columns.items() if name not in table.columns}
        retype = {}
        for name in columns.keys() & table.columns.keys():
            before, wanted = table.columns[name], columns[name]
            kind = promote(before, wanted)
            if kind != wanted:
                self._note(f"{table.name}.{name}: {before} does not become {wanted}, but {kind}, which holds both")
            if kind != before:
                retype[name] = kind
        if add or retype:
            self._destination.alter_table(table, add=add, retype=retype)

    def _wanted(self, name: str, spec: Mapping[str, Any]) -> Table:
        mode: Mode = "history" if spec.get("history_mode") else "soft_delete"
        key = tuple(spec.get("primary_key") or (ROW_ID,))
        columns = {ROW_ID: _STRING} if key == (ROW_ID,) else {}
        for column, kind in spec["columns"].items():
            columns[column] = self._type(f"{name}.{column}", kind)
        return Table(self._schema, name, key, {**columns, **SYSTEM_COLUMNS[mode]}, mode)

    def _type(self, where: str, spec: Any) -> ColumnType:
        if spec == "NAIVE_TIME":
            self._note(f"{where}: NAIVE_TIME is STRING, since a source sends no times of day")
            return _STRING
        return read_type(where, spec)

    def _describe(self, names: Sequence[str]) -> None:
        self._played.described |= {name: self._table(name) for name in names}

    # --- rows

    def _operations(self, operations: Sequence[Mapping[str, Any]]) -> None:
        for operation in operations:
            for name, content in operation.items():
                if name in _TRUNCATES:
                    self._truncate(content, soft=name == "soft_truncate_before")
                elif name in _KINDS:
                    for table, rows in content.items():
                        self._rows(name, table, rows)
                else:
                    raise ConfigurationError(f"ops: {name!r} is no operation: {', '.join([*_KINDS, *_TRUNCATES])}")
                self._destination.commit("{}")

    def _truncate(self, names: Sequence[str], *, soft: bool) -> None:
        for name in names:
            table = self._table(name)
            if table is None:
                self._note(f"{name}: there is no such table to truncate")
                continue
            # Without a mode that marks rows, a destination removes them.
            table = table if soft else replace(table, mode="live")
            self._destination.truncate(table, at=datetime.now(UTC))

    def _rows(self, operation: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        table = self._table(name)
        if table is None:
            if operation == "upsert":
                raise ConfigurationError(f"upsert: there is no table {name!r}", hint="Create it first: create_table.")
            self._note(f"{name}: there is no such table to {operation} rows of")
            return
        self._filled.add(name)
        if table.mode == "history":
            for time, group in groupby(rows, key=lambda row: row.get(_OP_TIME)):
                at = datetime.now(UTC) if time is None else datetime.fromisoformat(time)
                self._write_versions(table, self._typed(table, operation, list(group)), at)
            return
        # A hard delete removes the row; the soft one of the two is what marks it.
        table = replace(table, mode="live") if operation == "delete" else table
        self._destination.write(table, net_effect(self._typed(table, operation, rows), table, datetime.now(UTC)))

    def _write_versions(self, table: Table, operations: TypedOperations, at: datetime) -> None:
        keys = pa.table({name: operations.columns[name].array for name in table.key})
        newest = self._destination.newest_versions(table, keys.group_by(list(table.key)).aggregate([]))
        batch: Batch = versions(operations, table, newest, at)
        self._destination.write(table, batch)

    def _typed(self, table: Table, operation: str, rows: Sequence[Mapping[str, Any]]) -> TypedOperations:
        kind = _KINDS[operation]
        names = [name for name in table.columns if name not in SYSTEM_COLUMNS[table.mode]]
        given = [frozenset(row) - {_OP_TIME} for row in rows]
        for row in given:
            if unknown := row - set(names):
                raise ConfigurationError(f"{operation}: {table.name} has no column {', '.join(sorted(unknown))}")
            if missing := set(table.key) - row:
                raise ConfigurationError(f"{operation}: a row of {table.name} lacks {', '.join(sorted(missing))}")
        if kind == DELETE:
            names = list(table.key)
        columns = {
            name: self._column(table, name, table.columns[name], [row.get(name) for row in rows]) for name in names
        }
        return TypedOperations(columns, len(rows), [kind] * len(rows), given)

    def _column(self, table: Table, name: str, kind: ColumnType, values: list[Any]) -> Column:
        where = f"{table.name}.{name}"
        values = [self._value(where, kind, value) for value in values]
        try:
            column = convert(values, kind, types_among(values))
        except ValueRefused as error:
            raise ConfigurationError(f"{where}: {error.value!r} {error}") from error
        if column.kind != kind:
            raise ConfigurationError(f"{where}: the values need {column.kind}, and the column is {kind}")
        if not self._destination.keeps_nul:
            without = without_nul(column.array, kind)
            if without is not column.array:
                self._note(f"{where}: U+0000 is removed, which this destination cannot hold in text")
            return Column(without, kind)
        return column

    def _value(self, where: str, kind: ColumnType, value: Any) -> Any:
        """Read a value as a file spells it: JSON as its text, binary as text, decimals with more digits than fit."""
        if isinstance(value, Decimal):
            return self._number(where, kind, value)
        if kind.name == JSON and isinstance(value, str):
            return JsonText(value)
        return value.encode() if kind.name == BINARY and isinstance(value, str) else value

    def _number(self, where: str, kind: ColumnType, value: Decimal) -> Any:
        if kind.name == DECIMAL:
            return self._fitted(where, kind, value)
        if kind.name == STRING:
            return f"{value:f}"
        return float(value) if kind.name in FLOATS else value

    def _fitted(self, where: str, kind: ColumnType, value: Decimal) -> Decimal | None:
        """Round what has more digits after the point; what has too many before it is NULL on Fivetran (rule A-89)."""
        if value and value.adjusted() >= kind.precision - kind.scale:
            self._note(f"{where}: {value} does not fit {kind}, and becomes NULL")
            return None
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)  # JSON has no infinity
        if -exponent <= kind.scale:
            return value
        self._note(f"{where}: {value} is rounded to {kind.scale} digits after the point")
        return value.quantize(Decimal(1).scaleb(-kind.scale), context=_ROUNDING)

    # --- migrations

    def _schema_migration(self, steps: Sequence[Mapping[str, Any]]) -> None:
        for each in steps:
            for name, specs in each.items():
                for spec in specs:
                    self._migrate(Step(name, spec))
                    self._destination.commit("{}")

    def _migrate(self, step: Step) -> None:
        table = self._table(step.table)
        if table is None:
            what = "to drop" if step.name == "drop_table" else f"for {step.name}"
            self._note(f"{step.table}: there is no such table {what}")
            return
        try:
            self._carry_out(step, table)
        except Unsupported:
            self._note(f"schema_migration: {step.name} is unsupported")
        except Refused as refused:
            self._note(f"schema_migration: {step.name} is refused: {refused.message}")

    def _carry_out(self, step: Step, table: Table) -> None:
        if step.name == "drop_table":
            self._destination.drop_table(table)
            return
        if step.name in ("add_column", "change_column_data_type", "add_column_with_default_value"):
            column = step.text("column")
            self._grow(table, {column: self._type(f"{table.name}.{column}", step.type())})
            if step.name != "add_column_with_default_value":
                return
            table = self._table(table.name) or table

        def read_type(column: str, spec: Any) -> ColumnType:
            return self._type(f"{table.name}.{column}", spec)

        def read_value(column: str, kind: ColumnType, value: Any) -> object:
            value = value_from_text(kind, value) if isinstance(value, str) else value
            return self._column(table, column, kind, [value]).array[0].as_py()

        todo = migrations(step, table, read_type, read_value, datetime.now(UTC))
        if todo is None or not isinstance(self._destination, Migrations):
            raise Unsupported(step.name)
        stages = [table]
        for migration in todo:  # what the last one refuses must not find the first one done
            stages.append(migration.after(stages[-1]))
        for before, migration in zip(stages, todo, strict=False):
            self._destination.migrate(before, migration)


def described_lines(played: Played) -> Iterator[str]:
    """Write what came of a file, for a person: each table on a line, then the notes."""
    for name, table in played.described.items():
        if table is None:
            yield f"{name}: no such table"
            continue
        columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        yield f"{name} ({columns}), key {', '.join(table.primary_key)}"
    yield from (f"Note: {note}" for note in played.notes)
