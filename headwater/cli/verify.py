"""`headwater verify`: prove that a connector resumes from each of its checkpoints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from headwater.cli.arguments import json_option, project_argument
from headwater.log import Level, Logging, printable, redact

if TYPE_CHECKING:
    from headwater.verifying import Difference, Restart, Verdict

SHOWN = 5


@click.command("verify")
@project_argument
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Use this configuration file.")
@json_option
def command(project: Path, configuration: Path | None, as_json: bool) -> None:
    """Run the connector in PROJECT into memory, then again from each of its checkpoints: the tables must be the same.

    Nothing of the project is changed. A source that changes while this runs is told apart: then nothing is proved.
    Example:

        headwater verify examples/quickstart/hello
    """
    from headwater.cli.author_call import author_call
    from headwater.cli.author_output import AuthorOutput
    from headwater.cli.one_sync import ENVIRONMENT, leave
    from headwater.configuration import find_configuration, read_configuration
    from headwater.configuration_values import usable_values
    from headwater.project import Project
    from headwater.verifying import verify

    folder = Project(project)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    values = usable_values(read_configuration(find_configuration(folder.path, configuration)))
    Logging.LOG_LEVEL = Level.CRITICAL
    # What the connector prints is not what is asked for here.
    printed = AuthorOutput(sys.stderr, lambda line: click.echo(printable(redact(line)), err=True))
    with redirect_stdout(cast(TextIO, printed)):
        verdict = author_call(folder, lambda: verify(folder, values))
    lines = [json.dumps(_as_json(verdict), indent=2)] if as_json else _lines(verdict)
    click.echo(redact("\n".join(lines)))
    leave(0 if verdict.resumes else 1)


def _lines(verdict: Verdict) -> Iterator[str]:
    count = "1 checkpoint" if verdict.checkpoints == 1 else f"{verdict.checkpoints} checkpoints"
    if not verdict.repeatable.same:
        yield "Nothing can be said: the whole sync, run twice from the start, does not give the same."
        yield from _why(verdict.repeatable)
        yield "  The source changes while this runs, or the connector makes values up, such as the time. Take a source"
        yield "  that stands still, or a recording of it."
        return
    if verdict.resumes:
        yield f"The connector resumes: {count}; started again from {_started(verdict)}, it gives the same tables."
        return
    first = verdict.restarts[-1]
    yield printable(f"The connector does not resume from checkpoint {first.checkpoint} of {verdict.checkpoints}.")
    yield printable(f"  state: {first.state}")
    yield from _why(first)


def _started(verdict: Verdict) -> str:
    return "the start" if not verdict.restarts else f"the start and from {len(verdict.restarts)} of them"


def _why(restart: Restart) -> Iterator[str]:
    if restart.error is not None:
        yield printable(f"  started again, the sync fails: {restart.error}")
    for difference in restart.differences[:SHOWN]:
        yield printable(f"  {difference.table}: {_said(difference)}")
    if len(restart.differences) > SHOWN:
        yield f"  and {len(restart.differences) - SHOWN} more"


def _said(difference: Difference) -> str:
    expected, found = (_row(row) for row in (difference.expected, difference.found))
    return {
        "lost": f"lost: {expected}",
        "extra": f"a row too many: {found}",
        "changed": f"changed: {expected}, started again: {found}",
        "column": f"another type: {expected}, started again: {found}",
    }[difference.what]


def _row(row: object) -> str:
    return json.dumps(row, default=str, ensure_ascii=False)


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "resumes": verdict.resumes,
        "checkpoints": verdict.checkpoints,
        "repeatable": verdict.repeatable.same,
        "restarts": [_restart_as_json(each) for each in (verdict.repeatable, *verdict.restarts)],
    }


def _restart_as_json(restart: Restart) -> dict[str, object]:
    return {
        "checkpoint": restart.checkpoint,
        "same": restart.same,
        "error": None if restart.error is None else str(restart.error),
        "differences": [
            {"table": each.table, "what": each.what, "expected": _values(each.expected), "found": _values(each.found)}
            for each in restart.differences
        ],
    }


def _values(row: Mapping[str, object] | None) -> dict[str, object] | None:
    """Give a row as JSON has it: what JSON has not is written as text, NaN too."""
    if row is None:
        return None
    return {name: value if _is_json(value) else str(value) for name, value in row.items()}


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
