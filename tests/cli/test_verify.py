"""`headwater verify`: it passes connectors that resume, and names the checkpoint and the row where one does not."""

from __future__ import annotations

import json

import pytest

from tests.cli.cli_project import CliProject

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
    (SCHEMA,  REMEMBERS, 0,    ("The connector resumes: 2 checkpoints; started again from the start and from 1 of "
                               "them, it gives the same tables.\n")),
    (SCHEMA,  "pass",    0,    ("The connector resumes: 1 checkpoint; started again from the start, it gives the same "
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
                               "  started again, the sync fails: no page ***\n")),
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


def test_a_sync_that_fails_by_itself_is_said_so_without_secrets(project: CliProject) -> None:
    project.connector('raise ValueError("wrong key " + configuration["api_key"])')
    project.configuration({"api_key": "canary-4711-secret"})
    outcome = project.run("verify")

    assert (outcome.code, outcome.out) == (1, "")
    assert "Error: the sync itself fails: wrong key ***\n" in outcome.err
    assert "canary" not in outcome.err
