"""`headwater runs`: the history of a project's syncs."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest

from tests.cli.cli_project import CliProject, Outcome, line_with
from tests.cli.test_terminal import on_a_terminal

UPDATE = """
n = state.get("n", 0) + 1
op.upsert("orders", {"id": n})
if n == 2:
    op.warning("half of the \\x1b[31morders")
op.checkpoint({"n": n})
if n == 3:
    raise ValueError("no access for " + configuration["api_key"])
"""


def steady(outcome: Outcome) -> str:
    """Replace times, and the widths of columns, which follow from them."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "<when>", outcome.out)
    text = re.sub(r"(?<=  )\d\.\d\b", "<s>", text)
    return re.sub(r"(?<=\S)  +", "  ", re.sub("-{3,}", "---", text))


@pytest.fixture
def synced(project: CliProject) -> CliProject:
    project.connector(UPDATE).configuration({"api_key": "canary-4711-secret"})

    assert [project.debug().code for _ in range(3)] == [0, 0, 1]
    return project


LIST = """\
  run  started  seconds  status  rows  checkpoints  state  warnings  error
  ---  ---  ---  ---  ---  ---  ---  ---  ---
  3  <when>  <s>  failed  orders 1  1  8 bytes  no access for ***
  2  <when>  <s>  succeeded  orders 1  1  8 bytes  1
  1  <when>  <s>  succeeded  orders 1  1  8 bytes
"""
DETAIL = """\
run  2
status  succeeded
started  <when>
ended  <when>
seconds  <s>
state  8 bytes
operations
  upserts 1
  updates 0
  deletes 0
  truncates 0
  checkpoints 1
rows
  orders 1
warnings
  half of the \\x1b[31morders
"""


def test_runs_lists_the_syncs_newest_first_and_shows_one(synced: CliProject) -> None:
    listed = synced.run("runs")
    newest = synced.run("runs", "--limit", "1", "--json")
    detail = synced.run("runs", "2")
    failed = synced.run("runs", "--run", "3", "--json")

    assert steady(listed) == LIST
    assert steady(detail) == DETAIL
    assert json.loads(newest.out) == [json.loads(failed.out)]
    assert {name: json.loads(failed.out)[name] for name in ("id", "status", "rows", "error")} == {
        "id": 3, "status": "failed", "rows": {"orders": 1}, "error": "no access for ***",
    }  # fmt: skip
    assert [outcome.code for outcome in (listed, newest, detail, failed)] == [0, 0, 0, 0]


def test_runs_tells_a_sync_that_was_killed_from_one_that_goes_on(project: CliProject) -> None:
    project.connector('op.checkpoint({"n": 1})\nprint("waiting", flush=True)\nimport time; time.sleep(60)')
    process = project.start("debug", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        line_with(process, "waiting")
        during = project.run("runs", "--json")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    after = project.run("runs", "--json")

    assert [json.loads(outcome.out)[0]["status"] for outcome in (during, after)] == ["running", "died"]


WRONG = [
    # arguments           code  the last line that is said
    (["--run", "7"],      1,    "Error: there is no sync 7 of <project>: there was none yet\n"),
    (["7"],               1,    "Error: there is no sync 7 of <project>: there was none yet\n"),
    (["nowhere"],         1,    "Name the folder that holds connector.py.\n"),
    (["--run", "x"],      2,    "Error: Invalid value for '--run': 'x' is not a valid integer range.\n"),
    ([],                  0,    "There was no sync yet.\n"),
    (["--json"],          0,    "[]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_runs_of_a_project_without_syncs(project: CliProject, arguments: list[str], code: int, said: str) -> None:
    outcome = project.run("runs", *arguments)

    assert (outcome.code, (outcome.out + outcome.err).splitlines(keepends=True)[-1]) == (code, said)
    assert list(project.path.iterdir()) == []  # a look leaves nothing behind


@pytest.mark.parametrize(
    ("columns", "head", "left_out"),
    [
        (100, "run  started  seconds  status  rows  state  warnings  error", 1),
        (80,  "run  started  status  rows  error", 4),
        (60,  "run  status  rows  warnings  error", 4),
        (40,  "run  status  error", 6),
    ],
)  # fmt: skip
def test_the_error_is_the_last_to_go_on_a_narrow_terminal(
    synced: CliProject, columns: int, head: str, left_out: int
) -> None:
    with on_a_terminal(synced, "runs", columns=columns) as (terminal, process):
        process.wait(timeout=30)
        terminal.all()

    lines = terminal.plain.splitlines()
    assert [line for line in lines if len(line) > columns and not line.startswith("…")] == []
    assert lines[0].split() == head.split()
    assert "no access" in lines[2]
    assert lines[-1] == f"… {left_out} more column{'s' * (left_out > 1)}: see a sync whole with `headwater runs NUMBER`"
