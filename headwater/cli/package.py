"""`headwater package`: write the zip that Fivetran runs, or see to those that Fivetran has."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headwater.cli.aligned import print_aligned
from headwater.cli.arguments import json_option, yes_option
from headwater.cli.asking import confirmed
from headwater.cli.fivetran_account import api_key_option, fivetran_api
from headwater.log import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from headwater.packaging import Package

ACTIONS = ("create", "update", "list")


def _completed(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    actions = [] if ctx.params.get("words") else ACTIONS
    found = [CompletionItem(name) for name in actions if incomplete and name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


@click.command("package")
@click.argument("words", nargs=-1, metavar="[create | update ID | list] [PROJECT]", shell_complete=_completed)
@click.option("--vendor", is_flag=True, help="Put in the sdk_helpers modules that the project uses.")
@api_key_option
@click.option("--limit", type=click.IntRange(min=1), help="For list: how many packages.")
@yes_option
@json_option
def command(
    words: tuple[str, ...], vendor: bool, api_key: str | None, limit: int | None, sure: bool, as_json: bool
) -> None:
    """Write PROJECT as files/NAME.zip: the same files always give the same bytes.

    Left out are configuration.json, hidden files, virtual environments, lib/, include/, files/, crash-reports/, and
    what .gitignore names. With create the zip is uploaded to Fivetran; with update it takes the place of the package
    ID there, for every connection that runs it; list shows the packages there. Examples:

        headwater package shop --vendor

        headwater package create shop

        headwater package list --limit 10
    """
    action, id, project = _read(words)
    if action is None and api_key is not None and not _from_environment("api_key"):
        raise click.UsageError("--api-key goes with create, update and list")
    if action != "list" and limit is not None:
        raise click.UsageError("--limit goes with list")
    if action is None:
        _write(project, vendor, as_json)
    elif action == "list":
        _list(api_key, limit, ask=not sure, as_json=as_json)
    else:
        _upload(project, id, api_key, vendor=vendor, sure=sure, as_json=as_json)


def _read(words: Sequence[str]) -> tuple[str | None, str | None, Path]:
    """Tell apart the action, the id of a package, and the project.

    Errors: click.UsageError.

    >>> _read(["update", "pkg_1", "shop"]), _read(["./list"])
    (('update', 'pkg_1', PosixPath('shop')), (None, None, PosixPath('list')))
    """
    action, *rest = words if words and words[0].lower() in ACTIONS else (None, *words)
    action = action and action.lower()
    id = None
    if action == "update":
        if not rest:
            raise click.UsageError(
                "say which package: headwater package update ID; `headwater package list` shows them"
            )
        id, *rest = rest
    if len(rest) > (0 if action == "list" else 1):
        raise click.UsageError(f"this is one word too many: {rest[-1]}")
    return action, id, Path(*rest)


def _from_environment(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.ENVIRONMENT


def _write(path: Path, vendor: bool, as_json: bool) -> None:
    from headwater.cli.author_call import author_call
    from headwater.packaging import package
    from headwater.project import Project

    project = Project(path)
    _print(author_call(project, lambda: package(project, vendor=vendor)), None, as_json)


def _upload(path: Path, id: str | None, api_key: str | None, *, vendor: bool, sure: bool, as_json: bool) -> None:
    """Upload a project as a new package, or in the place of the one called `id`."""
    from headwater.cli.author_call import author_call
    from headwater.deploying import create_package, update_package
    from headwater.project import Project

    project = Project(path)
    api = fivetran_api(api_key, ask=not sure)
    if id is None:
        done = author_call(project, lambda: create_package(project, api, vendor=vendor))
    else:
        changed = author_call(
            project,
            lambda: update_package(project, api, id, lambda question: confirmed(question, sure=sure), vendor=vendor),
        )
        if changed is None:
            click.echo("nothing was uploaded")
            sys.exit(1)
        done = changed
    _print(done.package, done.id, as_json)


def _print(written: Package, id: str | None, as_json: bool) -> None:
    if as_json:
        report: dict[str, Any] = {} if id is None else {"package": id}
        report |= {"path": str(written.path), "bytes": written.bytes, "sha256": written.sha256, "files": written.files}
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(printable("".join(f"  {name}\n" for name in written.files)), nl=False)
    click.echo(printable(f"{written.path}: {len(written.files)} files, {written.bytes:,} bytes"))
    click.echo(f"sha256 {written.sha256}")
    if id is not None:
        click.echo(printable(f"package {id}"))


def _list(api_key: str | None, limit: int | None, *, ask: bool, as_json: bool) -> None:
    from dataclasses import asdict

    found = list(islice(fivetran_api(api_key, ask=ask).packages(), limit))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif not found:
        click.echo("Fivetran has no packages of yours.")
    else:
        lines = [
            list(map(printable, [each.id, str(len(each.connections)), each.updated_at, each.sha256])) for each in found
        ]
        print_aligned(
            [["package", "connections", "updated", "sha256"], *lines], header=True, otherwise="see them with --json"
        )
