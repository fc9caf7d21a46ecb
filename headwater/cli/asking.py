"""Questions before something is changed, and what happens where nobody can answer."""

from __future__ import annotations

import sys

import click


def confirmed(question: str, *, sure: bool, default: bool = False) -> bool:
    """Ask, unless `sure`.

    Errors: click.UsageError where there is no terminal.
    """
    if sure:
        return True
    require_terminal("there is no terminal to ask on: say --yes")
    return click.confirm(question, default=default)


def require_terminal(otherwise: str) -> None:
    """Refuse to go on where nobody can answer.

    Errors: click.UsageError that says `otherwise`.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(otherwise)
