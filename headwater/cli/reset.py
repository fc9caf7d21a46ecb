"""`headwater reset`: remove what syncs have left in a project."""

from __future__ import annotations

from pathlib import Path

import click

from headwater.cli.arguments import project_argument, yes_option
from headwater.cli.asking import confirmed
from headwater.log import printable, redact
from headwater.options import read_options
from headwater.project import Project


@click.command("reset")
@project_argument
@yes_option
def command(project: Path, sure: bool) -> None:
    """Remove the tables, the state and the history that syncs have left in PROJECT; the next sync starts afresh.

    Other files stay, also in the folder files/, and so do tables of other connections and of other programs.
    Example:

        headwater reset --yes
    """
    from headwater.resetting import leftovers, reset

    folder = Project(project)
    tables = leftovers(folder).tables
    where = printable(redact(read_options(folder.path).destination))
    also = f" {_tables(len(tables))} in {where} included." if tables else ""
    if not confirmed(f"Remove all tables and the state of {folder.path}?{also}", sure=sure, default=True):
        click.echo("nothing was removed")
        return
    done = reset(folder)
    click.echo("reset successful")
    if done.tables:
        click.echo(f"{_tables(len(done.tables))} removed from {where}")
    if done.stay is not None:
        click.echo(printable(redact(f"Note: the tables are not in {folder.files}, and stay: {done.stay}")))


def _tables(count: int) -> str:
    return "1 table" if count == 1 else f"{count} tables"
