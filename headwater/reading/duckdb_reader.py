"""Reads a DuckDB file without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import duckdb

from headwater.destinations.duckdb_file import STATE, name_for_duckdb, state_of
from headwater.errors import Busy, ConfigurationError, DestinationError
from headwater.formats import OWN_TABLES, require_known
from headwater.reading.warehouse import Rows, Selection, TableName, limited, where_sql
from headwater.state import Commit


class DuckDBReader:
    """A DuckDB file, open for reading only; a query cannot write, nor read other files."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def tables(self) -> list[TableName]:
        sql = (
            "SELECT schema_name, table_name, database_name FROM duckdb_tables() "
            "WHERE database_name = current_database() AND schema_name <> '_headwater' AND NOT internal ORDER BY ALL"
        )
        return [TableName(*row) for row in self._db.execute(sql).fetchall()]

    def loaded(self) -> list[tuple[str, str]]:
        if not self._has_records():
            return []
        return self._db.execute("SELECT schema, name FROM _headwater.tables ORDER BY ALL").fetchall()

    def connections(self) -> list[str]:
        if not self._has_records():
            return []
        return [name for (name,) in self._db.execute("SELECT connection FROM _headwater.state").fetchall()]

    def committed(self, connection: str) -> tuple[int, Commit | None]:
        return state_of(self._db.execute(STATE, [connection]).fetchall() if self._has_records() else [])

    def _has_records(self) -> bool:
        return bool(self._db.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = '_headwater'").fetchall())

    def columns(self, table: TableName) -> list[tuple[str, str]]:
        relation = self._relation(Selection().sql(table))
        return list(zip(relation.columns, map(str, relation.types), strict=True))

    def count(self, table: TableName, where: str | None = None) -> int:
        [[text]] = self.query(f"SELECT count(*) FROM {table.quoted}{where_sql(where)}", None).rows  # noqa: S608 - quoted
        return int(text or 0)

    def rows(self, table: TableName, selection: Selection) -> Rows:
        relation = self._relation(selection.sql(table))
        return self._fetched(relation, selection.limit, selection.offset)

    def query(self, sql: str, limit: int | None) -> Rows:
        return self._fetched(self._relation(sql), limit)

    def _relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        try:
            statements = self._db.extract_statements(sql)
            if [each.expected_result_type for each in statements] != [[duckdb.ExpectedResultType.QUERY_RESULT]]:
                raise ConfigurationError("this takes one query, such as a SELECT; nothing was run")
            return self._db.sql(statements[0].query)
        except duckdb.Error as error:
            raise _refused(error) from error

    def _fetched(self, relation: duckdb.DuckDBPyRelation, limit: int | None, offset: int = 0) -> Rows:
        columns = list(zip(_distinct(relation.columns), map(str, relation.types), strict=True))
        texts = ", ".join(f"{_text(number, kind)} AS c{number}" for number, (_, kind) in enumerate(columns, 1))
        if limit is not None or offset:
            relation = relation.limit(2**62 if limit is None else limit + 1, offset)
        try:
            return limited(columns, relation.project(texts).fetchall(), limit)
        except duckdb.Error as error:
            raise _refused(error) from error


def _refused(error: duckdb.Error) -> ConfigurationError:
    return ConfigurationError(f"DuckDB refuses this query: {error}")


def _distinct(names: list[str]) -> list[str]:
    """Number the names that come again, as DuckDB does in a subquery.

    >>> _distinct(["a", "b", "a", "a_1"])
    ['a', 'b', 'a_2', 'a_1']
    """
    taken = set(names)
    seen: set[str] = set()
    distinct = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        chosen = next(each for each in numbered if each not in taken) if name in seen else name
        seen.add(name)
        taken.add(chosen)
        distinct.append(chosen)
    return distinct


def _text(number: int, kind: str) -> str:
    """Write the SQL for the text of a column; bytes are base64, as headwater writes them elsewhere."""
    return f"base64(#{number})" if kind == "BLOB" else f"CAST(#{number} AS VARCHAR)"


def _require_known(db: duckdb.DuckDBPyConnection, path: Path) -> None:
    has_format = (
        "SELECT 1 FROM duckdb_tables() "
        "WHERE database_name = current_database() AND schema_name = '_headwater' AND table_name = 'format'"
    )
    if db.execute(has_format).fetchall():
        [(version,)] = db.execute("SELECT version FROM _headwater.format").fetchall()
        require_known(str(path), version, OWN_TABLES)


@contextmanager
def open_duckdb(path: Path, schema: str) -> Iterator[DuckDBReader]:
    """Open a DuckDB file to look at it.

    schema  where a query's tables are looked for first

    Errors: ConfigurationError when there is no file; Busy while a sync has it; DestinationError when it is damaged, or
    a newer headwater keeps its own tables there in a way that this one would misread.
    """
    if not path.is_file():
        raise ConfigurationError(
            f"there is nothing to show: {path} does not exist", hint="Run `headwater debug` first."
        )
    try:
        db = duckdb.connect(name_for_duckdb(path), read_only=True)
    except duckdb.Error as error:
        if "lock" in str(error):
            raise Busy(
                f"{path} is open in another program",
                hint="DuckDB lets nobody read while a sync writes: wait for it, or end it.",
            ) from error
        raise DestinationError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    with db:
        _require_known(db, path)
        db.execute("SET TimeZone = 'UTC'")
        if db.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [schema]).fetchall():
            db.execute(f"SET schema = '{schema}'")
        db.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield DuckDBReader(db)
