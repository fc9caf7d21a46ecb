"""`headwater verify`: it passes connectors that resume, and names the checkpoint and the row where one does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.cli.cli_project import CliProject, line_with

SCHEMA = """
def schema(configuration):
    return [{"table": "orders", "primary_key": ["id"]}]
"""
NO_KEY = "\ndef schema(configuration):\n    return []\n"

GOOD = """
print("a line of the connector's own")
for page in range(state.get("page", 0), 3):
    for number in range(2):
        op.upsert("orders", {"id": page * 2 + number, "nan": float("nan")})
    op.checkpoint({"page": page + 1})
"""
LOSES = GOOD.replace('op.checkpoint({"page": page + 1})', 'op.checkpoint({"page": page + 2})')
DOUBLES = """
for number in range(state.get("done", 0), 4):
    op.upsert("orders", {"number": number, "place": number - state.get("done", 0)})
    op.checkpoint({"done": number + 1})
"""
CHANGES = """
for number in range(state.get("done", 0), 3):
    op.upsert("orders", {"id": number, "share": 100 - state.get("done", 0)})
    op.checkpoint({"done": number + 1})
"""
FAILS = GOOD.replace(
    "for page", 'if state.get("page") == 2: raise ValueError("no page " + configuration["api_key"])\nfor page'
)
REMEMBERS = """
SEEN.append(1)
op.upsert("orders", {"id": len(SEEN)})
op.checkpoint({"n": 1})
op.upsert("orders", {"id": 10})
"""
CASES = [
    # schema  update     code  what is said
    (SCHEMA,  GOOD,      0,    ("The connector resumes: 3 checkpoints; started again from the start and from 2 of "
                               "them, it gives the same tables.\n")),
    (SCHEMA,  REMEMBERS, 0,    ("The connector resumes: 1 checkpoint; started again from the start and from it, it "
                               "gives the same tables.\n")),
    (SCHEMA,  "pass",    0,    ("The connector makes no checkpoint: cut off, it begins anew, and gives the same "
                               "tables.\n")),
    (SCHEMA,  LOSES,     1,    ("The connector does not resume from checkpoint 1 of 3.\n"
                               '  state: {"page": 2}\n'
                               '  tester.orders: lost: {"id": 2, "nan": NaN, "_fivetran_deleted": false}\n'
                               '  tester.orders: lost: {"id": 3, "nan": NaN, "_fivetran_deleted": false}\n')),
    (SCHEMA,  CHANGES,   1,    ("The connector does not resume from checkpoint 1 of 3.\n"
                               '  state: {"done": 1}\n'
                               '  tester.orders: changed: {"id": 1, "share": 100, "_fivetran_deleted": false}, '
                               'started again: {"id": 1, "share": 99, "_fivetran_deleted": false}\n'
                               '  tester.orders: changed: {"id": 2, "share": 100, "_fivetran_deleted": false}, '
                               'started again: {"id": 2, "share": 99, "_fivetran_deleted": false}\n')),
    (SCHEMA,  FAILS,     1,    ("The connector does not resume from checkpoint 2 of 3.\n"
                               '  state: {"page": 2}\n'
                               "  started again, the sync fails: ValueError: no page ***\n"
                               "  Traceback (most recent call last):\n"
                               '    File "<project>/connector.py", line 9, in update\n'
                               '      if state.get("page") == 2: raise ValueError("no page " + '
                               'configuration["api_key"])\n'
                               f"        {'^' * 55}\n"
                               "  ValueError: no page ***\n")),
]  # fmt: skip
NAMES = ["resumes", "globals do not help", "no checkpoint", "loses rows", "changes rows", "fails"]


@pytest.mark.parametrize(("schema", "update", "code", "said"), CASES, ids=NAMES)
def test_a_connector_is_proved_or_the_checkpoint_and_the_row_are_named(
    project: CliProject, schema: str, update: str, code: int, said: str
) -> None:
    project.connector(update, schema=schema, top="SEEN = []").configuration({"api_key": "canary-4711-secret"})
    before = sorted(project.path.rglob("*"))
    outcome = project.run("verify")

    assert (outcome.code, outcome.out) == (code, said), outcome.err
    assert sorted(project.path.rglob("*")) == before  # no state, no history, no warehouse


def test_a_row_that_comes_twice_is_named_for_scripts_too(project: CliProject) -> None:
    project.connector(DOUBLES, schema=NO_KEY)
    outcome = project.run("verify", "--json")
    report = json.loads(outcome.out)
    first = report["restarts"][-1]

    assert outcome.code == 1
    assert {name: report[name] for name in ("resumes", "checkpoints", "repeatable")} == {
        "resumes": False, "checkpoints": 4, "repeatable": True,
    }  # fmt: skip
    assert first["checkpoint"] == 1
    numbers = [(each["what"], (each["expected"] or each["found"])["number"]) for each in first["differences"]]
    assert sorted(numbers) == [("extra", 1), ("extra", 2), ("extra", 3), ("lost", 1), ("lost", 2), ("lost", 3)]


def test_a_source_that_changes_is_told_apart(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1, "at": time.time_ns()})', top="import time")
    outcome = project.run("verify")

    assert outcome.code == 1
    assert outcome.out.startswith(
        "Nothing can be said: the whole sync, run twice from the start, does not give the same.\n"
        '  tester.orders: changed: {"id": 1, '
    )


CHANGES_LATER = """
with open(configuration["runs"], "a") as file:
    file.write("x")
