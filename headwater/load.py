"""Loading: batches are fitted to the tables they go to, and the tables grow where they must.

Takes     typed operations, truncates and checkpoints from the stream
Gives     the calls of a destination
Promises  a table sees its operations in stream order; a column that must grow keeps its old values
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from headwater.batch import UPSERT, Batch, TypedOperations, net_effect
from headwater.destinations.abc import Destination
from headwater.errors import ConnectorError, DestinationError
from headwater.history import MILLISECOND, versions
from headwater.outbox import Rows, Truncate
from headwater.remedies import remedies
from headwater.schema import SYSTEM_COLUMNS, Catalog, SourceTable, Table
from headwater.state import Commit
from headwater.types.columns import Column, cast
from headwater.types.names import (
    BIG_LONG,
    DOUBLE,
    LARGEST_EXACT_INTEGER,
    LONG,
    STRING,
    UNTYPED,
    ColumnType,
    promote,
)
from headwater.types.nul import without_nul

_LONG = ColumnType(LONG)


class Loader:
    """Applies what the stream gives to one destination, from one thread at a time.

    now      the current time, aware UTC
    after    the time of the last commit: no row is stamped earlier
    changed  told of every table that is made or altered
    warn     told of what the destination cannot hold; the same text may come often
    since    when an earlier attempt of this sync began, if there was one
    remake   replace a table that was loaded with another primary key or mode, instead of refusing it
    """

    def __init__(
        self,
        destination: Destination,
        *,
        now: Callable[[], datetime],
        after: datetime | None,
        changed: Callable[[Table], None],
        warn: Callable[[str], None],
        since: datetime | None = None,
        remake: bool = False,
    ) -> None:
        self._destination = destination
        self._remake = remake
        self._now = now
        self._changed = changed
        self._warn = warn
        # Whole milliseconds, as the starts of versions are: no row of this sync is stamped earlier.
        self._synced = _whole_milliseconds(now() if after is None else max(now(), after + MILLISECOND))
        self.since = since or self._synced
        self._tables: dict[tuple[str, str], Table | None] = {}  # None where there is none yet
        self._awaited: list[SourceTable] = []
        self._foretold: dict[tuple[str, str], dict[str, ColumnType]] = {}

    def create_declared(self, catalog: Catalog) -> None:
        """Make the tables that `schema()` declares, empty, and add the columns it declares (rule B-46)."""
        for source in catalog.tables:
            if not source.dropped:
                self.declare(source, source.target.columns)

    def declare(self, source: SourceTable, columns: Mapping[str, ColumnType]) -> None:
        """Make a table, empty, or give it the columns it lacks.

        A table whose key has no declared type waits for its first row, but not past the first commit: from then on
        the key is text until a row comes.
        """
        if self._table(source) is None and not set(source.target.key) <= columns.keys():
            self._awaited.append(source)
        else:
            self._fit(source, dict(columns), create=True)

    def rows(self, item: Rows) -> None:
        """Apply row operations of one table."""
        operations = item.operations
        create = operations.kinds is None or UPSERT in operations.kinds
        kinds = {name: _given_kind(column) for name, column in operations.columns.items()}
        table = self._fit(item.source, kinds, create=create)
        if table is None:
            return
        operations = self._cast(operations, table)
        if table.mode == "history":
            self._destination.write(table, self._versions(operations, table))
        else:
            self._destination.write(table, net_effect(operations, table, self._time()))

    def truncate(self, item: Truncate) -> None:
        """Truncate a table; one that does not exist has nothing to truncate (rule B-10)."""
        table = self._table(item.source)
        if table is not None:
            self._end_rows(table, item.before)

    def mark(self) -> datetime:
        """Give a moment: rows so far are stamped earlier, rows to come are not."""
        self._synced = _whole_milliseconds(self._time()) + MILLISECOND
        return self._synced

    def end_missing(self, catalog: Catalog) -> None:
        """Mark the rows of every table of this sync that it has not sent as deleted (rule B-68)."""
        for source in catalog.tables:
            table = self._table(source)
            if table is not None:
                self._end_rows(table, before=self.since)

    def commit(self, state: str) -> Commit:
        for source in self._awaited:
            self._fit(source, dict(source.target.columns), create=True)
        self._awaited = []
        self._foretold = {}
        return self._destination.commit(state)

    def _end_rows(self, table: Table, before: datetime | None = None) -> None:
        self._destination.truncate(table, at=_whole_milliseconds(self._time()), before=before)

    def _time(self) -> datetime:
        """Give the time for `_fivetran_synced`, which never goes back although clocks do."""
        self._synced = max(self._now(), self._synced)
        return self._synced

    def _versions(self, operations: TypedOperations, table: Table) -> Batch:
        keys = pa.table({name: operations.columns[name].array for name in table.key})
        newest = self._destination.newest_versions(table, keys.group_by(list(table.key)).aggregate([]))
        return versions(operations, table, newest, _whole_milliseconds(self._time()))

    def _table(self, source: SourceTable) -> Table | None:
        key = (source.target.schema, source.target.name)
        if key not in self._tables:
            self._tables[key] = self._described(source.target)
        return self._tables[key]

    def _described(self, target: Table) -> Table | None:
        table = self._destination.describe_table(target.schema, target.name)
        if table is None:
            return None
        if self._remake and (table.key, table.mode) != (target.key, target.mode):
            self._destination.drop_table(table)
            return None
        self._require_same(table, target)
        return table

    def _require_same(self, table: Table, target: Table) -> None:
        """Refuse another primary key or mode than the rows in the table were written with (rule B-50)."""
        if table.key != target.key:
            raise ConnectorError(
                f"{target}: the primary key is now {', '.join(target.key)}, "
                f"but the table was loaded with {', '.join(table.key)}",
                hint=remedies().loaded_otherwise,
            )
        if table.mode != target.mode:
            raise ConnectorError(
                f"{target}: the mode is now {target.mode}, but the table was loaded with {table.mode}",
                hint=remedies().loaded_otherwise,
            )

    def _fit(self, source: SourceTable, kinds: dict[str, ColumnType | None], *, create: bool) -> Table | None:
        """Bring the table to where it can hold columns of these types; None when it does not exist, nor shall."""
        table = self._table(source)
        if table is None:
            foretold = self._foretell(source.target, kinds)
            return self._create(source, foretold) if create else None
        known = table.columns
        add = {name: kind for name, kind in kinds.items() if kind is not None and name not in known}
        retype = {
            name: self._widened(table, name, kind)
            for name, kind in kinds.items()
            if kind is not None and name in known and promote(known[name], kind) != known[name]
        }
        if add or retype:
            self._require_distinct(table, add)
            self._alter(table, add=add, retype=retype)
        return table

    def _foretell(self, target: Table, kinds: dict[str, ColumnType | None]) -> dict[str, ColumnType]:
        """Keep what operations without effect say of a table's columns until the table is made or a commit comes.

        Which of them share a batch with the row that makes the table is chance: the columns must not depend on it.
        """
        foretold = self._foretold.setdefault((target.schema, target.name), {})
        for name, kind in kinds.items():
            if kind is not None:
                foretold[name] = promote(foretold.get(name, kind), kind)
        return foretold

    def _alter(self, table: Table, *, add: dict[str, ColumnType], retype: dict[str, ColumnType]) -> None:
        self._destination.alter_table(table, add=add, retype=retype)
        seen = add or any(str(kind) != str(table.columns[name]) for name, kind in retype.items())
        table.columns = {**table.columns, **retype, **add}
        if seen:
            self._changed(table)

    def _create(self, source: SourceTable, kinds: dict[str, ColumnType]) -> Table:
        target = source.target
        columns = {name: promote(target.columns.get(name, kind), kind) for name, kind in kinds.items()}
        columns = {**dict.fromkeys(target.key, UNTYPED), **target.columns, **columns}
        names = sorted(columns, key=lambda name: (name not in target.key, name in SYSTEM_COLUMNS[target.mode]))
        table = Table(target.schema, target.name, target.key, {name: columns[name] for name in names}, target.mode)
        self._require_distinct(Table(target.schema, target.name, target.key, {}, target.mode), columns)
        self._destination.create_table(table)
        self._tables[target.schema, target.name] = table
        self._changed(table)
        return table

    def _widened(self, table: Table, name: str, kind: ColumnType) -> ColumnType:
        wider = promote(table.columns[name], kind)
        # A column that another program filled does not say what it has been given.
        loses = wider.name == DOUBLE and not self._destination.holds(table, name, wider)
        return ColumnType(STRING) if loses else wider

    def _require_distinct(self, table: Table, add: dict[str, ColumnType]) -> None:
        if not self._destination.folds_case:
            return
        seen = {name.casefold(): name for name in table.columns}
        for name in add:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise DestinationError(
                    f"{table}: the columns {other!r} and {name!r} differ only in case: they are one here",
                    hint=remedies().names_collide,
                )

    def _cast(self, operations: TypedOperations, table: Table) -> TypedOperations:
        """Bring the columns to the table's types; one that has only held NULL and is not in the table is left out."""
        columns: dict[str, Column] = {}
        for name, column in operations.columns.items():
            if name not in table.columns:
                continue
            given = column.array
            if name in table.key and pa.types.is_floating(given.type):
                given = pc.add(given, pa.scalar(0.0, given.type))  # -0.0 becomes 0.0: they are one key, as text too
            try:
                array = cast(given, column.kind, table.columns[name])
            except pa.ArrowInvalid:  # a number would change: from now on the column holds text
                self._alter(table, add={}, retype={name: ColumnType(STRING)})
                array = cast(given, column.kind, table.columns[name])
            stored = self._storable(table, name, array)
            known = column.range if stored is column.array else None
            columns[name] = Column(stored, table.columns[name], known)
        return replace(operations, columns=columns)

    def _storable(self, table: Table, name: str, array: pa.Array) -> pa.Array:
        """Take U+0000 out where the destination cannot hold it: here, so that keys are compared as they are stored."""
        if self._destination.keeps_nul:
            return array
        without = without_nul(array, table.columns[name])
        if without is not array:
            self._warn(f"{table.name}.{name}: U+0000 was removed, which this destination cannot hold in text")
        return without


def _given_kind(column: Column) -> ColumnType | None:
    """Give a column's type; for integers that no float equals, the one that never becomes DOUBLE."""
    if column.kind == _LONG:
        ends = _ends(column)
        if ends is not None and max(-ends[0], ends[1]) > LARGEST_EXACT_INTEGER:
            return BIG_LONG
    return column.kind


def _ends(column: Column) -> tuple[int, int] | None:
    if column.range is not None:
        return column.range.least, column.range.most
    ends = pc.min_max(column.array).as_py()
    return None if ends["min"] is None else (ends["min"], ends["max"])


def _whole_milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
