"""The `headwater` command: one module per subcommand, imported when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from headwater.errors import HeadwaterError

# Subcommand to its one-line help, so that `headwater --help` need not import them all.
COMMANDS = {
    "debug": "Run a connector once, into files/warehouse.db.",
    "show": "Look at the tables of the last sync.",
    "reset": "Remove what syncs have left in a project.",
    "python": "Run a script with fivetran_connector_sdk meaning headwater.",
    "version": "Print the version.",
    "help": "Explain a command.",
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
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="headwater", message="headwater %(version)s")
def group() -> None:
    """Run connectors written for Fivetran's Connector SDK, on your own machine into your own warehouse.

    A connector is one file, connector.py, with schema(configuration) and update(configuration, state).
    """


def main() -> None:
    """Run the command line; exit 0 done, 1 failed, 2 wrong usage."""
    try:
        group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(1)
    except HeadwaterError as error:
        from headwater.log import printable, redact

        click.echo(f"Error: {printable(redact(str(error)))}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        sys.stdout = None  # type: ignore[assignment]  # keeps the interpreter from flushing it again
        sys.exit(1)
