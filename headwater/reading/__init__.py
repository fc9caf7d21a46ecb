"""Looking at what syncs have loaded, for reading only: one reader for each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.errors import ConfigurationError
from headwater.log import redact
from headwater.options import Options
from headwater.reading.warehouse import Rows, Selection, Sort, TableName, Warehouse

__all__ = ["Rows", "Selection", "Sort", "TableName", "Warehouse", "duckdb_path", "has_reader", "open_warehouse"]


@contextmanager
def open_warehouse(options: Options, folder: Path) -> Iterator[Warehouse]:
    """Open what a project loads into; nothing can be changed through it.

    folder  the project's: what a relative path starts from

    Errors: ConfigurationError when there is nothing yet, or no reader for this kind; Busy while a sync has a DuckDB
    file; DestinationError when it cannot be read.
    """
    path = duckdb_path(options, folder)
    if path is not None:
        from headwater.reading.duckdb_reader import open_duckdb

        with open_duckdb(path, options.schema) as warehouse:
            yield warehouse
    elif has_reader(options):
        from headwater.reading.postgres_reader import open_postgres

        with open_postgres(options.destination, options.schema) as warehouse:
            yield warehouse
    else:
        raise ConfigurationError(
            f"headwater reads DuckDB and Postgres, and this project loads into {redact(options.destination)}",
            hint="Use that database's own client.",
        )


def has_reader(options: Options) -> bool:
    """Say whether `open_warehouse` knows how to read what a project loads into."""
    return options.destination.partition(":")[0] in ("duckdb", "postgresql", "postgres")


def duckdb_path(options: Options, folder: Path) -> Path | None:
    """Find the DuckDB file that a project loads into; None when it loads elsewhere."""
    kind, _, rest = options.destination.partition(":")
    return folder / rest.removeprefix("//") if kind == "duckdb" and rest else None
