"""`headwater runs`: what the syncs of a project did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.cli.aligned import cells, print_aligned
from headwater.cli.arguments import json_option, project_argument
from headwater.log import printable

if TYPE_CHECKING:
    from headwater.runs import Run


@click.command("runs")
@project_argument
@click.option("--run", "number", type=click.IntRange(min=1), help="Show this sync in detail; `runs 3` is enough.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many syncs to list.")
@json_option
def command(project: Path, number: int | None, limit: int, as_json: bool) -> None:
    """List the syncs of PROJECT, newest first, or show one of them in detail.

    Examples:

        headwater runs

        headwater runs 3

        headwater runs shop --run 3

        headwater runs --json | jq '.[0].error'
    """
    # Late, so that help loads neither SQLite nor what a sync needs.
    from dataclasses import asdict

    from headwater.past_runs import past_run, past_runs
    from headwater.project import Project

    if number is None and project.name.isdecimal() and not project.exists():
        project, number = Path(), int(project.name)
    folder = Project(project)
    if number is not None:
        run = past_run(folder, number)
        if as_json:
            click.echo(json.dumps(asdict(run), indent=2))
        else:
            click.echo(printable("\n".join(_details(run))))
        return
    runs = past_runs(folder)[:limit]
    if as_json:
        click.echo(json.dumps([asdict(run) for run in runs], indent=2))
    elif runs:
        print_aligned(
            [_HEAD, *map(_line, runs)],
            header=True,
            otherwise="see a sync whole with `headwater runs NUMBER`",
            first_out=[_HEAD.index(name) for name in _FIRST_OUT],
        )
    else:
        click.echo("There was no sync yet.")


_HEAD = ["run", "started", "seconds", "status", "rows", "checkpoints", "state", "warnings", "error"]
# On a narrow terminal: whether a sync failed, and of what, is what someone looks for.
_FIRST_OUT = ["state", "checkpoints", "seconds", "warnings", "rows", "started"]


def _line(run: Run) -> list[str]:
    return cells(
        [
            str(run.id),
            run.started,
            _seconds(run),
            run.status,
            ", ".join(f"{table} {rows:,}" for table, rows in run.rows.items()) or "0",
            str(run.counts.get("checkpoints", 0)) if run.ended else "",
            _bytes(run.state_bytes),
            str(len(run.warnings) or ""),
            (run.error or "").partition("\n")[0],
        ]
    )


def _details(run: Run) -> Iterator[str]:
    yield f"run        {run.id}"
    yield f"status     {run.status}"
    yield f"started    {run.started}"
    yield f"ended      {run.ended or '–'}"
    yield f"seconds    {_seconds(run) or '–'}"
    yield f"state      {_bytes(run.state_bytes) or '–'}"
    yield from _listed("operations", [f"{kind} {count:,}" for kind, count in run.counts.items()])
    yield from _listed("rows", [f"{table} {rows:,}" for table, rows in run.rows.items()])
    yield from _listed("warnings", run.warnings)
    yield from _listed("error", run.error.splitlines() if run.error else [])


def _listed(name: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield name
        yield from (f"  {line}" for line in lines)


def _seconds(run: Run) -> str:
    return "" if run.seconds is None else f"{run.seconds:,.1f}"


def _bytes(size: int | None) -> str:
    return "" if size is None else f"{size:,} bytes"
