"""`headwater version`: print the version."""

from __future__ import annotations

import click

import headwater


@click.command("version")
def command() -> None:
    """Print the version. Example:

    \b
        headwater version
    """
    click.echo(f"headwater {headwater.__version__}")
