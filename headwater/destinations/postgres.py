"""Postgres: a database on a server, one transaction per checkpoint over tables, rows and state.

A lease keeps other syncs of the connection out. The epoch guards the commit even where the lease cannot, and is how
a sync that lost its session while committing learns whether the commit took place.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa

from headwater.batch import Batch
from headwater.destinations.abc import Settings
from headwater.destinations.dialect import columns_from, columns_text, require_no_nul, warn_of_dropped
from headwater.destinations.migrations import (
    AddColumnInHistory,
    ChangeMode,
    CopyTable,
    DropColumnInHistory,
    FillColumn,
    Migration,
    RenameTable,
    name_taken,
    require_past,
)
from headwater.destinations.postgres_copy import copy_binary, storable
from headwater.destinations.postgres_lease import LEASE_SECONDS, Lease, lock_key
from headwater.destinations.postgres_session import Address, ConnectionLost, Session
from headwater.destinations.postgres_sql import BATCH, POSTGRES, column_type, quote, sql_type, stored_name, table_name
from headwater.destinations.sql_migrations import newest_start, statements
from headwater.errors import Busy, DestinationError, Fenced, TransientError
from headwater.formats import FIRST, OWN_TABLES, require_known
from headwater.log import Logging
from headwater.schema import ACTIVE, DELETED, END, START, SYNCED, Mode, Table
from headwater.state import Commit
from headwater.types.columns import arrow_type
from headwater.types.names import (
    DOUBLE,
    FLOAT,
    INTEGERS,
    JSON,
    LARGEST_EXACT_INTEGER,
    UTC_DATETIME,
    ColumnType,
)

# How long to look for a server that went away: a restart takes seconds.
RECONNECT_SECONDS = 30

_OWN_TABLES = """
CREATE TABLE _headwater.state (
    connection text PRIMARY KEY, epoch bigint NOT NULL,
    pid integer NOT NULL, host text NOT NULL, opened_at timestamp with time zone NOT NULL,
    committed_epoch bigint, sequence bigint, state text NOT NULL DEFAULT '{}', previous text NOT NULL DEFAULT '{}',
    committed_at timestamp with time zone,
    run text, server_process integer, lease_until timestamp with time zone
);
CREATE TABLE _headwater.tables (
    schema text NOT NULL, name text NOT NULL, stored_schema text NOT NULL, stored_name text NOT NULL,
    key text NOT NULL, mode text NOT NULL, columns text NOT NULL, PRIMARY KEY (schema, name)
);
"""

# Whoever may look into the schema may read it: a role that was given the tables was not given this one.
_FORMAT = """
CREATE TABLE _headwater.format AS SELECT {version} AS version;
GRANT SELECT ON _headwater.format TO PUBLIC;
"""
_HAS_FORMAT = """
SELECT to_regclass('_headwater.format') IS NOT NULL, has_schema_privilege('_headwater', 'CREATE')
"""

_HELD_BY_THIS_SESSION = """
UPDATE _headwater.state SET server_process = pg_backend_pid() WHERE connection = $1 AND epoch = $2
"""

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"

# What a state has that was made before there were leases.
_ADD_LEASE = """
ALTER TABLE _headwater.state
ADD COLUMN run text, ADD COLUMN server_process integer, ADD COLUMN lease_until timestamp with time zone
"""
_HAS_LEASE = """
SELECT count(attname) = 1 FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'lease_until'
WHERE pg_class.oid = to_regclass('_headwater.state') GROUP BY pg_class.oid
"""

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0
AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum
"""
_PRIMARY_KEY = """
SELECT a.attname FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
WHERE i.indisprimary AND n.nspname = $1 AND c.relname = $2 ORDER BY array_position(i.indkey, a.attnum)
"""

_PRIMARY_KEY_NAME = """
SELECT quote_ident(conname) FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'p' AND n.nspname = $1 AND c.relname = $2
"""
# Tables share their names with views, indexes and sequences.
_TAKEN = """
SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
"""

# The types in which values the engine tells apart may be equal: -0.0 and 0.0, two spellings of one JSON.
_EQUAL_THOUGH_DIFFERENT = (FLOAT, DOUBLE, JSON)


