"""Rows of SQL databases in batches, whole or what changed, from any DB-API or SQLAlchemy connection.

In a connector::

    connection = psycopg.connect(configuration["dsn"])
    orders = ChangedRows("orders", cursor="updated_at", key=["id"], schema="shop")
    for batch, cursor in orders.batches(connection, state.get("orders", {})):
        for row in batch:
            op.upsert("orders", exact(row))          # from records.py: Fivetran takes no Decimal
        op.checkpoint({"orders": cursor})

Memory holds one batch: server-side cursors are used where the driver has them (psycopg, psycopg2, SQLAlchemy,
pymysql with its own `SSCursor` connections). A deleted row is in no result: compare keys now and then, or read a
delete log. Needs `cursors.py` beside it; `arrow_batches` also needs `tables.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from .cursors import Cursor, cursor_from_json, cursor_to_json

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]
Batch = list[Row]
State = dict[str, Any]

_cursor_numbers = count(1)  # two server-side cursors of one connection need two names

# Driver modules, by how their database quotes names.
_BACKTICKS = ("pymysql", "MySQLdb", "mysql", "aiomysql", "mariadb", "databricks", "google")
_BRACKETS = ("pymssql", "pytds")
_DOUBLE_QUOTES = (
    "sqlite3",
    "psycopg",
    "psycopg2",
    "pg8000",
    "redshift_connector",
    "duckdb",
    "oracledb",
    "cx_Oracle",
    "snowflake",
    "trino",
    "prestodb",
    "pyathena",
    "hdbcli",
    "ibm_db_dbi",
    "vertica_python",
)
_ODBC_QUOTE_CHARACTER = 29  # SQL_IDENTIFIER_QUOTE_CHAR of ODBC's SQLGetInfo


def row_batches(connection: Any, query: str, parameters: Any = None, *, batch_rows: int = 10_000) -> Iterator[Batch]:
    """Run a query and give its rows as dicts, `batch_rows` at a time.

    connection  a DB-API connection (sqlite3, psycopg, pyodbc, ...) or an SQLAlchemy `Connection`
    parameters  as the driver wants them in `query`; for SQLAlchemy a dict, written `:name`

    The connection must not be committed or rolled back between batches: that ends a server-side cursor.
    Errors: ValueError when two columns of the result share a name: give one an alias.

    >>> import sqlite3
    >>> query = "SELECT 1 AS id UNION ALL SELECT 2 UNION ALL SELECT 3"
    >>> list(row_batches(sqlite3.connect(":memory:"), query, batch_rows=2))
    [[{'id': 1}, {'id': 2}], [{'id': 3}]]
    """
    if batch_rows < 1:
        raise ValueError(f"batch_rows must be at least 1, not {batch_rows}")
    source = _sqlalchemy_rows if _is_sqlalchemy(connection) else _dbapi_rows
    return source(connection, query, parameters, batch_rows)


def arrow_batches(
    connection: Any, query: str, parameters: Any = None, *, batch_rows: int = 100_000
) -> Iterator[pyarrow.Table]:
    """Run a query and give its rows as Arrow tables, `batch_rows` at a time.

    Each table has the types of its own rows: a column that is NULL in all of them has the type null.
    """
    from .tables import Table

    for batch in row_batches(connection, query, parameters, batch_rows=batch_rows):
        yield Table(batch).to_arrow()


def quoted(connection: Any, *parts: str) -> str:
    """Quote a name, or a schema and a name, for the database behind `connection`.

    Errors: ValueError for a driver that is not known, a name that is empty or has a NUL character.
    """
    opening, closing = _quotes(connection)
    for part in parts:
        if not part or "\0" in part:
            raise ValueError(f"{part!r} cannot be a name in SQL")
    return ".".join(f"{opening}{part.replace(closing, closing * 2)}{closing}" for part in parts)


@dataclass(frozen=True)
class ChangedRows:
    """What changed in one table since the last sync, by a column that grows with every change.

    cursor    the column: a time of change or a growing number
    key       the columns of the primary key, which tell rows of one cursor value apart
    columns   what to read; None is all
    lookback  how far before the last value to read again (timedelta or number): a transaction may write a time
              and commit later, when newer rows have already been read

    Every sync starts at the last value again, not behind it: more rows may have come with that value. After a
    crash it goes on at the exact row, by cursor and key; the next sync then starts where that one did, since rows
    may have slipped in behind the crash. Rows whose cursor is NULL come first, in every sync. Upsert by the key.
    """

    table: str
    cursor: str
    key: Sequence[str]
    schema: str | None = None
    columns: Sequence[str] | None = None
    lookback: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.key, str) or not self.key:
            raise ValueError(f"{self.table}: key must be a list with at least one column, not {self.key!r}")
        missing = (
            [] if self.columns is None else [name for name in (self.cursor, *self.key) if name not in self.columns]
        )
        if missing:
            raise ValueError(f"{self.table}: columns leaves out {', '.join(missing)}, which tell where the sync stands")

    def batches(
        self, connection: Any, state: Mapping[str, Any], *, batch_rows: int = 10_000
    ) -> Iterator[tuple[Batch, State]]:
        """Give each batch with the state to save once it is emitted.

        The last pair may have an empty batch: its state says that the sync is complete, so save it too.
        """
        position = _Position.read(state)
        if not position.is_resumed:
            for batch in self._null_batches(connection, batch_rows):
                yield batch, position.state()
        query, parameters = self._query(connection, position)
        for batch in row_batches(connection, query, parameters, batch_rows=batch_rows):
            last = batch[-1]
            position = position.moved(last[self.cursor], tuple(last[name] for name in self.key))
            yield batch, position.state()
        yield [], position.finished().state()

    def _null_batches(self, connection: Any, batch_rows: int) -> Iterator[Batch]:
        query = f"{self._select(connection)} WHERE {quoted(connection, self.cursor)} IS NULL"
        return row_batches(connection, *_Parameters(connection).statement(query), batch_rows=batch_rows)

    def _query(self, connection: Any, position: _Position) -> tuple[str, Any]:
        values = _Parameters(connection)
        names = [quoted(connection, name) for name in (self.cursor, *self.key)]
        if position.cursor is None:
            condition = f"{names[0]} IS NOT NULL"
        elif position.key is None:
            start = position.cursor if self.lookback is None else position.cursor - self.lookback
            condition = f"{names[0]} >= {values.add(start)}"
        else:
            condition = _after(names, (position.cursor, *position.key), values)
        return values.statement(f"{self._select(connection)} WHERE {condition} ORDER BY {', '.join(names)}")

    def _select(self, connection: Any) -> str:
        columns = "*" if self.columns is None else ", ".join(quoted(connection, name) for name in self.columns)
        table = (self.table,) if self.schema is None else (self.schema, self.table)
        return f"SELECT {columns} FROM {quoted(connection, *table)}"  # noqa: S608  # every name is quoted


@dataclass(frozen=True)
class _Position:
    """Where a sync of one table stands.

    cursor     the value to start at, or of the last row while a sync is under way
    key        the key of the last row while a sync is under way
    reread     where the next sync starts, if this one was interrupted and went on in the middle
    """

    cursor: Cursor = None
    key: tuple[Any, ...] | None = None
    reread: Cursor = None

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> _Position:
        saved = {name: cursor_from_json(state[name]) for name in ("cursor", "key", "reread") if name in state}
        position = cls(**saved)
        if position.is_resumed and position.reread is None:
            return cls(position.cursor, position.key, position.cursor)
        return position

    @property
    def is_resumed(self) -> bool:
        return self.key is not None

    def moved(self, cursor: Cursor, key: tuple[Any, ...]) -> _Position:
        return _Position(cursor, key, self.reread)

    def finished(self) -> _Position:
        return _Position(self.cursor if self.reread is None else self.reread)

    def state(self) -> State:
        parts = {"cursor": self.cursor, "key": self.key, "reread": self.reread}
        return {name: cursor_to_json(value) for name, value in parts.items() if value is not None}


class _Parameters:
    """Collects the values of a statement, and writes their placeholders in the style of the driver (PEP 249)."""

    def __init__(self, connection: Any) -> None:
        self._is_sqlalchemy = _is_sqlalchemy(connection)
        self._style = "named" if self._is_sqlalchemy else _paramstyle(connection)
        self._values: list[Any] = []

    def add(self, value: Any) -> str:
        """Give a mark for the value; `statement` replaces it. No name in SQL has a NUL character."""
        self._values.append(value)
        return f"\0{len(self._values)}\0"

    def statement(self, query: str) -> tuple[str, Any]:
        """Give the query with placeholders, and the parameters for the driver, None if there are none."""
        if self._is_sqlalchemy:
            query = query.replace(":", "\\:")
        if not self._values:
            return query, None
        if self._style in ("format", "pyformat"):
            query = query.replace("%", "%%")
        for number in range(1, len(self._values) + 1):
            query = query.replace(f"\0{number}\0", self._placeholder(number))
        if self._style in ("named", "pyformat"):
            return query, {f"value{number}": value for number, value in enumerate(self._values, start=1)}
        return query, tuple(self._values)

    def _placeholder(self, number: int) -> str:
        return {
            "qmark": "?",
            "numeric": f":{number}",
            "named": f":value{number}",
            "format": "%s",
            "pyformat": f"%(value{number})s",
        }[self._style]


def _after(names: Sequence[str], values: Sequence[Any], parameters: _Parameters) -> str:
    """Write "(a, b) > (x, y)" for databases that cannot compare rows, and so that an index on `a` serves."""
    first, value = names[0], values[0]
    if len(names) == 1:
        return f"{first} > {parameters.add(value)}"
    at_or_above = f"{first} >= {parameters.add(value)}"
    above = f"{first} > {parameters.add(value)}"
    return f"{at_or_above} AND ({above} OR ({_after(names[1:], values[1:], parameters)}))"


def _dbapi_rows(connection: Any, query: str, parameters: Any, batch_rows: int) -> Iterator[Batch]:
    cursor = _streaming_cursor(connection)
    try:
        if hasattr(cursor, "arraysize"):
            cursor.arraysize = batch_rows  # the round trip of drivers such as oracledb; DuckDB's has none
        if parameters is None:
            cursor.execute(query)
        else:
            cursor.execute(query, parameters)
        names: list[str] | None = None
        while records := cursor.fetchmany(batch_rows):
            # psycopg2 describes a server-side cursor only after its first rows.
            names = names or _column_names([column[0] for column in cursor.description])
            yield [dict(zip(names, record, strict=True)) for record in map(tuple, records)]
    finally:
        cursor.close()


def _streaming_cursor(connection: Any) -> Any:
    """Open a cursor that leaves the rows on the server, where the driver would fetch them all at once."""
    if _module(connection) not in ("psycopg", "psycopg2"):
        return connection.cursor()
    # Outside a transaction, Postgres keeps only a cursor that is declared WITH HOLD.
    options = {"withhold": True} if connection.autocommit else {}
    name = f"headwater_{next(_cursor_numbers)}"
    if _module(connection) == "psycopg":
        from psycopg.rows import tuple_row

        return connection.cursor(name, row_factory=tuple_row, **options)
    return connection.cursor(name, **options)


def _sqlalchemy_rows(connection: Any, query: str, parameters: Any, batch_rows: int) -> Iterator[Batch]:
    import sqlalchemy

    options = {"stream_results": True, "max_row_buffer": batch_rows}
    result = connection.execute(sqlalchemy.text(query), parameters or {}, execution_options=options)
    try:
        names = _column_names(list(result.keys()))
        while records := list(islice(result, batch_rows)):
            yield [dict(zip(names, record, strict=True)) for record in records]
    finally:
        result.close()


def _column_names(names: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the result has two columns named {', '.join(twice)}: give one an alias in the query")
    return list(names)


def _is_sqlalchemy(connection: Any) -> bool:
    if _module(connection) != "sqlalchemy":
        return False
    if not hasattr(connection, "execute"):
        raise TypeError(f"{type(connection).__name__} is no connection: give engine.connect()")
    return True


def _module(connection: Any) -> str:
    return type(connection).__module__.lstrip("_").partition(".")[0]


def _paramstyle(connection: Any) -> str:
    """Read the style of placeholders from the driver's module, where PEP 249 wants it."""
    package = type(connection).__module__
    while package:
        style = getattr(sys.modules.get(package), "paramstyle", None)
        if style is not None:
            return str(style)
        package = package.rpartition(".")[0]
    style = getattr(sys.modules.get(_module(connection)), "paramstyle", None)
    if style is None:
        raise ValueError(f"the driver {_module(connection)} does not say its paramstyle: use SQLAlchemy with it")
    return str(style)


def _quotes(connection: Any) -> tuple[str, str]:
    """Find how the database quotes names: the opening and the closing character."""
    if _is_sqlalchemy(connection):
        preparer = connection.dialect.identifier_preparer
        return preparer.initial_quote, preparer.final_quote
    module = _module(connection)
    if module == "pyodbc":
        quote = connection.getinfo(_ODBC_QUOTE_CHARACTER)
        return quote, quote
    for modules, quotes in ((_BACKTICKS, "``"), (_BRACKETS, "[]"), (_DOUBLE_QUOTES, '""')):
        if module in modules:
            return quotes[0], quotes[1]
    raise ValueError(f"how the database behind {module} quotes names is not known: use SQLAlchemy with it")
