"""Resetting: what syncs have left in a project and its destination is removed, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headwater.crash_report import FOLDER, crash_reports
from headwater.destinations import open_destination
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.reading import duckdb_path, open_warehouse

LOCK = "sync.lock"
READABLE = ("duckdb", "postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What syncs have left.

    paths   files and folders, the lock last: until then no other sync may begin
    tables  (schema, name) of the tables in a destination outside the project's files/
    stay    the destination, when what is there cannot be removed from here
    """

    paths: list[Path]
    tables: list[tuple[str, str]]
    stay: str | None = None


def leftovers(project: Project) -> Leftovers:
    """Find what syncs have left; nothing is changed.

    Errors: DestinationError or Busy when the destination cannot be read now.
    """
    options = read_options(project.path)
    paths = _paths(project, options)
    kind = options.destination.partition(":")[0]
    if kind == "memory" or _is_inside(project, options):
        return Leftovers(paths, [])
    if kind not in READABLE:
        return Leftovers(paths, [], stay=options.destination)
    return Leftovers(paths, _tables(project, options))


def reset(project: Project) -> Leftovers:
    """Remove the tables, the state and the history of a project; the next sync starts afresh.

    In a destination outside the project the state becomes `{}`; the number of the newest epoch stays, so that a
    forgotten sync is still refused.

    Errors: Busy while a sync runs; DestinationError, with nothing removed in the project.
    """
    with project.locked():
        found = leftovers(project)
        if found.tables:
            _drop(project, found.tables)
        for path in found.paths:
            _remove(path)
    for folder in (project.files, project.path / FOLDER):
        _remove_if_empty(folder)
    return found


def _paths(project: Project, options: Options) -> list[Path]:
    databases = {project.files / "warehouse.db"}
    path = duckdb_path(options, project.path)
    if path is not None and _is_inside(project, options):
        databases.add(path)
    whole = {project.state_copy, project.files / "runs.db", *databases}
    paths = [
        *(path.with_name(path.name + end) for path in databases for end in (".wal", ".tmp")),
        *(project.files.glob("runs.db-*")),
        # What a crash left behind of a file that was being written.
        *(half for path in whole for half in path.parent.glob(f".{path.name}.*")),
        *whole,
        project.files / "uploads",
        *crash_reports(project.path),
        project.files / LOCK,
    ]
    return [path for path in paths if path.exists() or path.is_symlink()]


def _is_inside(project: Project, options: Options) -> bool:
    path = duckdb_path(options, project.path)
    return path is not None and path.resolve().is_relative_to(project.files.resolve())


def _tables(project: Project, options: Options) -> list[tuple[str, str]]:
    path = duckdb_path(options, project.path)
    if path is not None and not path.exists():
        return []
    with open_warehouse(options, project.path) as warehouse:
        connections = warehouse.connections()
        return [table for table in warehouse.loaded() if _owner(table[0], connections) == options.schema]


def _owner(schema: str, connections: Iterable[str]) -> str | None:
    """Find whose schema this is: a connection's tables lie in its schema, and in those of its source schemas.

    >>> _owner("shop_eu", ["shop", "shop_eu"]), _owner("shop_us", ["shop", "shop_eu"]), _owner("other", ["shop"])
    ('shop_eu', 'shop', None)
    """
    owners = [name for name in connections if schema == name or schema.startswith(f"{name}_")]
    return max(owners, key=len, default=None)


def _drop(project: Project, tables: list[tuple[str, str]]) -> None:
    options = read_options(project.path)
    destination = open_destination(
        options.destination, folder=project.path, connection=options.schema, memory_mb=options.memory_mb
    )
    try:
        destination.open()
        for schema, name in tables:
            table = destination.describe_table(schema, name)
            if table is not None:
                destination.drop_table(table)
        destination.commit("{}")
    finally:
        destination.close()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
