"""`headwater state`: the committed state, read and replaced between syncs."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.cli.cli_project import CliProject, line_with, without_root
from tests.cli.test_terminal import on_a_terminal

UPDATE = """
n = state.get("n", 0) + 1
op.upsert("orders", {"id": n})
op.checkpoint({"n": n, "name": "Zoë\\x1b[31m"})
"""


@pytest.fixture
def synced(project: CliProject) -> CliProject:
    project.connector(UPDATE)

    assert project.debug().code == 0
    return project


def test_state_get_prints_json_that_set_takes_back(synced: CliProject) -> None:
    got = synced.run("state", "get")
    synced.write("again.json", got.out)
    set_again = synced.run("state", "set", "--file", "again.json", "--yes")

    assert got.out == '{\n  "n": 1,\n  "name": "Zoë\\u001b[31m"\n}\n'
    assert json.loads(got.out) == synced.state == {"n": 1, "name": "Zoë\x1b[31m"}
    assert (set_again.code, set_again.err) == (0, "")


def test_a_state_that_was_set_or_cleared_is_what_the_next_sync_starts_from(synced: CliProject) -> None:
    as_set = synced.run("state", "set", "--json", '{"n": 41}', "--yes")
    after_set = synced.debug()
    cleared = synced.run("state", "clear", "-y")
    after_clear = synced.debug()

    assert (as_set.code, as_set.out, as_set.err) == (0, 'committed: {\n  "n": 41\n}\n', "")
    assert (cleared.code, cleared.out, cleared.err) == (0, "committed: {}\n", "")
    assert 'Previous state:\n{"n": 41}\n' in after_set.out
    assert "Previous state:\n{}\n" in after_clear.out
    assert "was edited" not in after_set.out + after_clear.out  # the copy went along
    assert synced.ids() == [1, 42]


def test_state_belongs_to_one_destination(synced: CliProject) -> None:
    other = "duckdb:files/other.db"
    empty = synced.run("state", "get", "--destination", other)
    set_there = synced.run("state", "set", "--destination", other, "--json", '{"n": 7}', "--yes")
    there = synced.run("state", "get", "--destination", other)
    here = synced.run("state", "get")

    assert [json.loads(outcome.out) for outcome in (empty, there, here)] == [{}, {"n": 7}, synced.state]
    assert set_there.code == 0
    assert synced.state["n"] == 1


def test_a_person_s_edit_of_the_copy_is_noted_and_gives_way_to_set(synced: CliProject) -> None:
    synced.write("files/state.json", '{"n": 20}')
    got = synced.run("state", "get")
    synced.run("state", "set", "--json", '{"n": 30}', "--yes")
    after = synced.debug()

    assert json.loads(got.out)["n"] == 1
    assert got.err == "Note: <project>/files/state.json was edited: the next sync starts from that instead\n"
    assert 'Previous state:\n{"n": 30}\n' in after.out


def test_a_copy_that_cannot_be_read_is_named(synced: CliProject) -> None:
    copy = synced.path / "files" / "state.json"
    copy.write_bytes(b'{"n": "\xff"}')
    refused = [synced.run("state", "get"), synced.run("state", "set", "--json", "{}", "--yes")]
    copy.write_bytes(b'\xef\xbb\xbf{"n": 1, "name": "Zo\xc3\xab\\u001b[31m"}')  # as editors of Windows write it
    got = synced.run("state", "get")

    assert [outcome.code for outcome in refused] == [1, 1]
    assert all(outcome.err.startswith("Error: <project>/files/state.json cannot be read: ") for outcome in refused)
    assert (got.code, got.err) == (0, "")


def test_nothing_is_read_or_changed_while_a_sync_runs(project: CliProject) -> None:
    project.connector('op.checkpoint({"n": 1})\nprint("waiting", flush=True)\nimport time; time.sleep(60)')
    process = project.start("debug", stderr=subprocess.DEVNULL)
    try:
        line_with(process, "waiting")
        refused = [project.run("state", *words) for words in (["get"], ["clear", "--yes"])]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)

    assert [outcome.code for outcome in refused] == [1, 1]
    assert all(outcome.err.startswith("Error: another sync of this project is running (pid ") for outcome in refused)
    assert json.loads(project.run("state", "get").out) == {"n": 1}


WRONG = [
    # arguments                              code  the last line that is said
    (["set"],                                2,   "Error: give the new state: --file FILE or --json TEXT\n"),
    (["set", "--json", "{}", "--file", "-"], 2,   "Error: give the new state: --file FILE or --json TEXT\n"),
    (["set", '{"a": 1}', "-y"],              2,
     "Error: the new state comes after --json: headwater state set --json '{…}'\n"),
    (["get", "--json", "{}"],                2,   "Error: --file and --json go with set\n"),
    (["set", "--json", "{}"],                2,   "Error: there is no terminal to ask on: say --yes\n"),
    (["edit"],                               2,   "Error: edit needs a terminal: use set\n"),
    (["set", "-y", "--json", "[1]"],         1,   'Write it as {"cursor": "…"}.\n'),
    (["set", "-y", "--json", "{}{}"],        1,   "Error: --json is not JSON: Extra data: line 1 column 3 (char 2)\n"),
    (["set", "-y", "--json", '{"a": NaN}'],  1,   "Error: --json is not JSON: it has no NaN\n"),
    (["get", "--destination", "memory:"],    1,   "Start a sync from a state with `headwater debug --state FILE`.\n"),
    (["get"],                                0,   "{}\n"),
    (["get", "--json"],                      0,   "{}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_state_of_a_project_without_syncs(project: CliProject, arguments: list[str], code: int, said: str) -> None:
    outcome = project.run("state", *arguments)

    assert (outcome.code, (outcome.out + outcome.err).splitlines(keepends=True)[-1]) == (code, said)
    assert list(project.path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "Error: new.json is not in UTF-8: byte 0 is 0xff\n"),
        (b'{"n": 1e999}', "Error: new.json is not JSON: it has no 1e999, which is more than a double holds\n"),
        (b'{"n": 1, "n": 2}', "Error: new.json says 'n' twice\n"),
        (b'{"a": {"n": 1, "n": 2}}', "Error: new.json says 'n' twice\n"),
    ],
)
def test_a_state_that_would_not_come_back_is_refused(synced: CliProject, content: bytes, said: str) -> None:
    (synced.path / "new.json").write_bytes(content)
    before = synced.state
    outcome = synced.run("state", "set", "--file", "new.json", "--yes")

    assert (outcome.code, outcome.out, outcome.err) == (1, "", said)
    assert synced.state == before


def test_a_state_written_on_windows_is_taken(synced: CliProject) -> None:
    (synced.path / "new.json").write_bytes(b'\xef\xbb\xbf{"n": 41}\r\n')
    outcome = synced.run("state", "set", "--file", "new.json", "--yes")

    assert (outcome.code, outcome.err) == (0, "")
    assert synced.state == {"n": 41}


def test_a_long_state_does_not_fill_the_screen(synced: CliProject) -> None:
    synced.write("new.json", json.dumps({"ids": "x" * 5_000_000}))
    as_set = synced.run("state", "set", "--file", "new.json", "--yes")
    got = synced.run("state", "get")

    assert as_set.out.startswith('committed: {\n  "ids": "xxx')
    assert as_set.out.endswith("x… (5,000,015 characters)\n")
    assert len(as_set.out) < 3000
    assert len(json.loads(got.out)["ids"]) == 5_000_000


def test_edit_asks_again_after_a_slip_and_commits_what_is_right(synced: CliProject) -> None:
    editor = synced.write(
        "editor", "#!/bin/sh\nif grep -q slip $1; then echo '{\"n\": 9}' > $1; else echo slip > $1; fi\n"
    )
    editor.chmod(0o755)
    synced.environment["EDITOR"] = str(editor)
    with on_a_terminal(synced, "state", "edit") as (terminal, process):
        terminal.wait_for(r"Error|Edit it again\? \[Y/n\]: ")
        terminal.type("\n")
        process.wait(timeout=30)
        terminal.all()

    assert process.returncode == 0, terminal.plain
    assert synced.state == {"n": 9}


def test_set_asks_on_a_terminal_and_no_keeps_the_state(synced: CliProject) -> None:
    with on_a_terminal(synced, "state", "clear") as (terminal, process):
        terminal.wait_for(r"Replace the state(.|\n)*\? \[y/N\]: ")
        terminal.type("n\n")
        process.wait(timeout=30)
        terminal.all()

    assert (process.returncode, terminal.plain.splitlines()[-1]) == (0, "nothing was changed")
    assert synced.state["n"] == 1


def test_a_project_that_may_not_be_written_is_read_and_nothing_in_it_changes(synced: CliProject) -> None:
    paths = [synced.path, *synced.path.rglob("*")]
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    got, listed = without_root(synced, "state", "get"), without_root(synced, "runs", "--json")
    refused = without_root(synced, "state", "clear", "--yes")
    for path, mode in modes.items():
        path.chmod(mode)

    assert (got.code, json.loads(got.out)["n"], got.err) == (0, 1, "")
    assert (listed.code, [run["status"] for run in json.loads(listed.out)]) == (0, ["succeeded"])
    assert refused.code == 1
    assert {path: path.read_bytes() for path in synced.path.rglob("*") if path.is_file()} == before


def test_to_look_at_a_state_leaves_no_trace(synced: CliProject) -> None:
    before = files(synced)
    outcomes = [synced.run("state", "get"), synced.run("state", "get", "--destination", "duckdb:files/other.db")]

    assert [(outcome.code, outcome.err) for outcome in outcomes] == [(0, "")] * 2
    assert files(synced) == before


def test_a_state_of_an_older_warehouse_is_refused_however_often_and_not_forgotten(synced: CliProject) -> None:
    old = synced.warehouse.read_bytes()
    synced.debug()
    synced.warehouse.write_bytes(old)
    refused = [synced.run("state", "get"), synced.run("state", "get"), synced.debug()]
    synced.warehouse.unlink()
    gone = synced.run("state", "get")

    said = "the destination is older than the last sync left it (sync 2 of "
    assert [(outcome.code, said in outcome.out + outcome.err) for outcome in (*refused, gone)] == [(1, True)] * 4


def files(project: CliProject) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.path.rglob("*") if path.is_file()}