runs = os.path.getsize(configuration["runs"])
for number in range(state.get("done", 0), 3):
    op.upsert("orders", {"id": number, "price": 1 if runs < 4 else 2})
    op.checkpoint({"done": number + 1})
"""


def test_a_source_that_changes_only_after_a_while_is_told_apart_too(project: CliProject) -> None:
    project.connector(CHANGES_LATER, top="import os").configuration({"runs": str(project.path.parent / "runs")})
    outcome = project.run("verify")

    assert outcome.code == 1
    assert outcome.out.startswith(
        "Nothing can be said: started again from checkpoint 2 it differs,\n"
        "but now the whole sync, run from the start, does not give the same any more either.\n"
        '  tester.orders: changed: {"id": 0, '
    )


def test_a_column_that_holds_the_time_can_be_left_out(project: CliProject) -> None:
    update = CHANGES.replace('"share"', '"at": time.time_ns(), "share"')
    project.connector(update.replace("100 - state.get", "0 * state.get"), top="import time")
    told = project.run("verify")
    proved = project.run("verify", "--ignore", "orders.at")
    project.connector(update, top="import time")
    refuted = project.run("verify", "--ignore", "tester.orders.at")

    assert "  Or leave out what differs: --ignore tester.orders.at\n" in told.out
    assert (proved.code, told.code, refuted.code) == (0, 1, 1), proved.out
    assert "tester.orders: changed:" in refuted.out
    assert '"at"' not in refuted.out


def test_a_sync_that_fails_by_itself_is_said_so_without_secrets(project: CliProject) -> None:
    project.connector('raise ValueError("wrong key " + configuration["api_key"])')
    project.configuration({"api_key": "canary-4711-secret"})
    outcome = project.run("verify")

    assert (outcome.code, outcome.out) == (1, "")
    assert "Error: the sync itself fails: ValueError: wrong key ***\n" in outcome.err
    assert "canary" not in outcome.err


@pytest.mark.parametrize(
    ("top", "said", "traced"),
    [
        ("import not_installed", "ModuleNotFoundError: No module named 'not_installed'", 'connector.py", line 2'),
        ("def wrong(:", "SyntaxError: invalid syntax (connector.py, line 2)", "    def wrong(:"),
        ("import sys; sys.exit(3)", "SystemExit: 3", 'connector.py", line 2'),
        ("raise SystemExit", "SystemExit", 'connector.py", line 2'),
    ],
)
def test_a_connector_that_cannot_be_imported_is_said_so(project: CliProject, top: str, said: str, traced: str) -> None:
    project.connector("pass", top=top)
    outcome = project.run("verify")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith(
        f"Error: the sync itself fails: {said}\nMend that first: `headwater debug` shows where it comes from.\n"
    )
    assert traced in outcome.err
    assert "headwater/verifying" not in outcome.err
    assert "importlib" not in outcome.err


def test_a_project_without_a_connector_is_said_so(project: CliProject) -> None:
    project.write("connector.py", "")
    project.configuration({})
    outcome = project.run("verify")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "Error: the sync itself fails: <project>/connector.py defines no `connector`\n"
        "End it with: connector = Connector(update=update, schema=schema)\n"
        "Mend that first: `headwater debug` shows where it comes from.\n"
    )


def test_a_long_value_does_not_fill_the_screen(project: CliProject) -> None:
    project.connector(LOSES.replace('"nan": float("nan")', '"text": "x" * 1_000_000'), schema=SCHEMA)
    shown = project.run("verify")
    asked_for = project.run("verify", "--json")

    assert '  tester.orders: lost: {"id": 2, "text": "xxx' in shown.out
    assert max(map(len, shown.out.splitlines())) < 1000
    assert len(asked_for.out) > 2_000_000  # a script gets the whole


MANY = """
for number in range(state.get("done", 0), 30):
    op.upsert("orders", {"id": number})
    op.checkpoint({"done": number + (1 if number != 16 else 2)})
"""
TRICKY_TOML = """
[tables.orders]
mode = "{mode}"
"""
EVERYTHING = """
if not state:
    op.truncate("orders")
for number in range(state.get("done", 0), 4):
    op.upsert("orders", {"id": number % 2, "n": number})
    op.update("orders", {"id": 0, "seen": number})
    op.delete("orders", {"id": 1})
    op.checkpoint({"done": number + 1})
"""
GENERATOR = """
for number in range(state.get("done", 0), 3):
    yield op.upsert("orders", {"id": number})
    yield op.checkpoint({"done": number + 1})
