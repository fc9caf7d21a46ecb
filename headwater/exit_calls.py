"""Warns of calls that end the process in the middle of a sync (rule E-06), or wait for someone who is not there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_ENDS = {"exit", "quit", "sys.exit", "os._exit", "os.abort"}
_ASKS = {"input", "getpass.getpass", "breakpoint", "pdb.set_trace"}


def exit_calls(source: str) -> Iterator[tuple[int, str]]:
    """Find the calls that end the process: line and name, those of the script part left out.

    Errors: SyntaxError.

    >>> list(exit_calls("import os\\nos._exit(3)\\nif __name__ == '__main__':\\n    exit()"))
    [(2, 'os._exit')]
    """
    return _calls(source, _ENDS)


def asking_calls(source: str) -> Iterator[tuple[int, str]]:
    """Find the calls that wait for someone at a terminal; the rest as `exit_calls`."""
    return _calls(source, _ASKS)


def _calls(source: str, names: set[str]) -> Iterator[tuple[int, str]]:
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop(0)
        if _is_script_part(node):
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node.lineno, ast.unparse(node.func)
        pending.extend(ast.iter_child_nodes(node))


def warnings_of(connector: Path) -> list[str]:
    """Write a warning for each such call in connector.py; a file that cannot be parsed is the import's to report."""
    try:
        found = sorted(exit_calls(connector.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []
    return [
        f"{connector.name}, line {line}: {name}() ends the whole process; "
        "return from update() to end a sync, raise an exception to fail it"
        for line, name in found
    ]


def _is_script_part(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and ast.unparse(node.test.left) == "__name__"
