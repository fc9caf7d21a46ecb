"""The modules of headwater import each other one way: the file list can be read as a path."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import headwater

ROOT = Path(headwater.__file__).parent
MODULES = {
    ".".join(("headwater", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def imported(module: str) -> set[str]:
    """Name the modules that a module imports, late imports too; not what is for a type checker, nor the public face."""
    found: set[str] = set()
    for node in _statements(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return (found & MODULES.keys()) - {"headwater", module}


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _statements(child)


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    graph = {module: imported(module) for module in MODULES}

    assert cycle(graph) == []
    # What is looked at is really read: a late import, a module named through its package, a module of a package.
    assert "headwater.cli.debug" in graph["headwater.authoring"]
    assert "headwater.operations" in graph["headwater.sync"]
    assert "headwater.types.columns" in graph["headwater.batch"]


def test_a_cycle_would_be_seen() -> None:
    graph = {module: imported(module) for module in MODULES}
    graph["headwater.operations"] |= {"headwater.sync"}

    assert {"headwater.operations", "headwater.sync"} <= set(cycle(graph))
