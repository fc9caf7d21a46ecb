"""`python -m headwater.testing FOLDER`: play recorded answers until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

import click

from headwater.errors import ConfigurationError
from headwater.testing.replay import ReplayServer


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: one the system chooses.")
def main(folder: Path, port: int) -> None:
    """Answer on 127.0.0.1 what FOLDER/routes.toml has recorded, as the API itself would."""
    try:
        with ReplayServer(folder, port=port) as server:
            click.echo(f"{server.url} plays {folder}; Ctrl-C ends it")
            Event().wait()
    except KeyboardInterrupt:
        click.echo()
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m headwater.testing")
