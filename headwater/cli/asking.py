"""Questions before something is changed, and what happens where nobody can answer."""

from __future__ import annotations

import sys

import click

yes_option = click.option("--yes", "--non-interactive", "-y", "sure", is_flag=True, help="Do not ask.")


def confirmed(question: str, *, sure: bool, default: bool = False) -> bool:
    """Ask, unless `sure`.

    Errors: click.UsageError where there is no terminal.
    """
    if sure:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: say --yes")
    return click.confirm(question, default=default)
