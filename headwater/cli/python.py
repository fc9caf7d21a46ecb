"""`headwater python`: run a script in which `fivetran_connector_sdk` means headwater."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import click

from headwater.compat import fivetran


@click.command("python", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
def command(file: Path, arguments: tuple[str, ...]) -> None:
    """Run FILE as `python FILE ARGS...` would, with `import fivetran_connector_sdk` meaning headwater.

    Example:

        headwater python connector.py
    """
    fivetran.install()
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, str(file.resolve().parent))
    try:
        runpy.run_path(str(file), run_name="__main__")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the script may raise anything; this is the edge
        from headwater.cli.failure import author_traceback, error_line
        from headwater.log import printable, redact

        click.echo(printable(redact(author_traceback(error) or error_line(error))), err=True)
        sys.exit(1)
