"""The harness itself: it must find the faults it is there for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.command import Interpreters
from tests.examples.example import Example, read_example
from tests.examples.rehearsal import rehearsed

MakeExample = Callable[[str, str], Example]

HEADER = """
import time
import requests
from fivetran_connector_sdk import Connector, Operations as op

def schema(configuration):
    return [{"table": "t", "primary_key": ["id"]}]

def update(configuration, state):
"""
FOOTER = "\nconnector = Connector(update=update, schema=schema)\n"


@pytest.fixture
def make_example(tmp_path: Path) -> MakeExample:
    """Make an example of the body of `update` and the text of example.toml."""

    def made(update: str, description: str) -> Example:
        folder = tmp_path / "example"
        folder.mkdir()
        (folder / "connector.py").write_text(HEADER + update + FOOTER, encoding="utf-8")
        (folder / "configuration.json").write_text("{}", encoding="utf-8")
        (folder / "requirements.txt").touch()
        (folder / "example.toml").write_text(f'title = "t"\nshows = []\nneeds = []\n{description}', encoding="utf-8")
        if "replay" in description:
            (folder / "replay").mkdir()
            (folder / "replay" / "routes.toml").write_text('[[route]]\nrequest = "GET /a"', encoding="utf-8")
        return read_example(folder)

    return made


# The second row waits until the kill, which comes at once, has surely happened.
FORGETFUL = """
    for number in range(state.get("n", 0) + 1, 3):
        op.checkpoint({"n": number})
        time.sleep(0.5)
        op.upsert("t", {"id": number})
"""
CAREFUL = """
    for number in range(state.get("n", 0) + 1, 3):
        op.upsert("t", {"id": number})
        op.checkpoint({"n": number})
        time.sleep(0.5)
"""


@pytest.mark.parametrize(
    ("update", "ids_undisturbed", "ids_after_the_kill"),
    [
        (FORGETFUL, [1, 2], [2]),
        (CAREFUL, [1, 2], [1, 2]),
    ],
    ids=["saves its cursor before the rows", "saves it with them"],
)
def test_kill_shows_what_an_undisturbed_sync_hides(
    make_example: MakeExample,
    tmp_path: Path,
    interpreters: Interpreters,
    update: str,
    ids_undisturbed: list[int],
    ids_after_the_kill: list[int],
) -> None:
    example = make_example(update, "[[sync]]\nwrites = { upserts = 2 }")
    with rehearsed(example, tmp_path, interpreters) as rehearsal:
        undisturbed = rehearsal.played[0].left
        killed, left, again, number = rehearsal.killed(1, checkpoint=1)

    assert killed.killed
    assert left["state"] == {"n": 1}
    assert number == 1
    assert again.left["state"] == {"n": 2}
    assert ids(undisturbed) == ids_undisturbed
    assert ids(again.left) == ids_after_the_kill


def test_kill_after_the_last_commit_is_followed_by_the_next_sync(
    make_example: MakeExample, tmp_path: Path, interpreters: Interpreters
) -> None:
    one_row_a_sync = """
    number = state.get("n", 0) + 1
    op.upsert("t", {"id": number})
    op.checkpoint({"n": number})
"""
    example = make_example(one_row_a_sync, "[[sync]]\n[[sync]]")
    with rehearsed(example, tmp_path, interpreters) as rehearsal:
        _, left, again, number = rehearsal.killed(1, checkpoint=1)

    assert left == rehearsal.played[0].left
    assert number == 2
    assert again.left == rehearsal.played[1].left


def test_request_that_is_not_recorded_is_reported(
    make_example: MakeExample, tmp_path: Path, interpreters: Interpreters
) -> None:
    careless = """
    for path in ("a", "b"):
        requests.get(f"{configuration['base_url']}/{path}", timeout=10)
"""
    example = make_example(careless, '[configuration]\nbase_url = "{replay}"\n[[sync]]\nreplay = "replay"')
    with rehearsed(example, tmp_path, interpreters) as rehearsal:
        played = rehearsal.played[0]

    assert played.output.exit_code == 0
    assert [(each.target, each.status) for each in played.refused] == [("/b", 404)]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("[[sync]]\nwrite = {}", "sync 1: unknown write; known are"),
        ("[[sync]]\nwrites = { inserts = 1 }", "sync 1, writes: unknown inserts; known are"),
        ("tittle = 1\n[[sync]]", "unknown tittle"),
        ("", "lacks sync"),
        ('[[sync]]\nreplay = "gone"', "there is no folder"),
        ('[[sync]]\nseeds = ["gone.sql"]', "there is no file gone.sql"),
    ],
)
def test_mistyped_description_is_refused(make_example: MakeExample, description: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_example("    pass", description)


def ids(left: dict[str, dict[str, dict[str, list[dict[str, int]]]]]) -> list[int]:
    return [row["id"] for row in left["tables"]["tester.t"]["rows"]]
