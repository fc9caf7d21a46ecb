"""`headwater help`: explain a command."""

from __future__ import annotations

import click

from headwater.cli import complete_command, group, require_command


@click.command("help")
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=complete_command)
@click.pass_context
def command(ctx: click.Context, name: str | None) -> None:
    """Explain COMMAND, or list the commands. Example:

    \b
        headwater help debug
    """
    above = ctx.parent
    assert above is not None
    if name is None:
        click.echo(above.get_help())
        return
    require_command(name, ctx)
    explained = group.get_command(above, name)
    assert explained is not None
    click.echo(explained.get_help(click.Context(explained, info_name=name, parent=above)))
