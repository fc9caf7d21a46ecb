"""`headwater debug`: run a connector once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headwater.cli.arguments import project_argument
from headwater.log import Level, Logging

if TYPE_CHECKING:
    from headwater.connector import Connector
    from headwater.project_sync import Request


@click.command("debug")
@project_argument
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Use this configuration file.")
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), help="Start from this state.")
@click.option("--naming", type=click.Choice(["FIVETRAN", "SOURCE"], case_sensitive=False), help="How to name things.")
@click.option("--destination", help="Where to load: duckdb:PATH, postgresql://… or memory:.")
@click.option("--strict", is_flag=True, default=None, help="Coerce values exactly as Fivetran's SDK 2.13.1.")
@click.option("--full-resync", is_flag=True, help="Start from an empty state; rows not sent again are marked deleted.")
@click.option("--accept-older", is_flag=True, help="Go on although the destination is older than the last sync.")
@click.option("--max-rows", type=click.IntRange(min=1), help="End at the first checkpoint after this many rows.")
@click.option("--max-seconds", type=click.FloatRange(min=0), help="End at the first checkpoint after this time.")
@click.option(
    "--max-idle-seconds", type=click.FloatRange(min=0, min_open=True), help="Fail when nothing is emitted for so long."
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How to print messages.")
@click.option("--debug", "verbose", is_flag=True, help="Print headwater's own part of a traceback too.")
def command(project: Path, configuration: Path | None, **flags: Any) -> None:
    """Run the connector in PROJECT once and load what it emits into files/warehouse.db.

    The second run goes on where the first one ended. Example:

        headwater debug examples/quickstart/hello
    """
    # Late, so that `headwater debug --help` loads neither DuckDB nor Arrow.
    from headwater.cli.one_sync import leave, run_and_print
    from headwater.cli.printer import Printer
    from headwater.configuration import find_configuration, find_named, read_configuration
    from headwater.configuration_values import usable_values

    if flags["state"] is not None:
        flags["state"] = find_named(project, flags["state"])
    Logging.LOG_LEVEL = Level.DEBUG
    printer = Printer(flags.pop("log_format"), verbose=flags.pop("verbose"), project=project.resolve())
    exit_code = run_and_print(
        project,
        None,
        lambda found: usable_values(read_configuration(find_configuration(found.path, configuration))),
        lambda: request(**flags),
        printer,
    )
    leave(exit_code)


def request(
    state: Path | None = None,
    full_resync: bool = False,
    accept_older: bool = False,
    max_rows: int | None = None,
    max_seconds: float | None = None,
    max_idle_seconds: float | None = None,
    **options: Any,
) -> Request:
    """Put the flags of a sync together; the rest are options that win over headwater.toml."""
    from headwater.cli.one_sync import read_state
    from headwater.project_sync import Request
    from headwater.sync import Limits

    return Request(
        options={name: value for name, value in options.items() if value is not None},
        state=read_state(state) if state else None,
        full_resync=full_resync,
        accept_older=accept_older,
        limits=Limits(max_rows, max_seconds, max_idle_seconds),
    )


def debug_connector(
    connector: Connector,
    path: Path,
    *,
    configuration: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    naming: str | None,
    log_level: Level | int,
) -> None:
    """Do what `headwater debug` does, for `connector.debug()`.

    Errors: SystemExit when the sync did not succeed.
    """
    from headwater.cli.one_sync import run_and_print
    from headwater.cli.printer import Printer
    from headwater.configuration import check_configuration, find_configuration, read_configuration
    from headwater.configuration_values import usable_values
    from headwater.project_sync import Request
    from headwater.state import dump_state

    Logging.LOG_LEVEL = log_level
    exit_code = run_and_print(
        path,
        connector,
        lambda found: usable_values(
            read_configuration(find_configuration(found.path, None))
            if configuration is None
            else check_configuration(configuration, "the configuration")
        ),
        lambda: Request(
            options={"naming": naming} if naming else {},
            state=None if state is None else dump_state(dict(state)),
        ),
        Printer("text", verbose=False, project=path.resolve()),
    )
    if exit_code:
        raise SystemExit(exit_code)
