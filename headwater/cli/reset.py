"""`headwater reset`: remove what syncs have left in a project."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from headwater.cli.arguments import project_argument, yes_option
from headwater.cli.asking import confirmed
from headwater.cli.crash_report import FOLDER, crash_reports
from headwater.cli.warehouse import warehouse_file
from headwater.log import printable, redact
from headwater.options import read_options
from headwater.project import Project

LOCK = "sync.lock"


@click.command("reset")
@project_argument
@yes_option
def command(project: Path, sure: bool) -> None:
    """Remove the tables, the state and the history that syncs have left in PROJECT; the next sync starts afresh.

    Other files stay, also in the folder files/.
    """
    folder = Project(project)
    if not confirmed(f"Remove all tables and the state of {folder.path}?", sure=sure, default=True):
        click.echo("nothing was removed")
        return
    with folder.locked():
        for path in leftovers(folder):
            _remove(path)
    _remove_if_empty(folder.files)
    _remove_if_empty(folder.path / FOLDER)
    click.echo("reset successful")
    elsewhere = _elsewhere(folder)
    if elsewhere is not None:
        text = f"Note: the tables are not in {folder.files}, and stay: {elsewhere}"
        click.echo(printable(redact(text)))


def leftovers(project: Project) -> list[Path]:
    """List what syncs have left, the lock last: until then no other sync may begin."""
    warehouse = warehouse_file(read_options(project.path), project.path)
    databases = {project.files / "warehouse.db"}
    if warehouse is not None and warehouse.resolve().is_relative_to(project.files.resolve()):
        databases.add(warehouse)
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


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _elsewhere(project: Project) -> str | None:
    """Name the destination, when it is not in the project's files."""
    options = read_options(project.path)
    path = warehouse_file(options, project.path)
    if path is not None and path.resolve().is_relative_to(project.files.resolve()):
        return None
    return options.destination
