"""Calls that run an author's code outside a sync: its form, its tests, its import."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO, TypeVar, cast

import click

from headwater.errors import ConfigurationError, TransientError
from headwater.log import printable, redact
from headwater.project import Project

T = TypeVar("T")


def author_call(project: Project, call: Callable[[], T]) -> T:
    """Make a call; when the author's code fails, print its part of the traceback and what to do, and exit 1.

    What the author's code prints goes to sys.stderr: standard output is for what was asked for.

    project  the secrets of its configuration are not printed
    """
    _learn_secrets(project.path / "configuration.json")
    try:
        with screened():
            return call()
    except (ConfigurationError, TransientError, click.ClickException, click.Abort):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - connector.py may raise anything when it is imported
        from headwater.cli.failure import explained

        failure = explained(error)
        lines = [failure.trace, f"Error: {failure.sentence}", failure.hint]
        click.echo(printable(redact("\n".join(line for line in lines if line))), err=True)
        sys.exit(1)


@contextmanager
def screened() -> Iterator[None]:
    """Let the author's own prints and logging through without secrets and control characters."""
    from headwater.cli.author_output import AuthorOutput

    stderr = sys.stderr

    def show(text: str, *, ended: bool = True) -> None:
        click.echo(printable(redact(text)), file=stderr, nl=ended)

    output = AuthorOutput(stderr, show, lambda text: show(text, ended=False))
    with redirect_stdout(cast(TextIO, output)), redirect_stderr(cast(TextIO, output)):
        try:
            yield
        finally:
            output.finish()


def _learn_secrets(path: Path) -> None:
    if not path.is_file():
        return  # a pipe can be read only once, and not here
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return  # the call itself says so, if it needs a configuration
    if isinstance(values, dict):
        redact.learn(values)
