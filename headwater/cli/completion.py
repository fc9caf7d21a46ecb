"""`headwater completion`: what lets a shell complete commands, flags and folders."""

from __future__ import annotations

import sys
from pathlib import Path

import click

SHELLS = ["bash", "zsh", "fish"]
# Where click, in `headwater.cli.main`, looks for what a shell asks.
VARIABLE = "_HEADWATER_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script for SHELL that lets TAB complete commands, flags and folders.

    It is for the command that prints it: `fivetran completion bash`, after `headwater alias`, is for fivetran.
    Put one of these lines into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish:

        eval "$(headwater completion bash)"

        eval "$(headwater completion zsh)"

        headwater completion fish | source
    """
    from click.shell_completion import get_completion_class

    from headwater.cli import group

    kind = get_completion_class(shell)
    assert kind is not None
    name = "fivetran" if Path(sys.argv[0]).name == "fivetran" else "headwater"
    click.echo(kind(group, {}, name, VARIABLE).source(), nl=False)
