"""What `schema()` returns, as far as it is written out in the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headwater.checking.finding import Finding
from headwater.checking.layout import CONNECTOR
from headwater.checking.source import Source, Sources
from headwater.errors import HeadwaterError
from headwater.schema import read_declaration


def schema_findings(sources: Sources) -> Iterator[Finding]:
    """Check the tables that connector.py's own schema() writes out; what it computes shows when it runs."""
    source = sources.read.get(CONNECTOR)
    if source is None:
        return
    function = next((node for node in source.tree.body if _is_function(node, _schema_name(source))), None)
    if function is None:
        return
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.List | ast.Tuple):
            yield from _findings(node.value)


def _schema_name(source: Source) -> str:
    """Find the name of the function that Connector(…) is given."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Connector":
            given = [keyword.value for keyword in node.keywords if keyword.arg == "schema"] or node.args[1:2]
            if given and isinstance(given[0], ast.Name):
                return given[0].id
    return "schema"


def _is_function(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _findings(entries: ast.List | ast.Tuple) -> Iterator[Finding]:
    read: list[object] = []
    for entry in entries.elts:
        try:
            value = ast.literal_eval(entry)
        except (ValueError, TypeError, MemoryError, RecursionError):
            continue
        problems: list[tuple[str, str]] = []
        try:
            read_declaration([value], warn=lambda text: problems.append((text, "Leave it out.")))  # noqa: B023 - called here
            if value in read:
                continue
            read_declaration([*read, value], warn=lambda _: None)
            read.append(value)
        except (HeadwaterError, TypeError) as error:
            yield _finding(entry, error)
            continue
        for what, hint in problems:
            yield Finding(CONNECTOR, entry.lineno, "warning", what, hint)


def _finding(entry: ast.expr, error: Exception) -> Finding:
    what, hint = (error.message, error.hint) if isinstance(error, HeadwaterError) else (str(error), None)
    return Finding(CONNECTOR, entry.lineno, "error", what, hint or "Correct what schema() returns.")
