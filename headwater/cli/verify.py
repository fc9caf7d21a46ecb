"""`headwater verify`: prove that a connector resumes from each of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.cli.arguments import json_option, project_argument
from headwater.log import Level, Logging, printable, redact, shortened

if TYPE_CHECKING:
    from headwater.verifying import Difference, Restart, Verdict

SHOWN = 5
VALUE_CHARACTERS = 200
RECORDING = Path("files") / "recording"
# What `--record` and `--replay` mean without a folder.
_DEFAULT = Path("PROJECT") / RECORDING


@click.command("verify")
@project_argument
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Use this configuration file.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    is_flag=False,
    flag_value=str(_DEFAULT),
    help="Ask the source once, keep its HTTP answers in this folder, files/recording if none is named, without "
    "secrets, and go on as with --replay.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, file_okay=False),
    is_flag=False,
    flag_value=str(_DEFAULT),
    help="Ask the recording instead of the source; the network is not used.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="From so many checkpoints, run to the end; from the others, to the next one.",
)
@click.option("--ignore", "ignored", multiple=True, metavar="TABLE.COLUMN", help="Do not compare this column.")
@json_option
def command(
    project: Path,
    configuration: Path | None,
    record: Path | None,
    replay: Path | None,
    sample: int,
    ignored: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run the connector in PROJECT into memory, then again from each of its checkpoints: the tables must be the same.

    Nothing of the project is changed; --record writes its folder. A source that changes while this runs is told
    apart: then nothing is proved. Examples:

    \b
        headwater verify examples/quickstart/hello
        headwater verify . --record
    """
    from headwater.cli.author_call import author_call
    from headwater.cli.failure import author_traceback
    from headwater.cli.one_sync import leave
    from headwater.compat import fivetran
    from headwater.configuration import find_configuration, read_configuration
    from headwater.configuration_values import usable_values
    from headwater.interrupts import Interrupts
    from headwater.project import Project
    from headwater.sync import Interrupted
    from headwater.verifying import record as record_source
    from headwater.verifying import verify

    if record is not None and replay is not None:
        raise click.UsageError("--record asks the source, --replay does not: give one of them")
    folder = Project(project)
    recording = _recording(folder.path, record or replay)
    _ = folder.connector_file  # without one, that nothing is configured says little
    fivetran.set_environment()
    values = usable_values(read_configuration(find_configuration(folder.path, configuration)))
    redact.learn(values)
    Logging.LOG_LEVEL = Level.CRITICAL

    def verdict() -> Verdict:
        if record is not None and recording is not None:
            count = record_source(folder, values, recording, trace_of=author_traceback)
            click.echo(f"{count} answers are kept in {recording}", err=True)
        return verify(folder, values, sample=sample, ignored=ignored, recording=recording, trace_of=author_traceback)

    with Interrupts() as interrupts:
        try:
            found = author_call(folder, verdict)
        except (Interrupted, KeyboardInterrupt):
            leave(interrupts.exit_code)
    lines = [json.dumps(_as_json(found), indent=2)] if as_json else _lines(found)
    click.echo(redact("\n".join(lines)))
    leave(0 if found.resumes else 1)


def _recording(project: Path, given: Path | None) -> Path | None:
    """Find the folder of the recording.

    Errors: click.UsageError for the folder of a project, which `--record PROJECT` would take for the recording's.
    """
    if given is None:
        return None
    if given == _DEFAULT:
        return project / RECORDING
    if (given / "connector.py").exists():
        raise click.UsageError(
            f"{given} is a project, no recording: write `headwater verify {given} --record`, the project first"
        )
    return given


