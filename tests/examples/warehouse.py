"""What a sync left, as a document people can read and a test can compare: tables, columns, rows, state."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from headwater.destinations.duckdb_sql import quote

SYNCED = "_fivetran_synced"
SYSTEM = frozenset({SYNCED, "_fivetran_deleted"})
VARYING = "(varies)"
# Written as JSON has them; every other type as text, so that nothing is rounded.
_PLAIN = frozenset({"BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "TINYINT", "HUGEINT", "VARCHAR"})

Document = dict[str, Any]


def read_warehouse(project: Path, *, varying_columns: Collection[str] = ()) -> Document:
    """Read the tables and the committed state of a project's files/warehouse.db.

    varying_columns  `table.column` of which only whether a value is NULL is told

    Each row is an object without `_fivetran_synced`, which is checked here: it is never NULL.
    """
    warehouse = project / "files" / "warehouse.db"
    with tempfile.TemporaryDirectory() as scratch:
        # A copy: to open a database after a crash is to mend it, and that is left to the next sync.
        for path in warehouse.parent.glob("warehouse.db*"):
            shutil.copy(path, scratch)
        with closing(duckdb.connect(Path(scratch) / warehouse.name)) as db:
            db.execute("SET TimeZone = 'UTC'")
            return {"state": _state(db), "tables": _tables(db, varying_columns)}


def _state(db: duckdb.DuckDBPyConnection) -> Any:
    [(state,)] = db.execute("SELECT state FROM _headwater.state").fetchall()
    return json.loads(state)


def _tables(db: duckdb.DuckDBPyConnection, varying_columns: Collection[str]) -> dict[str, Document]:
    found = db.execute(
        "SELECT table_schema, table_name, list(column_name ORDER BY column_name), "
        "list(data_type ORDER BY column_name) FROM information_schema.columns "
        "WHERE table_schema <> '_headwater' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    keys = _primary_keys(db)
    tables = {}
    for schema, name, columns, types in found:
        key = keys[schema, name]
        kinds = dict(zip(columns, types, strict=True))
        # A key column whose type was not declared is made with the first row.
        ordered = [column for column in key if column in kinds]
        ordered += sorted(set(columns) - set(key), key=lambda column: (column in SYSTEM, column))
        varying = {column for column in columns if f"{name}.{column}" in varying_columns}
        tables[f"{schema}.{name}"] = {
            "primary_key": key,
            "columns": {column: kinds[column] for column in ordered},
            "rows": _rows(db, f"{quote(schema)}.{quote(name)}", {c: kinds[c] for c in ordered}, varying),
        }
    return tables


def _primary_keys(db: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], list[str]]:
    found = db.execute("SELECT schema, name, key FROM _headwater.tables").fetchall()
    return {(schema, name): json.loads(key) for schema, name, key in found}


def _rows(
    db: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], varying: Collection[str]
) -> list[Document]:
    """Read a table's rows, ordered by all their values from the first column on: the key comes first."""
    [(never_synced,)] = db.execute(f"SELECT count(*) FROM {table} WHERE {SYNCED} IS NULL").fetchall()
    assert never_synced == 0, f"{table}: {SYNCED} is NULL in {never_synced} rows"
    shown = [column for column in columns if column != SYNCED]
    terms = (_term(column, columns[column], column in varying) for column in shown)
    rows = db.execute(f"SELECT {', '.join(terms)} FROM {table} ORDER BY ALL").fetchall()
    return [dict(zip(shown, row, strict=True)) for row in rows]


def _term(column: str, kind: str, varies: bool) -> str:
    name = quote(column)
    if varies:
        return f"CASE WHEN {name} IS NOT NULL THEN '{VARYING}' END"
    if kind == "BLOB":
        return f"'0x' || hex({name})"
    return name if kind in _PLAIN else f"CAST({name} AS VARCHAR)"


def written(document: Document) -> str:
    """Write a document with one line a row, so that a changed value is one changed line."""
    lines = ["{", f'  "state": {_line(document["state"])},', '  "tables": {']
    for number, (name, table) in enumerate(document["tables"].items(), start=1):
        lines += [
            f"    {_line(name)}: {{",
            f'      "primary_key": {_line(table["primary_key"])},',
            '      "columns": {',
            *_comma_separated(f"        {_line(c)}: {_line(kind)}" for c, kind in table["columns"].items()),
            "      },",
            '      "rows": [',
            *_comma_separated(f"        {_line(row)}" for row in table["rows"]),
            "      ]",
            "    }" + ("," if number < len(document["tables"]) else ""),
        ]
    return "\n".join([*lines, "  }", "}", ""])


def _comma_separated(lines: Any) -> list[str]:
    *most, last = [*lines] or [""]
    return [line for line in (*(f"{line}," for line in most), last) if line]


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
