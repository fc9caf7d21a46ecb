"""What an error tells its reader to do is something that the reader's command can do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import asdict

from headwater.remedies import Remedies, remedies, speaking
from headwater.singer.target import REMEDIES
from tests.unit.test_import_order import MODULES, imported

# What only a project has.
OF_A_PROJECT = ("headwater.toml", "--full-resync", "--accept-older", "`headwater ", "in the connector")

# Where a Singer target never comes.
NOT_REACHED = {
    "headwater.remedies": "the ways of a project are written down there",
    "headwater.options": "the name of the file itself, which a target does not read",
    "headwater.operations": "a target calls the stream",
    "headwater.schema": "a target blocks no columns",
    "headwater.sync": "a target has no options of tables",
}  # fmt: skip


def test_each_way_of_a_project_has_its_counterpart_for_a_target() -> None:
    ours, theirs = asdict(Remedies()), asdict(REMEDIES)

    assert [name for name in ours if ours[name] == theirs[name]] == []
    assert [said for said in theirs.values() if any(word in said for word in OF_A_PROJECT)] == []


def test_a_block_has_its_own_ways_and_gives_them_back() -> None:
    with speaking(REMEDIES):
        inside = remedies()

    assert (inside, remedies()) == (REMEDIES, Remedies())


def test_nothing_that_a_target_runs_names_what_only_a_project_has() -> None:
    # A destination is imported by the scheme of its URL.
    destinations = {module for module in MODULES if module.startswith("headwater.destinations.")}
    run = reached({"headwater.singer.command"} | destinations)
    named = {module for module in run if any(map(is_of_a_project, texts(module)))}

    assert named == NOT_REACHED.keys()


def is_of_a_project(text: str) -> bool:
    return any(word in text for word in OF_A_PROJECT)


def reached(modules: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        found |= waiting
        waiting = {name for each in waiting for name in imported(each)} - found
    return found


def texts(module: str) -> Iterator[str]:
    """Give the texts of a module's code, its docstrings left out."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
