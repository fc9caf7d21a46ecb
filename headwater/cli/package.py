"""`headwater package`: write the zip that Fivetran runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headwater.cli.arguments import json_option, project_argument
from headwater.log import printable


@click.command("package")
@project_argument
@click.option("--vendor", is_flag=True, help="Put in the sdk_helpers modules that the project uses.")
@click.option("--yes", "--non-interactive", "-y", is_flag=True, help="For scripts; nothing is asked anyway.")
@json_option
def command(project: Path, vendor: bool, yes: bool, as_json: bool) -> None:
    """Write PROJECT as files/NAME.zip: the same files always give the same bytes.

    Left out are configuration.json, hidden files, virtual environments, lib/, include/, files/, crash-reports/, and
    what .gitignore names. Example:

        headwater package shop --vendor
    """
    from headwater.cli.author_call import author_call
    from headwater.packaging import package
    from headwater.project import Project

    folder = Project(project)
    written = author_call(folder, lambda: package(folder, vendor=vendor))
    if as_json:
        report = {"path": str(written.path), "bytes": written.bytes, "sha256": written.sha256, "files": written.files}
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(printable("".join(f"  {name}\n" for name in written.files)), nl=False)
    click.echo(printable(f"{written.path}: {len(written.files)} files, {written.bytes:,} bytes"))
    click.echo(f"sha256 {written.sha256}")
