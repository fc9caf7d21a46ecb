"""`headwater version`: print the version."""

from __future__ import annotations

import os

import click

import headwater
from headwater.compiled import PURE_PYTHON, compiled


@click.command("version")
def command() -> None:
    """Print the version, and whether the compiled part is missing. Example:

    \b
        headwater version
    """
    click.echo(f"headwater {headwater.__version__}")
    if compiled() is None:
        why = f"{PURE_PYTHON} is set" if os.environ.get(PURE_PYTHON) else "it was installed without a C compiler"
        click.echo(f"without its compiled part: rows are taken more slowly, with the same results ({why})")