def from_url(url: str, settings: Settings) -> Postgres:
    """Make a destination for `postgresql://…` or `postgres://…`."""
    return Postgres(url, connection=settings.connection, run=settings.run)


class Postgres:
    """One connection's tables in one Postgres database.

    url            see `Address`
    connection     whose state this is; several connections may share a database
    run            names the run, see `Settings`; left out, a run of its own
    lease_seconds  after how long without a sign of life another run may take over
    sleep          waits between attempts to reach the server again; a parameter so that a test need not wait
    """

    folds_case = False
    keeps_nul = False

    def __init__(
        self,
        url: str,
        *,
        connection: str,
        run: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = Address(url)
        self._connection = connection
        self._lease = Lease(self.address, connection, run or uuid4().hex, seconds=lease_seconds, sleep=sleep)
        self._sleep = sleep
        self._session: Session | None = None
        self._in_transaction = False
        self._epoch = 0
        self._sequence = 0
        self._last: tuple[int | None, int | None] = (None, None)
        self._warned: set[tuple[str, str, str]] = set()

    # --- open, commit, close

    def open(self) -> tuple[int, Commit | None]:
        try:
            self._session = Session(self.address)
            self._make_own_tables()
            if not self._lease.take(self._session):
                raise self._busy()
            epoch, committed = self._take_over()
            self._lease.keep(epoch)
            return epoch, committed
        except BaseException:
            self.close()
            raise

    def _take_over(self) -> tuple[int, Commit | None]:
        self._begin("the state")
        [(self._epoch, *committed)] = self._open_session().fetch(
            "INSERT INTO _headwater.state AS old "
            "(connection, epoch, pid, host, opened_at, run, server_process, lease_until) VALUES "
            "($1, 1, $2, $3, clock_timestamp(), $4, pg_backend_pid(), clock_timestamp() + make_interval(secs => $5)) "
            "ON CONFLICT (connection) DO UPDATE SET "
            "epoch = old.epoch + 1, pid = EXCLUDED.pid, host = EXCLUDED.host, opened_at = EXCLUDED.opened_at, "
            "run = EXCLUDED.run, server_process = EXCLUDED.server_process, lease_until = EXCLUDED.lease_until "
            "RETURNING epoch, committed_epoch, sequence, state, previous, committed_at",
            self._connection, os.getpid(), socket.gethostname(), self._lease.run, self._lease.seconds,
        )  # fmt: skip
        self._end()
        self._sequence = 0
        self._last = committed[0], committed[1]
        return self._epoch, Commit(*committed) if committed[0] is not None else None

    def commit(self, state: str) -> Commit:
        self._begin("the state")
        commit = None
        try:
            commit = self._write_state(state)
            self._end()
        except ConnectionLost as lost:
            self._reopen(lost)
            if commit is None or not self._took_place(commit):
                self._require_unchanged(*self._newest())
                raise
        self._sequence = commit.sequence
        self._last = commit.epoch, commit.sequence
        return commit

    def _write_state(self, state: str) -> Commit:
        updated = self._open_session().fetch(
            "UPDATE _headwater.state SET committed_epoch = epoch, sequence = $3, previous = state, state = $4, "
            "committed_at = greatest(clock_timestamp(), committed_at) "
            "WHERE connection = $1 AND epoch = $2 RETURNING previous, committed_at",
            self._connection, self._epoch, self._sequence + 1, state,
        )  # fmt: skip
        if not updated:
            raise self._fenced()
        [(previous, committed_at)] = updated
        return Commit(self._epoch, self._sequence + 1, state, previous, committed_at)

    def close(self) -> None:
        self._lease.end()
        self._disconnect()

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        self._in_transaction = False
        if session is not None:
            session.close()

    def _make_own_tables(self) -> None:
        """Make headwater's own tables, where they are missing; another sync may be about to do the same.

        Errors: DestinationError when a newer headwater has made them.
        """
        self._begin("_headwater")
        session = self._open_session()
        session.execute("SELECT pg_advisory_xact_lock($1)", lock_key("make _headwater"))
        self._make_schema("_headwater")
        [(has_format, may_create)] = session.fetch(_HAS_FORMAT)
        if has_format:
            [(version,)] = session.fetch("SELECT version FROM _headwater.format")
            require_known(str(self.address), version, OWN_TABLES)
        found = session.fetch(_HAS_LEASE)
        if found != [(True,)]:
            session.execute(_ADD_LEASE if found else _OWN_TABLES)
        if not has_format and may_create:
            session.execute(_FORMAT.format(version=FIRST if found else OWN_TABLES))
        self._end()

    def _make_schema(self, schema: str) -> None:
        """Make a schema; IF NOT EXISTS would ask for the right to make one even when it exists."""
        session = self._open_session()
        if not session.fetch("SELECT 1 FROM pg_namespace WHERE nspname = $1", stored_name(schema)):
            session.execute(f"CREATE SCHEMA {quote(schema)}")

    def _busy(self) -> Busy:
        holder = self._open_session().fetch(
            "SELECT pid, host, opened_at FROM _headwater.state WHERE connection = $1", self._connection
        )
        who = "it has just started"
        if holder:
            [(pid, host, opened_at)] = holder
            who = f"pid {pid} on {host}, started {opened_at.isoformat(timespec='seconds')}"
        return Busy(
            f"another sync of the connection {self._connection} is running ({who})",
            hint="Wait for it, or end it, and run this again. If it is frozen, a sync may take over once it has given "
            f"no sign of life for {self._lease.seconds:.0f} s.",
        )

    def _fenced(self) -> Fenced:
        return Fenced(f"a newer sync has taken over the connection {self._connection}; this one changed nothing")

    # --- a connection that was lost

    def _reopen(self, lost: ConnectionLost) -> None:
        """Connect again, and make sure that the session before is over.

        Once this session has the lock, the one before has ended: what became of its commit is settled.

        Errors: TransientError when the server stays away; the next sync finds out by itself.
        """
        before = self._open_session().server_process
        self._disconnect()
        for attempt in range(RECONNECT_SECONDS):
            try:
                self._session = Session(self.address)
                if self._lease.take(self._session, before=before):
                    self._session.execute(_HELD_BY_THIS_SESSION, self._connection, self._epoch)
                    return
                if self._newest()[0] != self._epoch:
                    return
            except TransientError:
                self._disconnect()
            if attempt < RECONNECT_SECONDS - 1:
                self._sleep(1)
        raise TransientError(
            f"{self.address}: the connection was lost, and could not be made again",
            hint="Run the sync again: it goes on from what the destination then says was committed.",
        ) from lost

    def _newest(self) -> tuple[int | None, tuple[int | None, int | None]]:
        """Read the epoch that holds, and epoch and sequence of the newest commit."""
        [(epoch, *newest)] = self._open_session().fetch(
            "SELECT epoch, committed_epoch, sequence FROM _headwater.state WHERE connection = $1", self._connection
        ) or [(None, None, None)]
        return epoch, (newest[0], newest[1])

    def _took_place(self, commit: Commit) -> bool:
        """Say whether a commit took place whose answer was lost; after it, the sync may go on."""
        return self._newest() == (self._epoch, (commit.epoch, commit.sequence))

    def _require_unchanged(self, epoch: int | None, newest: tuple[int | None, int | None]) -> None:
        """Refuse to go on where others have been.

        Errors: Fenced when a newer sync has begun; DestinationError when the server that answers now has lost
        commits, as a standby that lagged behind.
        """
        if epoch is not None and epoch > self._epoch:
            raise self._fenced()
        if (epoch, newest) != (self._epoch, self._last):
            raise DestinationError(
                f"{self.address}: the server that answers now is older than this sync left it",
                hint="Has a standby taken over that had not received everything? The next sync finds out.",
            )

    # --- tables

    def describe_table(self, schema: str, name: str) -> Table | None:
        # A column may hold it: that is kept by its stored name alone.
        require_no_nul(f"{schema}.{name}", (schema, name))
        self._begin(f"{schema}.{name}")
        session = self._open_session()
        found = session.fetch(_COLUMNS, stored_name(schema), stored_name(name))
        if not found:
            if self._forget(schema, name):
                warn_of_dropped(schema, name)
            return None
        own = session.fetch(
            "SELECT key, mode, columns FROM _headwater.tables WHERE schema = $1 AND name = $2", schema, name
        )
        if not own:
            return self._adopt(schema, name, {column: column_type(sql) for column, sql in found})
        key, mode, recorded = own[0]
        kinds = columns_from(recorded)
        full_names = {stored_name(column): column for column in kinds}
        columns = {}
        for stored, sql in found:
            column = full_names.get(stored, stored)
            same = column in kinds and sql_type(kinds[column]) == sql
            columns[column] = kinds[column] if same else column_type(sql)
        return Table(schema, name, tuple(json.loads(key)), columns, mode)

    def _adopt(self, schema: str, name: str, columns: dict[str, ColumnType]) -> Table:
        """Take over a table that another program made."""
        key = self._open_session().fetch(_PRIMARY_KEY, stored_name(schema), stored_name(name))
        if not key:
            raise DestinationError(
                f"{schema}.{name}: the table was not made by headwater and has no primary key",
                hint="Rename or drop it, or load into another schema.",
            )
        mode: Mode = "soft_delete" if DELETED in columns else "live"
        table = Table(schema, name, tuple(column for (column,) in key), columns, mode)
        missing = {SYNCED: ColumnType(UTC_DATETIME)} if SYNCED not in columns else {}
        self.alter_table(table, add=missing, retype={})
        table.columns |= missing
        return table

    def create_table(self, table: Table) -> None:
        self._begin(str(table))
        self._make_schema(table.schema)
        columns = [_column(name, kind) for name, kind in table.columns.items()]
        if set(table.primary_key) <= table.columns.keys():
            columns.append(f"PRIMARY KEY ({POSTGRES.names(table.primary_key)})")
        self._open_session().execute(f"CREATE TABLE {table_name(table)} ({', '.join(columns)})")
        self._record(table)

    def drop_table(self, table: Table) -> None:
        self._begin(str(table))
        self._open_session().execute(f"DROP TABLE {table_name(table)}")
        self._forget(table.schema, table.name)

    def alter_table(self, table: Table, *, add: Mapping[str, ColumnType], retype: Mapping[str, ColumnType]) -> None:
        """As the contract says, all in one statement: Postgres then writes the table anew only once."""
        self._begin(str(table))
        grown = Table(table.schema, table.name, table.key, {**table.columns, **retype, **add}, table.mode)
        actions = [f"ADD COLUMN {_column(name, kind)}" for name, kind in add.items()]
        for name, kind in retype.items():
            if sql_type(kind) == sql_type(table.columns[name]):
                continue
            using = POSTGRES.converted(quote(name), table.columns[name], kind)
            actions.append(f"ALTER COLUMN {quote(name)} TYPE {sql_type(kind)} USING {using}")
        if not set(table.primary_key) <= table.columns.keys() and set(table.primary_key) <= grown.columns.keys():
            actions.append(f"ADD PRIMARY KEY ({POSTGRES.names(table.primary_key)})")
        if actions:
            self._open_session().execute(f"ALTER TABLE {table_name(table)} {', '.join(actions)}")
        self._record(grown)

    def migrate(self, table: Table, migration: Migration) -> None:
        self._begin(str(table))
        session = self._open_session()
        after = migration.after(table)
        if after.name != table.name and session.fetch(_TAKEN, stored_name(after.schema), stored_name(after.name)):
            raise name_taken(table, after.name)
        if isinstance(migration, AddColumnInHistory | DropColumnInHistory):
            [(newest,)] = session.fetch(newest_start(POSTGRES, table))
            require_past(table, migration, newest)
        if isinstance(migration, AddColumnInHistory | FillColumn):
            migration = self._storable_value(after, migration)
        if isinstance(migration, CopyTable):
            self.create_table(after)
        elif isinstance(migration, ChangeMode):
            self._drop_primary_key(table)
        for sql, parameters in statements(POSTGRES, table, migration):
            session.execute(sql, *parameters)
        if isinstance(migration, ChangeMode) and set(after.primary_key) <= after.columns.keys():
            session.execute(f"ALTER TABLE {table_name(after)} ADD PRIMARY KEY ({POSTGRES.names(after.primary_key)})")
        if isinstance(migration, RenameTable):
            self._forget(table.schema, table.name)
        self._record(after)

    def _drop_primary_key(self, table: Table) -> None:
        session = self._open_session()
        for (name,) in session.fetch(_PRIMARY_KEY_NAME, stored_name(table.schema), stored_name(table.name)):
            session.execute(f"ALTER TABLE {table_name(table)} DROP CONSTRAINT {name}")

    def _storable_value(self, table: Table, migration: AddColumnInHistory | FillColumn) -> Migration:
        """Take out of a value what Postgres cannot hold, as out of a batch."""
        column = migration.column
        value = pa.array([migration.value], arrow_type(table.columns[column]))
        part, _ = self._storable(table, pa.table({column: value}))
        return replace(migration, value=part[column][0].as_py())

    def holds(self, table: Table, column: str, kind: ColumnType) -> bool:
        self._begin(str(table))
        if kind.name != DOUBLE or table.columns[column].name not in INTEGERS:
            return True
        lossy = f"{quote(column)} NOT BETWEEN {-LARGEST_EXACT_INTEGER} AND {LARGEST_EXACT_INTEGER}"
        return not self._open_session().fetch(f"SELECT 1 FROM {table_name(table)} WHERE {lossy} LIMIT 1")

    def _record(self, table: Table) -> None:
        self._open_session().execute(
            "INSERT INTO _headwater.tables VALUES ($1, $2, $3, $4, $5, $6, $7) "
            "ON CONFLICT (schema, name) DO UPDATE SET key = EXCLUDED.key, mode = EXCLUDED.mode, "
            "columns = EXCLUDED.columns",
            table.schema, table.name, stored_name(table.schema), stored_name(table.name),
            json.dumps(table.key), table.mode, columns_text(table),
        )  # fmt: skip

    def _forget(self, schema: str, name: str) -> bool:
        """Remove the record of a table; say whether there was one."""
        sql = "DELETE FROM _headwater.tables WHERE schema = $1 AND name = $2 RETURNING 1"
        return bool(self._open_session().fetch(sql, schema, name))

    # --- rows

    def write(self, table: Table, batch: Batch) -> None:
        self._begin(str(table))
        session = self._open_session()
        name, same = table_name(table), POSTGRES.same_key(table.primary_key)
        # Deletes come first: should two keys be one to Postgres, as two spellings of one JSON are, a row stays.
        if batch.deletes is not None and batch.deletes.num_rows:
            with self._staged(table, batch.deletes):
                session.execute(f"DELETE FROM {name} AS old USING {BATCH} AS batch WHERE {same}")
        if batch.rows is not None and batch.rows.num_rows:
            with self._staged(table, batch.rows):
                session.execute(_upsert(table, batch.rows.column_names))
        for part in batch.changes:
            changed = [column for column in part.column_names if column not in table.primary_key]
            if part.num_rows and changed:
                values = POSTGRES.assignments(changed)
                with self._staged(table, part):
                    session.execute(f"UPDATE {name} AS old SET {values} FROM {BATCH} AS batch WHERE {same}")

    def truncate(self, table: Table, *, at: datetime, before: datetime | None = None) -> None:
        self._begin(str(table))
        earlier, when = (f"{SYNCED} < $1", [before]) if before else ("TRUE", [])
        name = table_name(table)
        if table.mode == "live":
            # TRUNCATE would empty the table for readers whose transaction is older than the commit.
            sql = f"DELETE FROM {name} WHERE {earlier}"
        elif table.mode == "history":
            when.append(at)
            ended = f"{ACTIVE} = FALSE, {END} = greatest(${len(when)}, {START})"
            sql = f"UPDATE {name} SET {ended} WHERE {ACTIVE} AND {earlier}"
        else:
            sql = f"UPDATE {name} SET {DELETED} = TRUE WHERE {DELETED} IS NOT TRUE AND {earlier}"
        self._open_session().execute(sql, *when)

    def newest_versions(self, table: Table, keys: pa.Table) -> pa.Table:
        self._begin(str(table))
        columns = ", ".join(
            f"newest.{quote(name)}" + ("::text" if kind.name == JSON else "") for name, kind in table.columns.items()
        )
        # For each key one step into the index of the primary key, whose last column is the start.
        same = POSTGRES.same_key(table.key)
        newest = f"SELECT * FROM {table_name(table)} AS old WHERE {same} ORDER BY {START} DESC LIMIT 1"
        found: list[tuple[Any, ...]] = []
        if keys.num_rows:
            with self._staged(table, keys):
                found = self._open_session().fetch(
                    f"SELECT {columns} FROM {BATCH} AS batch CROSS JOIN LATERAL ({newest}) AS newest"
                )
        values = zip(*found, strict=True) if found else ((),) * len(table.columns)
        return pa.table(
            {
                name: pa.array(column, arrow_type(kind))
                for (name, kind), column in zip(table.columns.items(), values, strict=True)
            }
        )

    @contextmanager
    def _staged(self, table: Table, part: pa.Table) -> Iterator[None]:
        """Bring a part of a batch into a table of the session, `BATCH`, in which each key is once."""
        session = self._open_session()
        kinds = {name: table.columns[name] for name in part.column_names}
        part, changed = self._storable(table, part)
        columns = ", ".join(_column(name, kind) for name, kind in kinds.items())
        session.execute(f"CREATE TEMPORARY TABLE {BATCH} ({columns}) ON COMMIT DROP")
        copy = f"COPY {BATCH} ({POSTGRES.names(kinds)}) FROM STDIN (FORMAT binary)"
        session.copy(copy, copy_binary(part, [*kinds.values()]))
        key = [name for name in table.primary_key if name in kinds]
        if any(name in changed or kinds[name].name in _EQUAL_THOUGH_DIFFERENT for name in key):
            twice = f"{POSTGRES.same_key(key)} AND old.ctid < batch.ctid"
            session.execute(f"DELETE FROM {BATCH} AS old USING {BATCH} AS batch WHERE {twice}")
        yield
        session.execute(f"DROP TABLE {BATCH}")

    def _storable(self, table: Table, part: pa.Table) -> tuple[pa.Table, set[str]]:
        """Take out of a part what Postgres cannot hold, and warn once per column; also name those columns."""
        changed = set()
        for position, name in enumerate(part.column_names):
            column, remark = storable(part[name], table.columns[name])
            if remark is None:
                continue
            changed.add(name)
            part = part.set_column(position, name, column)
            if (table.schema, table.name, name) not in self._warned:
                self._warned.add((table.schema, table.name, name))
                Logging.warning(f"{table.name}.{name}: {remark}")
        return part, changed

    # --- the transaction

    def _begin(self, subject: str) -> None:
        """Begin a transaction unless one is open, on a new connection if need be; errors then are about `subject`."""
        if not self._in_transaction:
            try:
                self._open_session().execute(_BEGIN)
            except ConnectionLost as lost:
                if not self._epoch:
                    raise
                # Nothing was under way: go on, unless another sync or an older server has come between.
                self._reopen(lost)
                self._require_unchanged(*self._newest())
                self._open_session().execute(_BEGIN)
            self._in_transaction = True
        self._open_session().subject = subject

    def _end(self) -> None:
        self._open_session().commit()
        self._in_transaction = False

    def _open_session(self) -> Session:
        if self._session is None:
            raise DestinationError(f"{self.address} is not open")
        return self._session


def _column(name: str, kind: ColumnType) -> str:
    return f"{quote(name)} {sql_type(kind)}"


def _upsert(table: Table, given: list[str]) -> str:
    """Write the SQL that puts the rows of `BATCH` into the table; columns that are not given become NULL."""
    values = ", ".join(f"batch.{quote(name)}" if name in given else "NULL" for name in table.columns)
    others = (quote(name) for name in table.columns if name not in table.primary_key)
    replaced = ", ".join(f"{name} = EXCLUDED.{name}" for name in others)
    return (
        f"INSERT INTO {table_name(table)} ({POSTGRES.names(table.columns)}) SELECT {values} FROM {BATCH} AS batch "
        f"ON CONFLICT ({POSTGRES.names(table.primary_key)}) DO UPDATE SET {replaced}"
    )
