"""`python -m headwater.testing`: play the recorded answers of an API, or record them."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from threading import Event

import click

from headwater.configuration import read_configuration
from headwater.configuration_values import usable_values
from headwater.destinations import open_destination
from headwater.errors import HeadwaterError
from headwater.options import Options
from headwater.testing.partner_inputs import SCHEMA, described_lines, play_file
from headwater.testing.recorder import RecordingServer
from headwater.testing.replay import ReplayServer

port_option = click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: one the system chooses.")


class _PlayWhatIsNoCommand(click.Group):
    """`FOLDER` alone means `play FOLDER`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["play", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_PlayWhatIsNoCommand)
def main() -> None:
    """Play the recorded answers of an API on 127.0.0.1, until Ctrl-C, or record them.

    FOLDER alone is `play FOLDER`.
    """


@main.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--destination", help="Where to play FILE: duckdb:PATH, postgresql://… or memory:.")
@click.option("--schema", default=SCHEMA, show_default=True, help="The schema FILE's tables are made in.")
@port_option
def play(path: Path, destination: str | None, schema: str, port: int) -> None:
    """Answer what PATH/routes.toml has recorded, as the API itself would.

    Or, where PATH is an input file of Fivetran's destination tester, play it against a destination.
    """
    if path.is_dir():
        with ReplayServer(path, port=port) as server:
            click.echo(f"{server.url} plays {path}; Ctrl-C ends it")
            _wait()
    elif destination is None:
        raise click.UsageError(f"{path} is a file: name a --destination to play it against")
    else:
        opened = open_destination(destination, folder=Path.cwd(), connection=schema, memory_mb=Options().memory_mb)
        click.echo("\n".join(described_lines(play_file(path, opened, schema=schema))))


@main.command()
@click.argument("url")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Remove its secrets, too.")
@port_option
def record(url: str, folder: Path, configuration: Path | None, port: int) -> None:
    """Pass requests on to the live API at URL, and write its answers to FOLDER at the end, without secrets."""
    values = usable_values(read_configuration(configuration)) if configuration else {}
    with RecordingServer(url, folder, configuration=values, port=port) as server:
        click.echo(f"{server.url} records {url}; Ctrl-C ends it")
        _wait()
    count = len(server.recording)
    click.echo(f"{count} answers are in {folder}" if count != 1 else f"1 answer is in {folder}")


def _wait() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        Event().wait()
    click.echo()


if __name__ == "__main__":
    try:
        main(prog_name="python -m headwater.testing")
    except HeadwaterError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
