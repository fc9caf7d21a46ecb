"""What `schema()` returns, as far as it is written out in the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headwater.checking.finding import Finding
from headwater.checking.functions import given_function
from headwater.checking.layout import CONNECTOR
from headwater.checking.source import Sources
from headwater.errors import HeadwaterError
from headwater.schema import read_declaration


def schema_findings(sources: Sources) -> Iterator[Finding]:
    """Check the tables that connector.py's own schema() writes out; what it computes shows when it runs."""
    source = sources.read.get(CONNECTOR)
    if source is None:
        return
    function = given_function(source, "schema")
    if function is None:
        return
    for line, value in _returned(function):
        if isinstance(value, ast.List | ast.Tuple):
            yield from _findings(value)
        elif isinstance(value, ast.Constant | ast.Dict):
            kind = "dict" if isinstance(value, ast.Dict) else type(value.value).__name__
            what = f"schema() must return a list of tables, not {kind}"
            yield Finding(CONNECTOR, line, "error", what, 'Write it as: return [{"table": …, "primary_key": […]}]')


def _returned(node: ast.AST) -> Iterator[tuple[int, ast.expr]]:
    """Find what a function returns itself, line by line; functions within it return their own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child.lineno, child.value or ast.Constant(None)
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _returned(child)


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
