"""`headwater init`: begin a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.cli.aligned import print_aligned
from headwater.cli.arguments import ProjectFolder, json_option
from headwater.cli.asking import confirmed

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _completed(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    from headwater.project_templates import templates

    return [CompletionItem(each.name, help=each.title) for each in templates() if each.name.startswith(incomplete)]


@click.command("init")
@click.argument("project", required=False, type=ProjectFolder())
@click.option(
    "--template",
    default="quickstart/hello",
    show_default=True,
    shell_complete=_completed,
    help="Which example to begin with.",
)
@click.option("--list", "listed", is_flag=True, help="List the templates, with the operations and helpers they show.")
@click.option("--yes", "--non-interactive", "--force", "-y", "-f", "sure", is_flag=True, help="Replace files unasked.")
@json_option
def command(project: Path | None, template: str, listed: bool, sure: bool, as_json: bool) -> None:
    """Make a folder PROJECT with a connector in it that runs at once, here and on Fivetran.

    The templates come with headwater; nothing is downloaded. Examples:

        headwater init --list

        headwater init shop --template large_data_set
    """
    from headwater.project_templates import find_template, in_the_way, placeholders, project_files, write_project

    if listed:
        _print_list(as_json)
        return
    if project is None:
        raise click.UsageError("name the folder of the new project; . is this one")
    chosen = find_template(template)
    files = project_files(chosen)
    replaced = in_the_way(project, files)
    question = f"{project} holds other files of these names: {', '.join(replaced)}. Replace them?"
    if replaced and not confirmed(question, sure=sure):
        click.echo("nothing was written")
        return
    write_project(project, files)
    to_fill = placeholders(files)
    if as_json:
        report = {"project": str(project), "template": chosen.name, "files": sorted(files), "fill_in": to_fill}
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(f"{project}: {chosen.title}")
    click.echo("".join(f"  {name}\n" for name in sorted(files)), nl=False)
    if to_fill:
        click.echo(f"Fill in {', '.join(to_fill)} in {project / 'configuration.json'}, then run:")
    click.echo(f"headwater debug {project}")


def _print_list(as_json: bool) -> None:
    from headwater.project_templates import templates

    found = templates()
    if as_json:
        report = [
            {"template": each.name, "title": each.title, "operations": each.operations(), "helpers": each.helpers()}
            for each in found
        ]
        click.echo(json.dumps(report, indent=2))
        return
    head = ["template", "what it shows", "operations", "helpers"]
    lines = [[each.name, each.title, ", ".join(each.operations()), ", ".join(each.helpers())] for each in found]
    print_aligned([head, *lines], header=True, otherwise="see them on a wider terminal, or with --json")
