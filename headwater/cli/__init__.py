"""The `headwater` command: one module per subcommand, imported when it is called."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import TYPE_CHECKING

import click

import headwater
from headwater.errors import HeadwaterError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Subcommand to its one-line help, so that `headwater --help` need not import them all.
COMMANDS = {
    "init": "Begin a project from a template.",
    "debug": "Run a connector once, into files/warehouse.db.",
    "check": "Say what will fail, without running it.",
    "configuration": "Enter the configuration, and test it.",
    "verify": "Prove that the connector resumes from each checkpoint.",
    "package": "Write the zip that Fivetran runs.",
    "deploy": "Bring the connector to Fivetran.",
    "show": "Look at the tables of the last sync.",
    "runs": "List the syncs of a project, or show one in detail.",
    "state": "Print the committed state, set it, clear it, or edit it.",
    "reset": "Remove what syncs have left in a project.",
    "alias": "Let `fivetran` mean headwater in this environment.",
    "python": "Run a script with fivetran_connector_sdk meaning headwater.",
    "completion": "Print what lets TAB complete commands in your shell.",
    "version": "Print the version.",
    "help": "Explain a command.",
}
# What people type from the habit of other tools.
SYNONYMS = {
    "run": "debug",
    "sync": "debug",
    "test": "debug",
    "tests": "debug",
    "lint": "check",
    "validate": "check",
    "configure": "configuration",
    "config": "configuration",
    "prove": "verify",
    "upload": "deploy",
    "ship": "deploy",
    "publish": "deploy",
    "zip": "package",
    "build": "package",
    "clean": "reset",
    "clear": "reset",
    "query": "show",
    "tables": "show",
    "new": "init",
    "create": "init",
    "template": "init",
    "history": "runs",
    "log": "runs",
    "logs": "runs",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"headwater.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing:  # a shell that completes a line wants no error in it
            require_command(args[0], ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        # Not by the group's own: that imports every command for its help.
        return [
            *complete_command(ctx, None, incomplete),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]


def complete_command(
    ctx: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem[str]]:
    """List the commands that begin with what was typed, for a shell."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]


def require_command(name: str, ctx: click.Context) -> None:
    """Refuse a word that is no command, naming the one that was probably meant.

    Errors: click.UsageError.
    """
    if name in COMMANDS:
        return
    if name.startswith("-"):
        raise click.NoSuchOption(name, ctx=ctx)
    near = near_miss(name)
    raise click.UsageError(f"unknown command {name!r}" + (f": did you mean {near!r}?" if near else ""), ctx)


def near_miss(name: str) -> str | None:
    """Find the command that is meant by a word that is none.

    >>> near_miss("debgu"), near_miss("Reset"), near_miss("run"), near_miss("xyz")
    ('debug', 'reset', 'debug', None)
    """
    import difflib

    name = name.lower()
    near = difflib.get_close_matches(name, [*COMMANDS, *SYNONYMS], n=1)
    return SYNONYMS.get(near[0], near[0]) if near else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(headwater.__version__, message="headwater %(version)s")
def group() -> None:
    """Run connectors written for Fivetran's Connector SDK, on your own machine into your own warehouse.

    A connector is one file, connector.py, with schema(configuration) and update(configuration, state).
    """


def main() -> None:
    """Run the command line; exit 0 done, 1 failed, 2 wrong usage, 130 and 143 interrupted."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name or value that the terminal's encoding lacks must not end a sync.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = group.main(prog_name="headwater", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        # Ctrl-C where no sync was running.
        sys.exit(130)
    except HeadwaterError as error:
        sys.exit(_said(error.message, error.hint))
    except OSError as error:
        from headwater.cli.failure import system_error

        sys.exit(_said(system_error(error), None))
    sys.exit(code if isinstance(code, int) else 0)


def _open_closed_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr an empty one.

    Python has None in their place, and the next file that is opened would get the number: what is printed would be
    written into a database.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free is the one that is missing.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end


def _said(message: str, hint: str | None) -> int:
    """Print an error; give the exit code."""
    from headwater.log import printable, redact

    text = f"Error: {message}" + (f"\n{hint}" if hint else "")
    click.echo(printable(redact(text)), err=True)
    return 1
