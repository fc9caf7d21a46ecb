"""Loading: batches are fitted to the tables they go to, and the tables grow where they must.

Takes     typed operations, truncates and checkpoints from the stream
Gives     the calls of a destination
Promises  a table sees its operations in stream order; a column that must grow keeps its old values
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from headwater.batch import Batch, net_effect
from headwater.destinations.abc import Destination
from headwater.errors import ConnectorError, DestinationError
from headwater.schema import SYSTEM_COLUMNS, Catalog, SourceTable, Table
from headwater.state import Commit
from headwater.stream import Rows, Truncate
from headwater.types.columns import cast
from headwater.types.names import DOUBLE, STRING, ColumnType, promote


class Loader:
    """Applies what the stream gives to one destination, from one thread.

    now      the current time, aware UTC
    changed  told of every table that is made or altered
    """

    def __init__(
        self, destination: Destination, *, now: Callable[[], datetime], changed: Callable[[Table], None]
    ) -> None:
        self._destination = destination
        self._now = now
        self._changed = changed
        self._tables: dict[tuple[str, str], Table] = {}
        self._synced: datetime | None = None
        self._awaited: list[SourceTable] = []

    def create_declared(self, catalog: Catalog) -> None:
        """Make the tables that `schema()` declares, empty, and add the columns it declares (rule B-46).

        A table whose key has no declared type waits for its first row, but not past the first commit.
        """
        for source in catalog.tables:
            if source.dropped:
                continue
            if self._table(source) is None and not set(source.target.key) <= source.target.columns.keys():
                self._awaited.append(source)
            else:
                self._fit(source, dict(source.target.columns), create=True)

    def rows(self, item: Rows) -> None:
        """Apply row operations of one table."""
        source = item.source
        batch = net_effect(item.operations, source.target, self._time())
        self.write(source, batch)

    def write(self, source: SourceTable, batch: Batch) -> None:
        table = self._fit(source, dict(batch.kinds), create=batch.rows is not None)
        if table is None:
            return
        try:
            batch = self._cast(batch, table)
        except _WouldChange as error:
            self._alter(table, add={}, retype={error.column: ColumnType(STRING)})
            self.write(source, batch)
        else:
            self._destination.write(table, batch)

    def truncate(self, item: Truncate) -> None:
        """Truncate a table; one that does not exist has nothing to truncate (rule B-10)."""
        table = self._table(item.source)
        if table is not None:
            self._destination.truncate(table)

    def commit(self, state: str) -> Commit:
        for source in self._awaited:
            self._fit(source, dict(source.target.columns), create=True)
        self._awaited = []
        return self._destination.commit(state)

    def _time(self) -> datetime:
        """Give the time for `_fivetran_synced`, which never goes back although clocks do."""
        now = self._now()
        self._synced = max(now, self._synced) if self._synced else now
        return self._synced

    def _table(self, source: SourceTable) -> Table | None:
        key = (source.target.schema, source.target.name)
        table = self._tables.get(key)
        if table is None:
            table = self._destination.describe_table(*key)
            if table is not None:
                self._require_same(table, source.target)
                self._tables[key] = table
        return table

    def _require_same(self, table: Table, target: Table) -> None:
        """Refuse another primary key or mode than the rows in the table were written with (rule B-50)."""
        way_out = "Go back to the old one, or start over: `headwater reset`, or `headwater debug --full-resync`."
        if table.key != target.key:
            raise ConnectorError(
                f"{target}: the primary key is now {', '.join(target.key)}, "
                f"but the table was loaded with {', '.join(table.key)}",
                hint=way_out,
            )
        if table.mode != target.mode:
            raise ConnectorError(
                f"{target}: the mode is now {target.mode}, but the table was loaded with {table.mode}", hint=way_out
            )

    def _fit(self, source: SourceTable, kinds: dict[str, ColumnType | None], *, create: bool) -> Table | None:
        """Bring the table to where it can hold columns of these types; None when it does not exist, nor shall."""
        table = self._table(source)
        if table is None:
            return self._create(source, kinds) if create else None
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

    def _alter(self, table: Table, *, add: dict[str, ColumnType], retype: dict[str, ColumnType]) -> None:
        self._destination.alter_table(table, add=add, retype=retype)
        table.columns = {**table.columns, **retype, **add}
        self._changed(table)

    def _create(self, source: SourceTable, kinds: dict[str, ColumnType | None]) -> Table:
        target = source.target
        columns = {
            name: kind if name not in target.columns else promote(target.columns[name], kind)
            for name, kind in kinds.items()
            if kind is not None
        }
        columns = {**target.columns, **columns}
        names = sorted(columns, key=lambda name: (name not in target.key, name in SYSTEM_COLUMNS[target.mode]))
        table = Table(target.schema, target.name, target.key, {name: columns[name] for name in names}, target.mode)
        self._require_distinct(Table(target.schema, target.name, target.key, {}, target.mode), columns)
        self._destination.create_table(table)
        self._tables[target.schema, target.name] = table
        self._changed(table)
        return table

    def _widened(self, table: Table, name: str, kind: ColumnType) -> ColumnType:
        wider = promote(table.columns[name], kind)
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
                    f"{table}: the columns {other!r} and {name!r} differ only in case, and this destination has no case",
                    hint="Rename one in the connector, or use the naming FIVETRAN.",
                )

    def _cast(self, batch: Batch, table: Table) -> Batch:
        return Batch(
            rows=None if batch.rows is None else self._cast_part(batch.rows, batch, table),
            changes=[self._cast_part(part, batch, table) for part in batch.changes],
            deletes=None if batch.deletes is None else self._cast_part(batch.deletes, batch, table),
            kinds={name: table.columns[name] for name in batch.kinds if name in table.columns},
        )

    def _cast_part(self, part: pa.Table, batch: Batch, table: Table) -> pa.Table:
        if all(batch.kinds[name] == table.columns.get(name) for name in part.column_names):
            return part
        columns = {}
        for name in part.column_names:
            actual = table.columns.get(name)
            if actual is not None:  # else it has only held NULL, and there is no column yet (rule A-88)
                try:
                    columns[name] = cast(part[name], batch.kinds[name], actual)
                except pa.ArrowInvalid as error:
                    raise _WouldChange(name) from error
        return pa.table(columns)


class _WouldChange(Exception):  # noqa: N818 - says what would happen, and is always caught here
    """A number of this column would change in the type the table has."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column
