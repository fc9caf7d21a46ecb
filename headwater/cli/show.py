"""`headwater show`: look at what the last sync has loaded."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from headwater.cli.aligned import cell, cells, print_aligned
from headwater.errors import ConfigurationError
from headwater.log import printable
from headwater.options import read_options
from headwater.project import Project
from headwater.reading import Rows, Selection, Sort, TableName, Warehouse, open_warehouse

FIRST_ROWS = 5
TABLE_ROWS = 20


@click.command("show")
@click.argument("project_or_table", metavar="[PROJECT] [TABLE]", nargs=-1)
@click.option("--columns", metavar="A,B", help="Only these columns of TABLE, in this order.")
@click.option(
    "--where", metavar="CONDITION", help="Only rows of TABLE that meet this condition, in the database's SQL."
)
@click.option("--sort", metavar="A,B desc", help="Sort TABLE by these columns; NULL comes last.")
@click.option("--limit", type=click.IntRange(min=0), help="How many rows to show.")
@click.option("--sql", metavar="QUERY", help="Run this query instead; it can only read.")
@click.option("--destination", help="Where it was loaded, instead of what headwater.toml says.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    help="csv and json give every row that --limit does not hold back.",
)
@click.option("--csv", "form", flag_value="csv", help="The same as --format csv.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--browse", is_flag=True, help="Walk through the tables on the whole terminal.")
def command(
    project_or_table: tuple[str, ...],
    columns: str | None,
    where: str | None,
    sort: str | None,
    limit: int | None,
    sql: str | None,
    destination: str | None,
    form: str,
    browse: bool,
) -> None:
    """List the tables of PROJECT with types and first rows, or show the rows of TABLE.

    A single word is taken for a project when it is a folder that was synced, else for a table of the project here.
    Examples:

    \b
        headwater show
        headwater show orders --where "total > 10" --sort "total desc"
        headwater show orders --columns id,total --csv
        headwater show --sql "SELECT status, count(*) FROM orders GROUP BY ALL"
        headwater show --browse
    """
    folder, table = _project_and_table(project_or_table)
    _require_sense(table, sql, browse=browse, chosen=any(each is not None for each in (columns, where, sort)))
    options = read_options(folder).with_flags(destination=destination)
    with open_warehouse(options, folder) as warehouse:
        if browse:
            _browse(warehouse)
        elif sql is not None:
            _print_rows(warehouse.query(sql, limit), form)
        elif table is not None:
            found = _found(table, warehouse.tables())
            default = TABLE_ROWS if form == "table" else None
            chosen = _selection(warehouse.columns(found), columns, where, sort, default if limit is None else limit)
            _print_rows(warehouse.rows(found, chosen), form)
        else:
            _print_tables(warehouse, FIRST_ROWS if limit is None else limit, form)


def _require_sense(table: str | None, sql: str | None, *, browse: bool, chosen: bool) -> None:
    if sql is not None and (table is not None or chosen):
        raise click.UsageError("give --sql, or TABLE with --columns, --where and --sort; not both")
    if browse and (table is not None or sql is not None or chosen):
        raise click.UsageError("--browse shows all tables: give it alone")
    if chosen and table is None:
        raise click.UsageError("--columns, --where and --sort are about one TABLE: name it")


def _browse(warehouse: Warehouse) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--browse needs a terminal; without one, use TABLE, --where, --sort and --limit")
    try:
        from headwater.cli.browser import Browser
    except ImportError as error:
        raise ConfigurationError(
            f"--browse needs a package that is not installed ({error})",
            hint="Install it: pip install 'headwater[browse]'.",
        ) from error
    Browser(warehouse).run()


def _selection(
    columns: list[tuple[str, str]], wanted: str | None, where: str | None, sort: str | None, limit: int | None
) -> Selection:
    names = [name for name, _ in columns]
    return Selection(
        columns=tuple(_column(word, names) for word in _words(wanted)),
        where=where,
        sort=tuple(_sort(word, names) for word in _words(sort)),
        limit=limit,
    )


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()] if text else []


def _sort(word: str, names: list[str]) -> Sort:
    """Read one column of --sort; a column may itself be called `a desc`."""
    column, _, direction = word.rpartition(" ")
    if word not in names and column and direction.lower() in ("asc", "desc"):
        return Sort(_column(column.strip(), names), descending=direction.lower() == "desc")
    return Sort(_column(word, names))


def _column(wanted: str, names: list[str]) -> str:
    if wanted in names:
        return wanted
    alike = [name for name in names if name.lower() == wanted.lower()]
    if len(alike) == 1:
        return alike[0]
    raise ConfigurationError(f"there is no column {wanted!r}: {_near(wanted, names, names)}")


def _near(wanted: str, names: Sequence[str], listed: Iterable[str]) -> str:
    near = difflib.get_close_matches(wanted, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(listed) or 'none yet'}"


def _project_and_table(words: tuple[str, ...]) -> tuple[Path, str | None]:
    if len(words) > 2:
        raise click.UsageError("give at most a PROJECT and a TABLE")
    if len(words) == 2:
        return Project(Path(words[0])).path, words[1]
    if words and any((Path(words[0]) / name).exists() for name in ("connector.py", "files")):
        return Project(Path(words[0])).path, None
    return Project(Path()).path, words[0] if words else None


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
    names = [*(table.name for table in tables), *map(str, tables)]
    raise ConfigurationError(f"there is no table {wanted!r}: {_near(wanted, names, map(str, tables))}")


def _print_tables(warehouse: Warehouse, limit: int, form: str) -> None:
    tables = warehouse.tables()
    if form == "table":
        for table in tables:
            _print_table(warehouse, table, limit)
        if not tables:
            click.echo("There are no tables yet.")
        return
    found = [(table, warehouse.count(table), warehouse.rows(table, Selection(limit=limit))) for table in tables]
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
    first = warehouse.rows(table, Selection(limit=limit))
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
        otherwise = "choose with --columns, or see all with --json"
        print_aligned([cells(names), *map(cells, rows.rows)], header=True, otherwise=otherwise)
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