"""
THREADS = """
for page in range(state.get("page", 0), 3):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: op.upsert("orders", {"id": page * 10 + n}), range(10)))
    op.checkpoint({"page": page + 1})
threading.Thread(target=time.sleep, args=(60,)).start()  # nobody waits for it
"""
KEEPS_IN_A_LIBRARY = """
json.seen = getattr(json, "seen", 0) + 1
os.environ["SEEN"] = os.environ.get("SEEN", "") + "x"
os.chdir("/")
op.upsert("orders", {"id": json.seen, "environment": os.environ["SEEN"]})
op.checkpoint({"n": 1})
op.upsert("orders", {"id": 10})
"""
DIES = GOOD.replace("for page", 'if state.get("page") == 2: os._exit(0)\nfor page')
CRASHES = GOOD.replace("for page", 'if state.get("page") == 2: os.kill(os.getpid(), 11)\nfor page')
LOSES_A_FILE = """
if not state:
    op.upsert("orders", {"id": 1}, file=FileUpload("a.txt", io.BytesIO(b"a")))
    op.checkpoint({"done": 1})
op.upsert("orders", {"id": 2}, file=FileUpload("b.txt", io.BytesIO(b"b" if state == {} else b"c")))
"""
RESUMES_FROM_3 = "The connector resumes: 4 checkpoints; started again from the start and from 3 of them"
TRICKY = [
    # name                     mode           update              code  what is said
    ("soft delete",            "soft_delete", EVERYTHING,         0,    RESUMES_FROM_3),
    ("live",                   "live",        EVERYTHING,         0,    RESUMES_FROM_3),
    ("history",                "history",     EVERYTHING,         0,    RESUMES_FROM_3),
    ("generator",              "soft_delete", GENERATOR,          0,    "The connector resumes: 3 checkpoints; "),
    ("threads",                "soft_delete", THREADS,            0,    "The connector resumes: 3 checkpoints; "),
    ("kept in a library",      "soft_delete", KEEPS_IN_A_LIBRARY, 0,    "The connector resumes: 1 checkpoint; "),
    ("ends its process",       "soft_delete", DIES,               1,    "ended by itself, with exit code 0\n"),
    ("crashes",                "soft_delete", CRASHES,            1,    "its process was killed by SIGSEGV\n"),
    ("uploads another file",   "soft_delete", LOSES_A_FILE,       1,    'uploaded files: changed: {"file": "orders/b.'),
]  # fmt: skip
TOP = """
import io, json, os, threading, time
from concurrent.futures import ThreadPoolExecutor
from headwater import FileUpload
"""


@pytest.mark.parametrize(("name", "mode", "update", "code", "said"), TRICKY, ids=[each[0] for each in TRICKY])
def test_each_run_is_alone_and_all_that_it_leaves_is_compared(
    project: CliProject, name: str, mode: str, update: str, code: int, said: str
) -> None:
    project.connector(update, schema=SCHEMA, top=TOP)
    project.write("headwater.toml", TRICKY_TOML.format(mode=mode))
    outcome = project.run("verify")

    assert said in outcome.out, outcome
    assert outcome.code == code


def test_from_most_of_very_many_checkpoints_it_runs_to_the_next_one_only(project: CliProject) -> None:
    project.connector(MANY)
    outcome = project.run("verify", "--sample", "3")
    project.connector(MANY.replace("!= 16", "> -1"))
    good = project.run("verify", "--sample", "3")

    assert outcome.out.startswith(
        "The connector does not resume from checkpoint 17 of 30.\n"
        '  state: {"done": 18}\n'
        '  tester.orders: lost: {"id": 17, '
    )
    assert good.out == (
        "The connector resumes: 30 checkpoints; started again from the start and from 29 of them, it gives the same "
        "tables.\nFrom 26 of them it ran to the next checkpoint only, and found the same there; --sample 29 runs all "
        "to the end.\n"
    )


STRIDES = """
stride = 2 if state else 1
for number in range(state.get("done", 0), 6, stride):
    op.upsert("orders", {"id": number})
    op.checkpoint({"done": number + stride})
"""


def test_a_run_to_the_next_checkpoint_must_come_to_the_same_state(project: CliProject) -> None:
    project.connector(STRIDES)
    outcome = project.run("verify", "--sample", "1")

    assert outcome.out.startswith("The connector does not resume from checkpoint 1 of 6.\n")
    assert 'tester.orders: lost: {"id": 2, ' in outcome.out


SLEEPS = 'print(f"pid {os.getpid()}", flush=True)\ntime.sleep(60)'


def test_an_end_from_outside_ends_the_connector_too_and_leaves_nothing(project: CliProject) -> None:
    project.connector(SLEEPS, top="import os, time")
    (temporary := project.path.parent / "temporary").mkdir()
    process = project.start("verify", env_extra={"TMPDIR": str(temporary)}, stderr=subprocess.STDOUT)
    try:
        pid = int(line_with(process, "pid ").split()[1])
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)
    finally:
        process.kill()
        process.communicate()

    assert code == 143
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
