"""`headwater alias`: let `fivetran` mean headwater in this environment."""

from __future__ import annotations

import click


@click.command("alias")
@click.option("--remove", is_flag=True, help="Take the command away again.")
def command(remove: bool) -> None:
    """Put a command `fivetran` into this environment that is headwater's: `fivetran debug` works as people type it.

    It is refused where the official package is installed. Example:

        headwater alias && fivetran debug examples/quickstart/hello
    """
    from headwater.fivetran_alias import add_alias, remove_alias

    if not remove:
        click.echo(f"{add_alias()} is headwater now")
    elif remove_alias():
        click.echo("fivetran is gone")
    else:
        click.echo("there was no alias")
