"""Every example, run as a reader runs it, and killed where it hurts."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.examples.example import Example, distributions_of, find_examples
from tests.examples.rehearsal import Rehearsal
from tests.examples.warehouse import Document, written

EXAMPLES = find_examples()
# What a README says beside when to use it: for a pattern when not, for a source what nobody could try here.
SAYS = {
    "quickstart": [],
    "common_patterns": ["Do not use"],
    "source_examples": ["**What it was not tried against:**"],
}
FILES = ("connector.py", "configuration.json", "README.md", "requirements.txt")

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
each_rehearsal = pytest.mark.parametrize(
    "rehearsal", EXAMPLES, ids=lambda example: example.name, indirect=True, scope="module"
)


@each_example
def test_example_has_all_its_files(example: Example) -> None:
    missing = [name for name in FILES if not (example.folder / name).is_file()]

    assert missing == []


@each_example
def test_example_installs_what_it_imports_and_nothing_else(example: Example) -> None:
    required = set(example.requirements)
    imported = distributions_of(example.imports())

    assert imported - required == set()
    assert required - imported - distributions_of(example.helper_imports()) == set()


@each_example
def test_example_readme_says_when_to_use_it_what_to_type_and_what_to_see(example: Example) -> None:
    text = (example.folder / "README.md").read_text(encoding="utf-8")
    group = example.name.partition("/")[0]
    parts = [f"# {example.title}", "Use it when", f"headwater debug examples/{example.name}", "You see", *SAYS[group]]

    assert [part for part in parts if part not in " ".join(text.split())] == []


@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if each.modules_with_doctests()], ids=lambda example: example.name
)
def test_docstrings_of_example_show_what_is_true(example: Example) -> None:
    if example.missing:
        pytest.skip(f"{example.name} needs {', '.join(example.missing)}, which is not installed")
    done = subprocess.run(
        [sys.executable, "-B", "-c", DOCTESTS, *example.modules_with_doctests()],
        cwd=example.folder, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# In a process of its own: every example has a module that is called connector.
DOCTESTS = """
import doctest, importlib, sys
from headwater.compat import fivetran
fivetran.install()
sys.exit(sum(doctest.testmod(importlib.import_module(name)).failed for name in sys.argv[1:]))
"""


@each_rehearsal
def test_example_leaves_what_is_expected_after_each_sync(rehearsal: Rehearsal, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-expected", default=False):
        update_expected(rehearsal)

    for number, played in enumerate(rehearsal.played, start=1):
        said = played.output.text
        assert played.refused == [], said
        assert played.output.exit_code == played.expected.exit_code, said
        assert played.expected.says in said
        assert "Fivetran's SDK" not in said, said  # a warning: it would not run there
        assert writes(played.output.calls) == played.expected.writes
        assert written(played.left) == rehearsal.example.expected(number).read_text(encoding="utf-8"), said
        assert played.state_copy == played.left["state"]


@pytest.mark.slow
@each_rehearsal
def test_example_killed_after_any_checkpoint_goes_on_to_the_same_tables(rehearsal: Rehearsal) -> None:
    kills = 0
    for number, undisturbed in enumerate(rehearsal.played, start=1):
        if not any(undisturbed.expected.writes.values()):
            continue
        states = undisturbed.output.checkpoints
        for checkpoint in range(1, len(states) + 1):
            where = f"sync {number} killed after checkpoint {checkpoint} of {len(states)}"
            output, left, again, number_again = rehearsal.killed(number, checkpoint)
            expected = rehearsal.played[number_again - 1]
            kills += output.killed

            # A line is printed after its commit: the state is there, or already a later one.
            assert left["state"] in [comparable(rehearsal, state) for state in states[checkpoint - 1 :]], where
            assert again.output.exit_code == expected.output.exit_code, f"{where}\n{again.output.text}"
            assert compared(rehearsal, again.left) == compared(rehearsal, expected.left), (
                f"{where}\n{again.output.text}"
            )
            assert again.state_copy == again.left["state"], where
            assert again.refused == [], where

    assert kills > 0, "no command was still alive when it was killed: nothing was tested"


def compared(rehearsal: Rehearsal, left: Document) -> str:
    return written({**left, "state": None} if rehearsal.example.rereads_after_kill else left)


def comparable(rehearsal: Rehearsal, state: str) -> Any:
    return json.loads(rehearsal.without_address(state))


def writes(calls: dict[str, int]) -> dict[str, int]:
    return {name: calls[name] for name in ("upserts", "updates", "deletes", "truncates")}


def update_expected(rehearsal: Rehearsal) -> None:
    """Write what each sync left; files of syncs that are no more go away."""
    folder = rehearsal.example.expected(1).parent
    folder.mkdir(exist_ok=True)
    kept = {rehearsal.example.expected(number) for number in range(1, len(rehearsal.played) + 1)}
    for path in set(folder.glob("*.json")) - kept:
        path.unlink()
    for number, played in enumerate(rehearsal.played, start=1):
        rehearsal.example.expected(number).write_text(written(played.left), encoding="utf-8")
