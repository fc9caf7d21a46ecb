"""examples/README.md names every example, as its example.toml describes it."""

from __future__ import annotations

from tests.examples.catalogue import GROUPS, README, catalogue
from tests.examples.example import EXAMPLES, find_examples


def test_catalogue_is_what_the_examples_say() -> None:
    assert README.read_text(encoding="utf-8") == catalogue(find_examples()), "run: python -m tests.examples.catalogue"


def test_every_folder_of_examples_is_a_group_of_the_catalogue() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and any(path.rglob("example.toml"))}

    assert folders - GROUPS.keys() == set()
