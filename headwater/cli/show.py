"""`headwater show`: look at what the last sync has loaded."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from headwater.cli.aligned import cell, cells, print_aligned
from headwater.cli.warehouse import Rows, TableName, Warehouse, open_warehouse, warehouse_file
from headwater.errors import ConfigurationError
from headwater.log import printable
from headwater.options import Options, read_options
from headwater.project import Project

FIRST_ROWS = 5
TABLE_ROWS = 20


@click.command("show")
@click.argument("project_or_table", metavar="[PROJECT] [TABLE]", nargs=-1)
@click.option("--sql", metavar="QUERY", help="Run this query instead; it can only read.")
@click.option("--limit", type=click.IntRange(min=0), help="How many rows to show.")
@click.option("--destination", help="Where it was loaded: duckdb:PATH.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    help="csv and json give every row that --limit does not hold back.",
)
def command(
    project_or_table: tuple[str, ...], sql: str | None, limit: int | None, destination: str | None, form: str
) -> None:
    """List the tables of PROJECT with types and first rows, or show the rows of TABLE.

    A single word is taken for a project when it is a folder that was synced, else for a table of the project here.
    Examples:

        headwater show

        headwater show orders --format csv

        headwater show --sql "SELECT status, count(*) FROM orders GROUP BY ALL"
    """
    folder, table = _project_and_table(project_or_table)
    if sql is not None and table is not None:
        raise click.UsageError("give TABLE or --sql, not both")
    options = read_options(folder).with_flags(destination=destination)
    with open_warehouse(_file(options, folder), options.schema) as warehouse:
        if sql is not None:
            _print_rows(warehouse.query(sql, limit), form)
        elif table is not None:
            default = TABLE_ROWS if form == "table" else None
            rows = warehouse.first_rows(_found(table, warehouse.tables()), default if limit is None else limit)
            _print_rows(rows, form)
        else:
            _print_tables(warehouse, FIRST_ROWS if limit is None else limit, form)


def _project_and_table(words: tuple[str, ...]) -> tuple[Path, str | None]:
    if len(words) > 2:
        raise click.UsageError("give at most a PROJECT and a TABLE")
    if len(words) == 2:
        return Project(Path(words[0])).path, words[1]
    if words and any((Path(words[0]) / name).exists() for name in ("connector.py", "files")):
        return Project(Path(words[0])).path, None
    return Project(Path()).path, words[0] if words else None


def _file(options: Options, project: Path) -> Path:
    path = warehouse_file(options, project)
    if path is None:
        raise ConfigurationError(
            f"show reads DuckDB files, and this project loads into {options.destination}",
            hint="Use that database's own client.",
        )
    return path


def _found(wanted: str, tables: list[TableName]) -> TableName:
    """Find a table by its name, with or without its schema, in any case.

    Errors: ConfigurationError when there is none, or there are several.
    """
    found = [table for table in tables if wanted.lower() in (table.name.lower(), str(table).lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(
            f"there are several tables {wanted!r}: {', '.join(map(str, found))}", hint="Name the schema too."
        )
    near = difflib.get_close_matches(wanted, [*(table.name for table in tables), *map(str, tables)], n=1)
    known = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(map(str, tables)) or 'none yet'}"
    raise ConfigurationError(f"there is no table {wanted!r}: {known}")


def _print_tables(warehouse: Warehouse, limit: int, form: str) -> None:
    tables = warehouse.tables()
    if form == "table":
        for table in tables:
            _print_table(warehouse, table, limit)
        if not tables:
            click.echo("There are no tables yet.")
        return
    found = [(table, warehouse.count(table), warehouse.first_rows(table, limit)) for table in tables]
    if form == "json":
        _print_json(
            [
                {
                    "table": str(table),
                    "rows": count,
                    "columns": dict(first.columns),
                    "first_rows": first.as_json(),
                }
                for table, count, first in found
            ]
        )
        return
    lines: list[tuple[str | None, ...]] = [
        (str(table), str(count), column, kind) for table, count, first in found for column, kind in first.columns
    ]
    _print_csv(["table", "rows", "column", "type"], lines)


def _print_table(warehouse: Warehouse, table: TableName, limit: int) -> None:
    first = warehouse.first_rows(table, limit)
    click.echo(f"{cell(str(table))}: {_rows(warehouse.count(table))}")
    click.echo()
    print_aligned([cells(column) for column in first.columns])
    click.echo()
    if first.rows:
        _print_rows(Rows(first.columns, first.rows), "table")
        click.echo()


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _print_rows(rows: Rows, form: str) -> None:
    names = [name for name, _ in rows.columns]
    if form == "json":
        _print_json(rows.as_json())
    elif form == "csv":
        _print_csv(names, rows.rows)
    else:
        print_aligned([cells(names), *map(cells, rows.rows)], header=True)
        if rows.more:
            click.echo("… more: see them with --limit")


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


def _print_csv(names: list[str], rows: list[tuple[str | None, ...]]) -> None:
    text = "".join(map(_csv_line, [names, *rows]))
    # A file gets the values as they are; a terminal must not be steered by them.
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def _csv_line(values: Sequence[str | None]) -> str:
    """Write one line of RFC 4180; NULL is nothing, the empty text is quoted.

    >>> _csv_line(["a", None, "", "x,y"])
    'a,,"","x,y"\\n'
    """
    return ",".join("" if value is None else _csv_cell(value) for value in values) + "\n"


def _csv_cell(text: str) -> str:
    plain = text and not any(character in text for character in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'
