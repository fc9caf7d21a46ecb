"""`headwater state`: look at the committed state, or replace it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from headwater.cli.arguments import project_argument, yes_option
from headwater.cli.asking import confirmed, require_terminal
from headwater.errors import ConfigurationError
from headwater.log import shortened

if TYPE_CHECKING:
    from headwater.project import Project

ACTIONS = ["get", "set", "clear", "edit"]


@click.command("state")
@click.argument("action", type=click.Choice(ACTIONS))
@project_argument
@click.option("--file", type=click.File("rb"), help="For set: the file with the new state; - reads it in.")
@click.option(
    "--json",
    "text",
    metavar="TEXT",
    is_flag=False,
    flag_value="",
    help="For set: the new state itself; get prints JSON anyway.",
)
@click.option("--destination", help="Where the state is kept, if not where headwater.toml says.")
@yes_option
def command(
    action: str, project: Path, file: IO[bytes] | None, text: str | None, destination: str | None, sure: bool
) -> None:
    """Print the committed state of PROJECT, set it, clear it, or edit it in $EDITOR; the next sync starts from it.

    The rows stay as they are. While a sync runs nothing can be changed. Examples:

        headwater state get

        headwater state set --json '{"cursor": "2026-01-01"}'

        headwater state edit
    """
    from headwater.committed_state import parse_state
    from headwater.project import Project

    if action == "set" and str(project).lstrip().startswith("{") and not project.exists():
        raise click.UsageError("the new state comes after --json: headwater state set --json '{…}'")
    folder = Project(project)
    if action == "get" and not text:
        text = None  # a script that asks for JSON gets it
    if action != "set" and (file is not None or text is not None):
        raise click.UsageError("--file and --json go with set")
    if action == "get":
        _print(folder, destination)
    elif action == "edit":
        _edit(folder, destination)
    elif action == "clear":
        _replace(folder, {}, destination, sure)
    elif (file is None) is (text is None):
        raise click.UsageError("give the new state: --file FILE or --json TEXT")
    else:
        state = _read(file) if file is not None else parse_state(text or "", "--json")
        _replace(folder, state, destination, sure)


def _print(project: Project, destination: str | None) -> None:
    from headwater.committed_state import read_committed_state

    found = read_committed_state(project, destination=destination)
    click.echo(_text(found.state))
    if found.copy_edited:
        click.echo(f"Note: {project.state_copy} was edited: the next sync starts from that instead", err=True)


def _read(file: IO[bytes]) -> dict[str, Any]:
    from headwater.committed_state import parse_state

    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file.name} is not in UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}"
        ) from error
    return parse_state(text, file.name)


def _replace(project: Project, state: dict[str, Any], destination: str | None, sure: bool) -> None:
    from headwater.committed_state import read_committed_state, replace_committed_state

    before = read_committed_state(project, destination=destination).state
    question = f"Replace the state\n{_shown(before)}\nof {project.path} by\n{_shown(state)}\n?"
    if not confirmed(question, sure=sure):
        click.echo("nothing was changed")
        return
    replace_committed_state(project, state, destination=destination, instead_of=before)
    click.echo(f"committed: {_shown(state)}")


def _edit(project: Project, destination: str | None) -> None:
    from headwater.committed_state import parse_state, read_committed_state, replace_committed_state

    require_terminal("edit needs a terminal: use set")
    before = read_committed_state(project, destination=destination).state
    text = _text(before) + "\n"
    while True:
        edited = click.edit(text, extension=".json", require_save=True)
        if edited is None or edited == text:
            click.echo("nothing was changed")
            return
        text = edited
        try:
            state = parse_state(text, "what you wrote")
            break
        except ConfigurationError as error:
            if not click.confirm(f"{error}\nEdit it again?", default=True):
                click.echo("nothing was changed")
                return
    replace_committed_state(project, state, destination=destination, instead_of=before)
    click.echo(f"committed: {_shown(state)}")


def _shown(state: dict[str, Any]) -> str:
    return shortened(_text(state))


def _text(state: dict[str, Any]) -> str:
    """Write a state as JSON that can be read back, and steers no terminal.

    >>> _text({"name": "Zoë", "bell": chr(7)})
    '{\\n  "name": "Zoë",\\n  "bell": "\\\\u0007"\\n}'
    """
    text = json.dumps(state, indent=2, ensure_ascii=False)
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)
