"""The DuckDB file of a project: where it is, and how it is read without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import Busy, ConfigurationError, DestinationError
from headwater.options import Options

if TYPE_CHECKING:
    import duckdb

Json = str | int | float | bool | None
_WHOLE = {f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")}
_FLOATS = {"FLOAT", "DOUBLE"}


def warehouse_file(options: Options, project: Path) -> Path | None:
    """Find the DuckDB file that a project loads into; None when it loads elsewhere."""
    kind, _, rest = options.destination.partition(":")
    return project / rest.removeprefix("//") if kind == "duckdb" and rest else None


@dataclass(frozen=True, slots=True)
class TableName:
    """A table in the file."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.name))


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query gives.

    columns  names and DuckDB types; a query may give two columns one name
    rows     values as DuckDB writes them, since Python has no dates past 9999, and none that are infinite
    more     there are rows beyond these
    """

    columns: list[tuple[str, str]]
    rows: list[tuple[str | None, ...]]
    more: bool = False

    def as_json(self) -> list[dict[str, Json]]:
        """Give the rows as JSON has them: whole numbers, floats and booleans as such, all else as text."""
        return [
            {name: _json(text, kind) for (name, kind), text in zip(self.columns, row, strict=True)} for row in self.rows
        ]


def _json(text: str | None, kind: str) -> Json:
    if text is None:
        return None
    if kind == "BOOLEAN":
        return text == "true"
    if kind in _WHOLE:
        return int(text)
    if kind in _FLOATS and (number := float(text)) - number == 0:  # JSON has no NaN and no infinity
        return number
    return text


class Warehouse:
    """A DuckDB file, open for reading only; a query cannot write, nor read other files."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def tables(self) -> list[TableName]:
        """List the tables, headwater's own left out."""
        sql = (
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE schema_name <> '_headwater' AND NOT internal ORDER BY ALL"
        )
        return [TableName(*row) for row in self._db.execute(sql).fetchall()]

    def count(self, table: TableName) -> int:
        """Count the rows, those marked as deleted included."""
        [[count]] = self._db.execute(f"SELECT count(*) FROM {table.quoted}").fetchall()  # noqa: S608 - quoted
        assert isinstance(count, int)
        return count

    def first_rows(self, table: TableName, limit: int | None) -> Rows:
        return self._fetched(self._db.sql(f"FROM {table.quoted}"), limit)

    def query(self, sql: str, limit: int | None) -> Rows:
        """Run one query.

        Errors: ConfigurationError when it is no query, or DuckDB refuses it.
        """
        import duckdb

        try:
            statements = self._db.extract_statements(sql)
            if [each.expected_result_type for each in statements] != [[duckdb.ExpectedResultType.QUERY_RESULT]]:
                raise ConfigurationError("--sql takes one query, such as a SELECT; nothing was run")
            return self._fetched(self._db.sql(statements[0].query), limit)
        except duckdb.Error as error:
            raise ConfigurationError(f"DuckDB refuses this query: {error}") from error

    def _fetched(self, relation: duckdb.DuckDBPyRelation, limit: int | None) -> Rows:
        columns = list(zip(_distinct(relation.columns), map(str, relation.types), strict=True))
        texts = ", ".join(f"{_text(number, kind)} AS c{number}" for number, (_, kind) in enumerate(columns, 1))
        if limit is not None:
            relation = relation.limit(limit + 1)
        rows = relation.project(texts).fetchall()
        if limit is not None and len(rows) > limit:
            return Rows(columns, rows[:limit], more=True)
        return Rows(columns, rows)


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


@contextmanager
def open_warehouse(path: Path, schema: str) -> Iterator[Warehouse]:
    """Open a DuckDB file to look at it.

    schema  where a query's tables are looked for first

    Errors: ConfigurationError when there is no file; Busy while a sync has it; DestinationError when it is damaged.
    """
    import duckdb

    if not path.is_file():
        raise ConfigurationError(
            f"there is nothing to show: {path} does not exist", hint="Run `headwater debug` first."
        )
    try:
        db = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        if "lock" in str(error):
            raise Busy(
                f"{path} is open in another program",
                hint="DuckDB lets nobody read while a sync writes: wait for it, or end it.",
            ) from error
        raise DestinationError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    with db:
        db.execute("SET TimeZone = 'UTC'")
        if db.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [schema]).fetchall():
            db.execute(f"SET schema = '{schema}'")
        db.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield Warehouse(db)
