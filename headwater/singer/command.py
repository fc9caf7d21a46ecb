"""The command `target-headwater`: a tap's messages in on standard input, its STATE out on standard output."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from headwater import __version__
from headwater.errors import ConfigurationError, HeadwaterError

NAME = "target-headwater"
DESCRIPTION = "Loads Singer streams into DuckDB or Postgres; a STATE goes out in the commit of its rows, or not at all."
CAPABILITIES = ["about", "activate-version", "batch", "hard-delete", "record-metadata", "schema-evolution"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "sources", multiple=True, metavar="FILE|ENV", help="A JSON file with settings, or ENV.")
@click.option("--input", "file", type=click.Path(path_type=Path), help="Read messages from a file instead.")
@click.option("--about", is_flag=True, help="Say what the target can do, and its settings.")
@click.option("--format", "form", type=click.Choice(["json", "markdown"]), help="How --about writes it.")
@click.version_option(__version__, message=f"{NAME} v%(version)s")
def command(sources: tuple[str, ...], file: Path | None, about: bool, form: str | None) -> None:
    """Load what a Singer tap writes.

    Its messages come in on standard input, its STATE goes out on standard output as soon as the records before it
    are committed:

        tap-x --config tap.json | target-headwater --config target.json >> state.jsonl
    """
    if about:
        click.echo(_about(form))
        return
    sys.exit(_run(sources, file))


def main() -> None:
    """Run the command; exit 0 done, 1 failed, 2 wrong usage, 130 and 143 interrupted."""
    command.main(prog_name=NAME)


def _run(sources: tuple[str, ...], file: Path | None) -> int:
    from headwater.interrupts import Interrupts
    from headwater.log import redact, use_sink
    from headwater.singer.input import Lines
    from headwater.singer.settings import read_settings
    from headwater.singer.target import load
    from headwater.sync import Interrupted

    use_sink(lambda level, message: _say(level.name, message))
    with Interrupts() as interrupts:
        try:
            settings = read_settings(sources, os.environ)
            redact.learn({name: str(value) for name, value in asdict(settings).items()})
            result = load(settings, Lines(_descriptor(file)), _write_state)
        except (Interrupted, KeyboardInterrupt):
            return _interrupted(interrupts.exit_code)
        except (HeadwaterError, OSError) as error:
            return _failed(error)
    if result.status == "interrupted":
        return _interrupted(interrupts.exit_code)
    if result.error is not None:
        return _failed(result.error)
    rows = ", ".join(f"{table} {count:,}" for table, count in result.progress.rows.items()) or "none"
    _say("INFO", f"rows: {rows}; commits: {result.progress.commits:,}; in {result.seconds:.1f} s")
    return 0


def _descriptor(file: Path | None) -> int:
    """Open what the messages come from."""
    if file is not None:
        return os.open(file, os.O_RDONLY)
    if sys.stdin is None:
        raise ConfigurationError("standard input is closed", hint="Pipe a tap into the target, or give --input FILE.")
    return sys.stdin.fileno()


def _write_state(value: Any) -> None:
    """Give a STATE to whoever runs the pipe."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _interrupted(exit_code: int) -> int:
    _say("ERROR", "interrupted; what came after the last commit is not loaded, and the tap sends it again")
    sys.stderr.flush()
    # The thread that reads the tap waits for it.
    os._exit(exit_code)


def _failed(error: BaseException) -> int:
    if isinstance(error, HeadwaterError | OSError):
        _say("ERROR", str(error))
    else:
        _say("ERROR", "".join(traceback.format_exception(error)).rstrip())
    return 1


def _say(level: str, message: str) -> None:
    """Write a line of the log: standard output is the STATE's alone."""
    from headwater.log import printable, redact

    click.echo(f"{level:<8} {printable(redact(message))}", err=True)


def _about(form: str | None) -> str:
    from headwater.singer.settings import ENVIRONMENT_PREFIX, settings_schema

    about = {
        "name": NAME,
        "description": DESCRIPTION,
        "version": __version__,
        "capabilities": CAPABILITIES,
        "env_var_prefix": ENVIRONMENT_PREFIX,
        "settings": settings_schema(),
    }
    if form == "json":
        return json.dumps(about, indent=2)
    heading, bullet = ("## ", "- ") if form == "markdown" else ("", "  ")
    lines = [f"{'# ' if form else ''}{NAME} {__version__}", "", DESCRIPTION, "", f"{heading}Capabilities", ""]
    lines += [f"{bullet}{each}" for each in CAPABILITIES]
    lines += ["", f"{heading}Settings", ""]
    for name, setting in settings_schema()["properties"].items():
        default = f"; default {json.dumps(setting['default'])}" if "default" in setting else "; required"
        lines.append(f"{bullet}{name} ({setting['type']}{default}): {setting['description']}")
    return "\n".join(lines)
