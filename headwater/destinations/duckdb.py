"""DuckDB: a file on this machine, one commit per checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from headwater.batch import Batch
from headwater.destinations.abc import Settings
from headwater.destinations.dialect import columns_from, columns_text, require_no_nul, warn_of_dropped
from headwater.destinations.duckdb_catalog import StoredTables
from headwater.destinations.duckdb_file import STATE, DatabaseFile, hint, is_spill_full, spill_folder, state_of
from headwater.destinations.duckdb_inserts import BATCH
from headwater.destinations.duckdb_sql import DUCKDB, column_type, quote, schema_name, sql_type, table_name
from headwater.destinations.known_keys import KnownKeys
from headwater.destinations.migrations import (
    AddColumnInHistory,
    ChangeMode,
    CopyTable,
    DropColumnInHistory,
    Migration,
    Refused,
    RenameTable,
    name_taken,
    require_distinct,
    require_past,
)
from headwater.destinations.sql_migrations import newest_start, statements
from headwater.errors import ConfigurationError, DestinationError, Fenced, TransientError
from headwater.remedies import remedies
from headwater.schema import ACTIVE, DELETED, END, START, SYNCED, Mode, Table
from headwater.state import Commit
from headwater.types.names import DOUBLE, INTEGERS, LARGEST_EXACT_INTEGER, UTC_DATETIME, ColumnType

# From this many rows or bytes since the last commit on, a segment is written to a copy of the file.
LONG_SEGMENT_ROWS = 1_500_000
LONG_SEGMENT_BYTES = 128_000_000
# There, so many rows share a transaction.
COPY_TRANSACTION_ROWS = 100_000


def from_url(url: str, settings: Settings) -> DuckDB:
    """Make a destination for `duckdb:PATH`."""
    path = url.partition(":")[2].removeprefix("//")
    if not path:
        raise ConfigurationError(
            f"destination: {url!r} names no file", hint="Use duckdb:PATH, relative to the project."
        )
    return DuckDB(settings.folder / path, connection=settings.connection, memory=settings.memory_mb * 1_000_000)


class DuckDB:
    """One connection's tables in one DuckDB file.

    path        the file; it and its folder are made when missing
    connection  whose state this is; several connections may share a file
    memory      DuckDB's own memory limit, in bytes
    """

    folds_case = True
    keeps_nul = True

    def __init__(self, path: Path, *, connection: str, memory: int = 400_000_000) -> None:
        self._path = path
        self._connection = connection
        self._memory = memory
        self._file: DatabaseFile | None = None
        self._in_transaction = False
        self._journal: list[Callable[[], None]] = []
        self._known = KnownKeys()
        self._stored = StoredTables(self._fetch)
        self._rows = 0
        self._bytes = 0
        self._epoch = 0
        self._sequence = 0
        self._state = "{}"
        self._committed_at: datetime | None = None

    # --- open, commit, close

    def open(self) -> tuple[int, Commit | None]:
        self._file = DatabaseFile(self._path, self._memory)
        self._begin()
        newest, committed = self._read_state()
        self._epoch = newest + 1
        if newest:
            self._execute("UPDATE _headwater.state SET epoch = ? WHERE connection = ?", self._epoch, self._connection)
        else:
            new = "INSERT INTO _headwater.state VALUES (?, ?, 0, 0, '{}', '{}', NULL)"
            self._execute(new, self._connection, self._epoch)
        self._end("COMMIT")
        if committed:
            self._state, self._committed_at = committed.state, committed.committed_at
        return self._epoch, committed

    def commit(self, state: str) -> Commit:
        self._begin()
        now = datetime.now(UTC)
        self._committed_at = max(now, self._committed_at or now)
        commit = Commit(self._epoch, self._sequence + 1, state, self._state, self._committed_at)
        updated = self._fetch(
            "UPDATE _headwater.state SET committed_epoch = epoch, sequence = ?, state = ?, previous = ?, "
            "committed_at = ? WHERE connection = ? AND epoch = ?",
            commit.sequence, commit.state, commit.previous, commit.committed_at, self._connection, self._epoch,
            optimize=False,
        )  # fmt: skip
        if updated != [(1,)]:
            raise Fenced(f"a newer sync has taken over the connection {self._connection}; this one changed nothing")
        file = self._open_file()
        file.expect_commit(self._bytes)
        self._end("COMMIT")
        if file.is_copy:
            self._replace(file)
        self._journal.clear()
        self._rows = self._bytes = 0
        self._sequence, self._state = commit.sequence, commit.state
        return commit

    def close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if self._in_transaction:
                file.connection.execute("ROLLBACK")
        except duckdb.Error:
            pass  # the transaction is gone already, and nothing of it is in the file
        finally:
            self._in_transaction = False
            self._journal.clear()
            file.close()

    # --- long segments

    def _do(self, action: Callable[[], None], rows: int = 0, nbytes: int = 0) -> None:
        """Do something within the segment; when it has grown long, do all of it again in a copy of the file."""
        self._begin()
        action()
        self._rows += rows
        self._bytes += nbytes
        if self._open_file().is_copy:
            if self._rows >= COPY_TRANSACTION_ROWS or self._bytes >= LONG_SEGMENT_BYTES:
                self._end("COMMIT")
                self._rows = self._bytes = 0
            return
        self._journal.append(action)
        if self._rows >= LONG_SEGMENT_ROWS or self._bytes >= LONG_SEGMENT_BYTES:
            self._move_to_copy()

    def _move_to_copy(self) -> None:
        self._end("ROLLBACK")
        self._stored.forget()
        self._known.forget_all()
        try:
            self._open_file().move_to_copy()
        except duckdb.Error as error:
            raise self._translated(error) from error
        journal, self._journal = self._journal, []
        for action in journal:
            self._begin()
            action()
            self._end("COMMIT")
        self._rows = self._bytes = 0

    def _replace(self, file: DatabaseFile) -> None:
        try:
            file.replace_with_copy()
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _read_state(self) -> tuple[int, Commit | None]:
        return state_of(self._fetch(STATE, self._connection))

    # --- tables

    def describe_table(self, schema: str, name: str) -> Table | None:
        self._begin()
        found = self._stored.columns(schema, name)
        own = self._fetch(
            "SELECT key, mode, columns FROM _headwater.tables WHERE schema = ? AND name = ?", schema, name
        )
        if not found:
            if own:
                warn_of_dropped(schema, name)
                self._execute("DELETE FROM _headwater.tables WHERE schema = ? AND name = ?", schema, name)
            return None
        if not own:
            return self._adopt(schema, name, found)
        key, mode, columns = own[0]
        recorded = columns_from(columns)
        actual = {
            column: recorded[column] if column in recorded and sql_type(recorded[column]) == kind else column_type(kind)
            for column, kind in found
        }
        return Table(schema, name, tuple(json.loads(key)), actual, mode)

    def _adopt(self, schema: str, name: str, found: list[tuple[Any, ...]]) -> Table:
        """Take over a table that another program made, as Fivetran's tester does."""
        keys = self._constraints(schema, name)
        if not keys:
            raise DestinationError(
                f"{schema}.{name}: the table was not made by headwater and has no primary key",
                hint="Rename or drop it, or load into another file.",
            )
        columns = {column: column_type(kind) for column, kind in found}
        mode: Mode = "soft_delete" if DELETED in columns else "live"
        table = Table(schema, name, tuple(keys[0][0]), columns, mode)
        missing = {SYNCED: ColumnType(UTC_DATETIME)} if SYNCED not in columns else {}
        if missing:
            self.alter_table(table, add=missing, retype={})
            table.columns |= missing
        self._record(table)
        return table

    def _constraints(self, schema: str, name: str) -> list[tuple[Any, ...]]:
        """List the columns of the primary key that a table has; headwater makes none."""
        return self._fetch(
            "SELECT constraint_column_names FROM duckdb_constraints() WHERE database_name = 'warehouse' "
            "AND schema_name = ? AND table_name = ? AND constraint_type = 'PRIMARY KEY'",
            schema, name,
        )  # fmt: skip

    def create_table(self, table: Table) -> None:
        self._do(partial(self._create, _copy(table)))

    def _create(self, table: Table) -> None:
        require_no_nul(str(table), table.columns)  # Arrow gives DuckDB a batch's names only up to there
        alike = self._stored.alike(table.schema, table.name)
        if alike is not None:
            raise DestinationError(
                f"{table}: there is a table {alike!r} already, and DuckDB has no case",
                hint=remedies().names_collide,
            )
        self._known.created(table)
        columns = ", ".join(f"{quote(name)} {sql_type(kind)}" for name, kind in table.columns.items())
        self._execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(table.schema)}")
        self._execute(f"CREATE TABLE {table_name(table)} ({columns})")
        self._stored.created(table.schema, table.name)
        self._record(table)

    def drop_table(self, table: Table) -> None:
        self._do(partial(self._drop, _copy(table)))

    def _drop(self, table: Table) -> None:
        self._execute(f"DROP TABLE {table_name(table)}")
        self._forget(table)

    def alter_table(self, table: Table, *, add: Mapping[str, ColumnType], retype: Mapping[str, ColumnType]) -> None:
        self._do(partial(self._alter, _copy(table), dict(add), dict(retype)))

    def _alter(self, table: Table, add: Mapping[str, ColumnType], retype: Mapping[str, ColumnType]) -> None:
        require_no_nul(str(table), add)
        self._stored.altered(table.schema, table.name)
        for name, kind in add.items():
            self._execute(f"ALTER TABLE {table_name(table)} ADD COLUMN {quote(name)} {sql_type(kind)}")
        if retype.keys() & set(table.primary_key):
            self._known.forget(table)
        for name, kind in retype.items():
            if sql_type(kind) == sql_type(table.columns[name]):
                continue
            converted = DUCKDB.converted(quote(name), table.columns[name], kind)
            self._retype(table_name(table), quote(name), converted, sql_type(kind))
        self._record(Table(table.schema, table.name, table.key, {**table.columns, **retype, **add}, table.mode))

    def _retype(self, table: str, column: str, converted: str, kind: str) -> None:
        """Widen a column: at once by a cast, else through a new column.

        DuckDB 2.0.0 replays `ALTER … USING` from the write-ahead log before its functions are loaded: after a crash
        the file could not be opened. An update is replayed by its values.
        """
        if converted == f"CAST({column} AS {kind})":
            self._execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING {converted}")
            return
        new = quote("_headwater_widened")
        self._execute(f"ALTER TABLE {table} ADD COLUMN {new} {kind}")
        self._execute(f"UPDATE {table} SET {new} = {converted}")
        self._execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        self._execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {column}")

    def migrate(self, table: Table, migration: Migration) -> None:
        self._begin()
        self._require_possible(table, migration)
        self._do(partial(self._migrate, _copy(table), migration))

    def _require_possible(self, table: Table, migration: Migration) -> None:
        after = migration.after(table)
        require_distinct(after)
        require_no_nul(str(table), after.columns.keys() - table.columns.keys())
        if after.name != table.name:
            alike = self._stored.alike(after.schema, after.name)
            # A table may change the case of its own name.
            if alike is not None and not (isinstance(migration, RenameTable) and alike == table.name):
                raise name_taken(table, alike)
        if isinstance(migration, AddColumnInHistory | DropColumnInHistory):
            [(newest,)] = self._fetch(newest_start(DUCKDB, table))
            require_past(table, migration, newest)
        if isinstance(migration, ChangeMode) and self._constraints(table.schema, table.name):
            raise Refused(
                f"{table}: another program made this table with a primary key, which DuckDB cannot change",
                hint="Copy the table first: the copy has none.",
            )

    def _migrate(self, table: Table, migration: Migration) -> None:
        after = migration.after(table)
        if isinstance(migration, CopyTable):
            self._create(after)
        for sql, parameters in statements(DUCKDB, table, migration):
            self._execute(sql, *parameters)
        if isinstance(migration, RenameTable):
            self._forget(table)
            self._stored.created(after.schema, after.name)
        self._stored.altered(after.schema, after.name)
        self._known.forget(after)
        self._record(after)

    def holds(self, table: Table, column: str, kind: ColumnType) -> bool:
        self._begin()
        if kind.name != DOUBLE or table.columns[column].name not in INTEGERS:
            return True
        lossy = f"{quote(column)} NOT BETWEEN {-LARGEST_EXACT_INTEGER} AND {LARGEST_EXACT_INTEGER}"
        return self._fetch(f"SELECT count(*) FROM {table_name(table)} WHERE {lossy}") == [(0,)]

    def _forget(self, table: Table) -> None:
        self._known.forget(table)
        self._stored.dropped(table.schema, table.name)
        self._execute("DELETE FROM _headwater.tables WHERE schema = ? AND name = ?", table.schema, table.name)

    def _record(self, table: Table) -> None:
        self._execute("DELETE FROM _headwater.tables WHERE schema = ? AND name = ?", table.schema, table.name)
        self._execute(
            "INSERT INTO _headwater.tables VALUES (?, ?, ?, ?, ?)",
            table.schema, table.name, json.dumps(table.key), table.mode, columns_text(table),
        )  # fmt: skip

    # --- rows

    def write(self, table: Table, batch: Batch) -> None:
        rows = sum(part.num_rows for part in batch.parts)
        # Slices share their buffers, and count them all; to find out more, a thread lets go of Python's lock.
        nbytes = sum(part.get_total_buffer_size() for part in batch.parts)
        if nbytes >= LONG_SEGMENT_BYTES // 8:
            nbytes = sum(part.nbytes for part in batch.parts)
        self._do(partial(self._write, _copy(table), batch), rows, nbytes)

    def _write(self, table: Table, batch: Batch) -> None:
        name = table_name(table)
        self._open_file().expect_rows(max((part.num_rows for part in batch.parts), default=0))
        if batch.rows is not None:
            if not self._known.all_new(table, batch.rows, batch.ends, partial(self._highest_key, table)):
                self._delete(table, batch.rows)
            columns = DUCKDB.names(batch.rows.column_names)
            insert = f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {BATCH}"
            self._insert(batch.rows, insert)
        for part in batch.changes:
            changed = [column for column in part.column_names if column not in table.primary_key]
            same = DUCKDB.same_key(table.primary_key)
            self._execute_with(
                part, f"UPDATE {name} AS old SET {DUCKDB.assignments(changed)} FROM {BATCH} AS batch WHERE {same}"
            )
        if batch.deletes is not None:
            self._delete(table, batch.deletes)

    def _delete(self, table: Table, rows: pa.Table) -> None:
        """Remove the rows that have a key of `rows`."""
        key = table.primary_key
        if len(key) == 1:  # half the time of a join, for a small batch
            which = f"{quote(key[0])} IN (SELECT {quote(key[0])} FROM {BATCH})"
            self._execute_with(rows, f"DELETE FROM {table_name(table)} WHERE {which}")
        else:
            self._execute_with(
                rows, f"DELETE FROM {table_name(table)} AS old USING {BATCH} AS batch WHERE {DUCKDB.same_key(key)}"
            )

    def _highest_key(self, table: Table) -> object:
        column = quote(table.primary_key[0])
        highest = self._select(f"SELECT max({column}) AS highest FROM {table_name(table)}")["highest"][0].as_py()
        return highest.encode() if isinstance(highest, str) else highest

    def truncate(self, table: Table, *, at: datetime, before: datetime | None = None) -> None:
        self._do(partial(self._truncate, _copy(table), at, before))

    def _truncate(self, table: Table, at: datetime, before: datetime | None) -> None:
        earlier, when = (f"AND {SYNCED} < ?", (before,)) if before else ("", ())
        if table.mode == "live":
            self._execute(f"DELETE FROM {table_name(table)} WHERE TRUE {earlier}", *when)
        elif table.mode == "history":
            ended = f"{ACTIVE} = FALSE, {END} = greatest(?, {START})"
            self._execute(f"UPDATE {table_name(table)} SET {ended} WHERE {ACTIVE} {earlier}", at, *when)
        else:
            self._execute(f"UPDATE {table_name(table)} SET {DELETED} = TRUE WHERE NOT {DELETED} {earlier}", *when)

    def newest_versions(self, table: Table, keys: pa.Table) -> pa.Table:
        self._begin()
        columns, key = (", ".join(f"old.{quote(name)}" for name in names) for names in (table.columns, table.key))
        return self._select(
            f"SELECT {columns} FROM {table_name(table)} AS old JOIN {BATCH} AS batch ON {DUCKDB.same_key(table.key)} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY old.{START} DESC) = 1",
            keys,
        )

    # --- DuckDB

    def _begin(self) -> None:
        if not self._in_transaction:
            self._end_or_begin("BEGIN")
            self._in_transaction = True

    def _end(self, word: Literal["COMMIT", "ROLLBACK"]) -> None:
        if self._in_transaction:
            self._end_or_begin(word)
            self._in_transaction = False

    def _end_or_begin(self, word: str) -> None:
        try:
            file = self._open_file()
            file.connection.execute(file.statement(word))
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _execute(self, sql: str, *parameters: object) -> None:
        self._fetch(sql, *parameters)

    def _fetch(self, sql: str, *parameters: object, optimize: bool = True) -> list[tuple[Any, ...]]:
        """Run SQL and give its rows.

        optimize  look for a better plan: an insert, or one row by its key, has none, and spares a third of its time
        """
        try:
            file = self._open_file()
            file.optimize(optimize)
            return file.connection.execute(file.statement(sql), list(parameters) or None).fetchall()
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _insert(self, rows: pa.Table, sql: str) -> None:
        """Run an insert that reads `rows` as the table `BATCH`."""
        try:
            file = self._open_file()
            file.optimize(False)
            file.inserts.run(sql, rows)
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _execute_with(self, rows: pa.Table, sql: str) -> None:
        """Run other SQL that reads `rows` as the table `BATCH`."""
        headwater_batch = rows  # noqa: F841 - DuckDB finds the table by this variable's name
        try:
            file = self._open_file()
            file.optimize(True)
            file.connection.execute(file.statement(sql))
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _select(self, sql: str, rows: pa.Table | None = None) -> pa.Table:
        """Run a query, which may read `rows` as the table `BATCH`."""
        headwater_batch = rows  # noqa: F841 - DuckDB finds the table by this variable's name
        try:
            file = self._open_file()
            file.optimize(True)
            return file.connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _open_file(self) -> DatabaseFile:
        if self._file is None:
            raise DestinationError(f"{self._path} is not open")
        return self._file

    def _translated(self, error: duckdb.Error) -> Exception:
        if isinstance(error, duckdb.TransactionException) and "onflict" in str(error):
            return TransientError(f"{self._path}: {error}")
        if is_spill_full(error):
            return DestinationError(
                f"{spill_folder(self._path)}: the disk is full, and the rows of this segment need more than memory_mb",
                hint=f"{remedies().spill_folder_full}; nothing that was committed is lost.",
            )
        return DestinationError(f"{self._path}: {error}", hint=hint(error))


def _copy(table: Table) -> Table:
    """Copy a table: what is done again later must see it as it was."""
    return replace(table, columns=dict(table.columns))