def _lines(verdict: Verdict) -> Iterator[str]:
    if not verdict.repeatable.same:
        yield "Nothing can be said: the whole sync, run twice from the start, does not give the same."
        yield from _why(verdict.repeatable)
        yield from _what_to_do(verdict.repeatable)
    elif not verdict.judged:
        assert verdict.later is not None
        yield f"Nothing can be said: started again from checkpoint {verdict.restarts[-1].checkpoint} it differs,"
        yield "but now the whole sync, run from the start, does not give the same any more either."
        yield from _why(verdict.later)
        yield from _what_to_do(verdict.later)
    elif verdict.resumes:
        yield _resumes(verdict)
    else:
        last = verdict.restarts[-1]
        yield f"The connector does not resume from checkpoint {last.checkpoint} of {verdict.checkpoints}."
        yield printable(f"  state: {shortened(last.state)}")
        yield from _why(last)


def _resumes(verdict: Verdict) -> str:
    if not verdict.checkpoints:
        return "The connector makes no checkpoint: cut off, it begins anew, and gives the same tables."
    count = "1 checkpoint" if verdict.checkpoints == 1 else f"{verdict.checkpoints} checkpoints"
    tried = len(verdict.restarts) + verdict.steps
    started = "the start" + (f" and from {tried} of them" if verdict.checkpoints > 1 else " and from it") * bool(tried)
    text = f"The connector resumes: {count}; started again from {started}, it gives the same tables."
    if verdict.steps:
        text += (
            f"\nFrom {verdict.steps} of them it ran to the next checkpoint only, and found the same there; "
            f"--sample {tried} runs all to the end."
        )
    return text


def _what_to_do(restart: Restart) -> Iterator[str]:
    yield "  The source changes while this runs, or the connector makes values up, such as the time. Take a source"
    yield "  that stands still, or a recording of it: --record."
    if restart.differences and not restart.more and all(each.what == "changed" for each in restart.differences):
        names = sorted({f"{each.table}.{column}" for each in restart.differences for column in each.columns})
        yield "  Or leave out what differs: " + " ".join(f"--ignore {name}" for name in names)


def _why(restart: Restart) -> Iterator[str]:
    if restart.failure is not None:
        yield printable(f"  started again, the sync fails: {restart.failure.message}")
        if restart.failure.trace:
            yield printable("\n".join(f"  {line}" for line in restart.failure.trace.split("\n")))
    for difference in restart.differences[:SHOWN]:
        yield printable(f"  {difference.table}: {_said(difference)}")
    more = len(restart.differences[SHOWN:]) + restart.more
    if more:
        yield f"  and {more} more"


def _said(difference: Difference) -> str:
    expected, found = (_row(row) for row in (difference.expected, difference.found))
    return {
        "lost": f"lost: {expected}",
        "extra": f"a row too many: {found}",
        "changed": f"changed: {expected}, started again: {found}",
        "column": f"another type: {expected}, started again: {found}",
    }[difference.what]


def _row(row: Mapping[str, object] | None) -> str:
    """Write a row for a person: values that fill the screen are cut; --json has them whole."""
    if row is None:
        return "null"
    return json.dumps({name: _cut(value) for name, value in row.items()}, default=str, ensure_ascii=False)


def _cut(value: object) -> object:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return value if len(text) <= VALUE_CHARACTERS else shortened(text, VALUE_CHARACTERS)


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "resumes": verdict.resumes,
        "checkpoints": verdict.checkpoints,
        "repeatable": verdict.judged,
        "to_the_next_checkpoint": verdict.steps,
        "restarts": [_restart_as_json(each) for each in (verdict.repeatable, *verdict.restarts)],
        "from_the_start_afterwards": None if verdict.later is None else _restart_as_json(verdict.later),
    }


def _restart_as_json(restart: Restart) -> dict[str, object]:
    return {
        "checkpoint": restart.checkpoint,
        "same": restart.same,
        "error": None if restart.failure is None else restart.failure.message,
        "differences": [
            {"table": each.table, "what": each.what, "expected": _values(each.expected), "found": _values(each.found)}
            for each in restart.differences
        ],
        "more_differences": restart.more,
    }


def _values(row: Mapping[str, object] | None) -> dict[str, object] | None:
    """Give a row as JSON has it: what JSON has not is written as text, NaN too."""
    if row is None:
        return None
    return {name: value if _is_json(value) else str(value) for name, value in row.items()}


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
