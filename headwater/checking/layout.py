"""The layout of a project: the files Fivetran asks for, and names that stand in the way."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from headwater.checking.finding import Finding
from headwater.checking.source import Source, Sources
from headwater.configuration import AS_JSON, MAX_FIELDS
from headwater.destinations import open_destination
from headwater.errors import ConfigurationError
from headwater.exit_calls import asking_calls, exit_calls
from headwater.options import FILE, read_options
from headwater.project_files import CONFIGURATION, ProjectFiles
from headwater.written_json import json_hint, repeated_names

CONNECTOR = "connector.py"


def layout_findings(project: Path, files: ProjectFiles, sources: Sources) -> Iterator[Finding]:
    names = {file.name for file in files.files}
    if CONNECTOR not in names | files.refused.keys():
        what = "it is left out by .gitignore" if (project / CONNECTOR).exists() else "there is no connector.py"
        if (project / CONNECTOR).is_dir():
            what = "it is a folder"
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
    yield from _relative_imports(sources)
    yield from _left_out_imports(sources)


def exit_findings(sources: Sources) -> Iterator[Finding]:
    hint = "Return from update() to end a sync; raise an exception to fail it."
    for source in sources.read.values():
        for line, name in exit_calls(source.text):
            yield Finding(source.name, line, "warning", f"{name}() ends the whole process", hint)


def asking_findings(sources: Sources) -> Iterator[Finding]:
    hint = "Take what it asks for from the configuration, or remove it."
    for source in sources.read.values():
        for line, name in asking_calls(source.text):
            yield Finding(source.name, line, "warning", f"{name}() waits for someone, and nobody is there", hint)


def options_findings(project: Path) -> Iterator[Finding]:
    """Read headwater.toml as a sync does; the destination is made, but not reached."""
    try:
        options = read_options(project)
        open_destination(
            options.destination, folder=project, connection=options.schema, memory_mb=options.memory_mb
        ).close()
    except ConfigurationError as error:
        what = error.message.removeprefix(f"{project}/").removeprefix(FILE).removeprefix(":").strip()
        hint = error.hint or "Correct it there: see docs/howto/options.md."
        yield Finding(FILE, None, "error", what.replace("cannot be read", "it cannot be read"), hint)


def configuration_findings(project: Path) -> Iterator[Finding]:
    path = project / CONFIGURATION
    if not path.exists():
        hint = "Write {} into it if the connector needs none."
        yield Finding(CONFIGURATION, None, "warning", "there is no configuration.json", hint)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        yield Finding(CONFIGURATION, None, "error", f"it cannot be read: {error}", "Save it as a file in UTF-8.")
        return
    try:
        configuration = json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = json_hint(error) or AS_JSON
        yield Finding(CONFIGURATION, None, "error", f"it cannot be read: {error}", hint)
        return
    for name in repeated_names(text):
        hint = "Only the last value is taken: leave the others out."
        yield Finding(CONFIGURATION, None, "warning", f"{name} stands there twice", hint)
    if not isinstance(configuration, dict):
        what = f"it must hold a JSON object, not {type(configuration).__name__}"
        yield Finding(CONFIGURATION, None, "error", what, AS_JSON)
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


def _relative_imports(sources: Sources) -> Iterator[Finding]:
    """Name imports that are relative to a package, in files that are in none."""
    for source in sources.read.values():
        for each in source.imports:
            if each.module.startswith(".") and "/" not in source.name and not each.optional:
                what = f"{source.name} is in no package: `from {each.module}` fails"
                named = each.module.lstrip(".")
                hint = f"Write `from {named} import {each.name}`." if named else f"Write `import {each.name}`."
                yield Finding(source.name, each.line, "error", what, hint)


def _left_out_imports(sources: Sources) -> Iterator[Finding]:
    """Name what is imported and lies in the project, but is left out of a package."""
    for source in sources.read.values():
        for each in source.imports:
            if each.top and (path := sources.left_out(each.top)) is not None:
                what = f"{path.relative_to(sources.project)} is imported, but no part of a package"
                hint = "Rename it, or take it in again in .gitignore, as in `!lib/`."
                yield Finding(source.name, each.line, "error", what, hint)
