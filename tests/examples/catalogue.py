"""Writes examples/README.md from the example.toml files: `python -m tests.examples.catalogue`."""

from __future__ import annotations

from collections.abc import Iterable

from tests.examples.example import EXAMPLES, Example, find_examples

README = EXAMPLES / "README.md"
GROUPS = {
    "quickstart": ("Quickstart", "One idea each, in the order in which they come up; start with `hello`."),
    "common_patterns": ("Common patterns", "What many sources have in common, whatever their name."),
    "source_examples": (
        "Source examples",
        "One source each. Their READMEs say what they could not be tried against: accounts, mostly.",
    ),
}
_HEAD = """# Examples

Each folder is a connector that runs: here, and unchanged on Fivetran. Look for what you want to do, and type

    headwater debug examples/<group>/<name>

Every one of them is run by the tests against a local source, killed after each of its checkpoints, and run again: the
tables must be the same; and its first sync is run by fivetran-connector-sdk 2.13.1. Helpers are modules of
[`sdk_helpers`](../sdk_helpers/__init__.py). How to add one is in [Write an example](../docs/howto/write_an_example.md).

This page is written by `python -m tests.examples.catalogue`.
"""
# What stand-ins are called in example.toml, in words.
_NEEDS = {
    "postgres": "a Postgres database",
    "redshift": "Redshift",
    "sql_server": "SQL Server",
    "aws": "an AWS account",
    "redis": "Redis",
    "oauth": "an HTTP API with OAuth 2.0",
}


def catalogue(examples: Iterable[Example]) -> str:
    """Write the page: for each group, a table of its examples."""
    by_group: dict[str, list[Example]] = {group: [] for group in GROUPS}
    for example in examples:
        by_group[example.name.partition("/")[0]].append(example)
    parts = [_group(group, found) for group, found in by_group.items() if found]
    return "\n".join([_HEAD, *parts])


def _group(group: str, examples: Iterable[Example]) -> str:
    title, about = GROUPS[group]
    rows = [_row(example, example.name.removeprefix(f"{group}/")) for example in examples]
    head = ["| example | shows | operations | helpers | needs |", "|---|---|---|---|---|"]
    return "\n".join([f"## {title}", "", about, "", *head, *rows, ""])


def _row(example: Example, name: str) -> str:
    cells = [
        f"[{example.title}]({example.name})<br>`{name}`",
        ", ".join(example.shows),
        ", ".join(example.operations()),
        ", ".join(example.helpers()) or "–",
        ", ".join(_NEEDS.get(need, need) for need in example.needs) or "nothing",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    README.write_text(catalogue(find_examples()), encoding="utf-8")
