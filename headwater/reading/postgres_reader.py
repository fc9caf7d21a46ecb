"""Reads a Postgres database in transactions that cannot write."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from headwater.destinations.postgres_session import Address, translated
from headwater.errors import ConfigurationError, DestinationError
from headwater.formats import OWN_TABLES, require_known
from headwater.reading.warehouse import Rows, Selection, TableName, limited, quote, where_sql
from headwater.state import Commit

_SETTINGS = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1; SET bytea_output = 'hex'"
# So many rows come at a time when all are wanted.
_FETCH_ROWS = 10_000
_CURSOR = "headwater_rows"


class PostgresReader:
    """A Postgres database, open for reading only: each query is the only statement of a read-only transaction."""

    def __init__(self, address: Address, db: psycopg.Connection[Any], schema: str) -> None:
        self._address = address
        self._db = db
        self._schema = schema

    def tables(self) -> list[TableName]:
        """List the tables that syncs of this connection have made: its schema, and those of its source schemas."""
        if not self._has_records():
            raise ConfigurationError(
                f"there is nothing to show: no sync has loaded into {self._address} yet",
                hint="Run `headwater debug` first.",
            )
        sql = (
            "SELECT stored_schema, stored_name FROM _headwater.tables "
            "WHERE schema = $1 OR starts_with(schema, $1 || '_') ORDER BY 1, 2"
        )
        return [TableName(schema, name) for schema, name in self._db.execute(sql, (self._schema,)).fetchall()]

    def loaded(self) -> list[tuple[str, str]]:
        if not self._has_records():
            return []
        return self._db.execute("SELECT schema, name FROM _headwater.tables ORDER BY 1, 2").fetchall()

    def connections(self) -> list[str]:
        if not self._has_records():
            return []
        return [name for (name,) in self._db.execute("SELECT connection FROM _headwater.state").fetchall()]

    def committed(self, connection: str) -> tuple[int, Commit | None]:
        if not self._has_records():
            return 0, None
        found = self._db.execute(
            "SELECT epoch, committed_epoch, sequence, state, previous, committed_at FROM _headwater.state "
            "WHERE connection = $1",
            (connection,),
        ).fetchall()
        for newest, *committed in found:
            return newest, Commit(*committed) if committed[0] is not None else None
        return 0, None

    def _has_records(self) -> bool:
        return self._db.execute("SELECT to_regclass('_headwater.tables') IS NOT NULL").fetchall() == [(True,)]

    def columns(self, table: TableName) -> list[tuple[str, str]]:
        return self._query(Selection().sql(table), 0).columns

    def count(self, table: TableName, where: str | None = None) -> int:
        [[text]] = self._query(f"SELECT count(*) FROM {table.quoted}{where_sql(where)}", None).rows  # noqa: S608 - quoted
        return int(text or 0)

    def rows(self, table: TableName, selection: Selection) -> Rows:
        return self._query(selection.sql(table), selection.limit, selection.offset)

    def query(self, sql: str, limit: int | None) -> Rows:
        return self._query(sql, limit)

    def _query(self, sql: str, limit: int | None, offset: int = 0) -> Rows:
        try:
            with self._db.transaction(force_rollback=True), self._db.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
                # Only a cursor: it takes a SELECT and nothing else. Asking for binary makes psycopg send one statement.
                cursor.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {sql.strip().rstrip(';')}\n", binary=True)
                if offset:
                    cursor.execute(f"MOVE FORWARD {offset} FROM {_CURSOR}")
                return self._fetched(cursor, limit)
        except psycopg.Error as error:
            raise self._refused(error) from error

    def _fetched(self, cursor: psycopg.Cursor[Any], limit: int | None) -> Rows:
        wanted = None if limit is None else limit + 1
        found: list[tuple[str | None, ...]] = []
        while True:
            step = _FETCH_ROWS if wanted is None else min(_FETCH_ROWS, wanted - len(found))
            cursor.execute(f"FETCH FORWARD {step} FROM {_CURSOR}")
            result = cursor.pgresult
            assert result is not None
            kinds = [column.type_code for column in cursor.description or ()]
            found += [
                tuple(_text(result.get_value(row, at), kind) for at, kind in enumerate(kinds))
                for row in range(result.ntuples)
            ]
            if result.ntuples < step or len(found) == wanted:
                break
        return limited(self._columns(cursor), found, limit)

    def _columns(self, cursor: psycopg.Cursor[Any]) -> list[tuple[str, str]]:
        result = cursor.pgresult
        assert result is not None
        described = [(name, result.ftype(at), result.fmod(at)) for at, name in enumerate(_names(cursor))]
        named = "SELECT pg_catalog.format_type($1, $2)"
        return [(name, cursor.execute(named, (oid, mod)).fetchone()[0]) for name, oid, mod in described]  # type: ignore[index]  # one row

    def _refused(self, error: psycopg.Error) -> Exception:
        if self._db.closed or (error.sqlstate or "")[:2] not in ("42", "22", "25", "0A", ""):
            return translated(str(self._address), error)
        return ConfigurationError(f"Postgres refuses this query: {str(error).strip()}")


def _names(cursor: psycopg.Cursor[Any]) -> list[str]:
    return [column.name for column in cursor.description or ()]


_BOOLEAN, _BYTEA = 16, 17


def _text(value: bytes | None, kind: int) -> str | None:
    """Give a value as text: booleans and bytes as everywhere in headwater, else as Postgres writes it."""
    if value is None:
        return None
    if kind == _BOOLEAN:
        return "true" if value == b"t" else "false"
    if kind == _BYTEA:
        return base64.b64encode(bytes.fromhex(value[2:].decode())).decode()
    return value.decode()


# A role that may not read it can still look at the tables of its own.
_HAS_FORMAT = """
SELECT 1 FROM pg_class AS kept JOIN pg_namespace AS schema ON schema.oid = kept.relnamespace
WHERE schema.nspname = '_headwater' AND kept.relname = 'format'
    AND has_schema_privilege(schema.oid, 'USAGE') AND has_table_privilege(kept.oid, 'SELECT')
"""


def _require_known(db: psycopg.Connection[Any], address: Address) -> None:
    if db.execute(_HAS_FORMAT).fetchall():
        [(version,)] = db.execute("SELECT version FROM _headwater.format").fetchall()
        require_known(str(address), version, OWN_TABLES)


@contextmanager
def open_postgres(url: str, schema: str) -> Iterator[PostgresReader]:
    """Connect to a Postgres database to look at it.

    schema  where a query's tables are looked for first

    Errors: ConfigurationError for a URL that cannot be read; DestinationError when the server cannot be reached, or a
    newer headwater keeps its own tables there in a way that this one would misread.
    """
    address = Address(url)
    try:
        db = address.connect()
    except psycopg.Error as error:
        raise DestinationError(f"{address} cannot be reached: {str(error).strip().splitlines()[0]}") from error
    with db:
        db.execute(f"{_SETTINGS}; SET search_path = {quote(schema)}, public")
        _require_known(db, address)
        yield PostgresReader(address, db, schema)
