"""`headwater debug`: run a connector once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from headwater import __version__
from headwater.cli.printer import Printer
from headwater.compat import fivetran
from headwater.configuration import check_configuration, find_configuration, read_configuration
from headwater.connector import Connector
from headwater.errors import ConfigurationError
from headwater.log import Level, Logging, redact
from headwater.project import Project
from headwater.project_sync import ProjectSync, Request
from headwater.state import dump_state, load_state
from headwater.sync import Interrupted, Limits

# What a connector finds in its environment on Fivetran, with the values of a local run (rule E-01).
ENVIRONMENT = {
    "FIVETRAN_CONNECTION_ID": "test_connection_id",
    "FIVETRAN_DEPLOYMENT_MODEL": "local_debug",
    "FIVETRAN_GROUP_ID": "test_group_id",
    "FIVETRAN_CONNECTION_NAME": "test_connection_name",
}


@click.command("debug")
@click.argument("project", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Use this configuration file.")
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), help="Start from this state.")
@click.option("--naming", type=click.Choice(["FIVETRAN", "SOURCE"], case_sensitive=False), help="How to name things.")
@click.option("--destination", help="Where to load: duckdb:PATH or memory:.")
@click.option("--strict", is_flag=True, default=None, help="Coerce values exactly as Fivetran's SDK 2.13.1.")
@click.option("--full-resync", is_flag=True, help="Start from an empty state; rows not sent again are marked deleted.")
@click.option("--accept-older", is_flag=True, help="Go on although the destination is older than the last sync.")
@click.option("--max-rows", type=click.IntRange(min=1), help="End at the first checkpoint after this many rows.")
@click.option("--max-seconds", type=click.FloatRange(min=0), help="End at the first checkpoint after this time.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How to print messages.")
@click.option("--debug", "verbose", is_flag=True, help="Print headwater's own part of a traceback too.")
def command(project: Path, configuration: Path | None, **flags: Any) -> None:
    """Run the connector in PROJECT once and load what it emits into files/warehouse.db.

    The second run goes on where the first one ended. Example:

        headwater debug examples/quickstart/hello
    """
    printer = Printer(flags.pop("log_format"), verbose=flags.pop("verbose"))
    Logging.LOG_LEVEL = Level.DEBUG
    folder = Project(project)
    with printer.failures():
        prepare(folder)
        values = read_configuration(find_configuration(folder.path, configuration))
        run_and_print(folder, None, values, request(**flags), printer)


def request(
    state: Path | None = None,
    full_resync: bool = False,
    accept_older: bool = False,
    max_rows: int | None = None,
    max_seconds: float | None = None,
    **options: Any,
) -> Request:
    """Put the flags of a sync together."""
    return Request(
        options={name: value for name, value in options.items() if value is not None},
        state=read_state(state) if state else None,
        full_resync=full_resync,
        accept_older=accept_older,
        limits=Limits(max_rows, max_seconds),
    )


def read_state(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the state cannot be read: {error}") from error
    load_state(text, str(path))
    return text


def debug_connector(
    connector: Connector,
    path: Path,
    *,
    configuration: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    naming: str | None,
    log_level: Level | int,
) -> None:
    """Do what `headwater debug` does, for `connector.debug()`."""
    printer = Printer("text", verbose=False)
    Logging.LOG_LEVEL = log_level
    folder = Project(path)
    with printer.failures():
        prepare(folder)
        if configuration is None:
            values = read_configuration(find_configuration(folder.path, None))
        else:
            values = check_configuration(configuration, "the configuration")
        options = {"naming": naming} if naming else {}
        start = None if state is None else dump_state(dict(state))
        run_and_print(folder, connector, values, Request(options=options, state=start), printer)


def prepare(project: Project) -> None:
    """Make the process look to a connector as it would on Fivetran."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    fivetran.install()


def run_and_print(
    project: Project, connector: Connector | None, configuration: dict[str, str], request: Request, printer: Printer
) -> None:
    """Run one sync and print how it went; exits 1 when it failed, 130 or 143 when it was interrupted."""
    redact.learn(configuration)
    printer.line(f"debugging connector at: {project.path}")
    printer.line(f"Version: headwater {__version__}")
    sync = ProjectSync(project, configuration, request, printer)
    with interrupts() as interrupt:
        result = sync.run(connector)
    printer.summary(result)
    if result.status != "succeeded":
        leave(interrupt.exit_code if result.status == "interrupted" else 1)


class interrupts:  # noqa: N801 - used like a function
    """Turns the first Ctrl-C or SIGTERM into `Interrupted` in the main thread; the second ends the process."""

    def __init__(self) -> None:
        self.exit_code = 130

    def __enter__(self) -> interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        self.exit_code = 128 + number
        raise Interrupted

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave(exit_code: int) -> NoReturn:
    """End the process without waiting for threads the connector may have left running."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
