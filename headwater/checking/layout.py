"""The layout of a project: the files Fivetran asks for, and names that stand in the way."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from headwater.checking.finding import Finding
from headwater.checking.source import Source, Sources
from headwater.configuration import MAX_FIELDS
from headwater.exit_calls import exit_calls
from headwater.project_files import CONFIGURATION, ProjectFiles

CONNECTOR = "connector.py"


def layout_findings(project: Path, files: ProjectFiles, sources: Sources) -> Iterator[Finding]:
    names = {file.name for file in files.files}
    if CONNECTOR not in names | files.refused.keys():
        there = (project / CONNECTOR).exists()
        what = "it is left out by .gitignore" if there else "there is no connector.py"
        yield Finding(CONNECTOR, None, "error", what, "A project is a folder with connector.py in it.")
    elif CONNECTOR in sources.read:
        yield from _connector_findings(sources.read[CONNECTOR])
    for name, reason in files.refused.items():
        hint = "Put a file in its place, or name it in .gitignore."
        yield Finding(name, None, "error", f"it cannot go into a package: {reason}", hint)
    if any(name.startswith("drivers/") for name in names) and "drivers/installation.sh" not in names:
        hint = "Fivetran runs it to install what the folder holds: write it, or rename the folder."
        yield Finding("drivers", None, "error", "drivers/ holds no installation.sh", hint)
    yield from _names_in_the_way(sources)
    yield from _left_out_imports(sources)


def exit_findings(sources: Sources) -> Iterator[Finding]:
    hint = "Return from update() to end a sync; raise an exception to fail it."
    for source in sources.read.values():
        for line, name in exit_calls(source.text):
            yield Finding(source.name, line, "warning", f"{name}() ends the whole process", hint)


def configuration_findings(project: Path) -> Iterator[Finding]:
    path = project / CONFIGURATION
    if not path.exists():
        hint = "Write {} into it if the connector needs none."
        yield Finding(CONFIGURATION, None, "warning", "there is no configuration.json", hint)
        return
    try:
        configuration = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        is_text = isinstance(error, json.JSONDecodeError)
        hint = "In JSON a backslash in a value is written twice." if is_text else "Save it as a file in UTF-8."
        yield Finding(CONFIGURATION, None, "error", f"it cannot be read: {error}", hint)
        return
    if not isinstance(configuration, dict):
        what = f"it must hold a JSON object, not {type(configuration).__name__}"
        yield Finding(CONFIGURATION, None, "error", what, 'Write it as {"name": "value"}.')
        return
    for name, value in configuration.items():
        if value is None:
            hint = 'Fivetran takes null, a sync here does not: leave the field out, or write "".'
            yield Finding(CONFIGURATION, None, "error", f"{name} is null", hint)
        elif not isinstance(value, str):
            hint = "Put quotes around the value, and convert it in the connector."
            yield Finding(CONFIGURATION, None, "error", f"{name} is no string: {type(value).__name__}", hint)
    if len(configuration) > MAX_FIELDS:
        what = f"it has {len(configuration)} fields; at most {MAX_FIELDS} are allowed"
        yield Finding(CONFIGURATION, None, "error", what, "Put several values into one field, as JSON text.")


def _connector_findings(source: Source) -> Iterator[Finding]:
    if not any(_binds(statement, "connector") for statement in source.tree.body):
        hint = "End it with: connector = Connector(update=update, schema=schema)"
        yield Finding(source.name, None, "error", "it defines no `connector`", hint)


def _binds(statement: ast.stmt, name: str) -> bool:
    """Whether a statement of a module may give `name` a value, inside an `if` or `try` too."""
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for node in ast.walk(statement)
    ) or any(
        alias.asname == name or (alias.asname is None and alias.name in (name, "*"))
        for node in ast.walk(statement)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )


def _names_in_the_way(sources: Sources) -> Iterator[Finding]:
    """Name files that hide a module of Python, or one of the packages that Fivetran has installed."""
    taken = sys.stdlib_module_names | {"requests", "fivetran_connector_sdk", "headwater"}
    for name in sources.read:
        module = name.partition("/")[0].removesuffix(".py")
        if module in taken:
            hint = "Choose a name of your own for it."
            yield Finding(name, None, "error", f"it hides the module {module!r} from every other", hint)


def _left_out_imports(sources: Sources) -> Iterator[Finding]:
    """Name what is imported and lies in the project, but is left out of a package."""
    for source in sources.read.values():
        for each in source.imports:
            if each.top and (path := sources.left_out(each.top)) is not None:
                what = f"{path.relative_to(sources.project)} is imported, but no part of a package"
                hint = "Rename it, or take it in again in .gitignore, as in `!lib/`."
                yield Finding(source.name, each.line, "error", what, hint)
