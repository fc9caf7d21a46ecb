"""The options of `headwater debug`, and `connector.debug()`; the real command."""

from __future__ import annotations

import json
import os

from tests.cli.cli_project import CONNECTOR, IMPORTS, SCHEMA, CliProject

COUNT_ON = """
for number in range(state.get("n", 0), state.get("n", 0) + 5):
    op.upsert("orders", {"id": number})
    op.checkpoint({"n": number + 1})
"""


def test_a_sync_ends_at_the_checkpoint_after_max_rows_and_goes_on_later(project: CliProject) -> None:
    first = project.connector(COUNT_ON).debug("--max-rows", "2")
    second = project.debug("--max-seconds", "0")

    assert first.ending == "Sync SUCCEEDED in <seconds> s (2 operations)\n"
    assert second.ending == "Sync SUCCEEDED in <seconds> s (1 operation)\n"
    assert project.ids() == [0, 1, 2]
    assert project.state == {"n": 3}


def test_a_state_file_wins_over_the_committed_state_and_full_resync_over_both(project: CliProject) -> None:
    project.connector(COUNT_ON)
    project.write("other.json", '{"n": 40}')
    given = project.debug("--state", "other.json", "--max-rows", "1")
    afresh = project.debug("--full-resync", "--max-rows", "1")
    project.write("other.json", "[40]")
    wrong = project.debug("--state", "other.json")
    missing = project.debug("--state", "none.json")

    assert 'Previous state:\n{"n": 40}\n' in given.out
    assert "Previous state:\n{}\n" in afresh.out
    assert wrong.out.endswith("SYNC FAILED: other.json must hold a JSON object, not list\n")
    assert missing.out.endswith(
        "SYNC FAILED: the state cannot be read: none.json: No such file or directory\n"
        "  It is looked for where the command is typed, then in the project.\n"
    )
    assert [outcome.code for outcome in (given, afresh, wrong, missing)] == [0, 0, 1, 1]


def test_the_configuration_file_and_the_naming_can_be_chosen(project: CliProject) -> None:
    project.connector('op.upsert("myOrders", {"id": 1, "who": configuration["who"]})', schema="schema = None")
    project.write("other.json", '{"who": "me"}')
    outcome = project.debug("--configuration", "other.json", "--naming", "source")
    shown = project.run("show", "myOrders", "--format", "json")

    assert "[SchemaChange]: tester.myOrders\n" in outcome.out
    assert [(row["id"], row["who"]) for row in json.loads(shown.out)] == [(1, "me")]


def test_a126_the_configuration_is_a_plain_dict_of_texts_that_update_may_change(project: CliProject) -> None:
    project.connector(
        """
kinds = sorted({type(each).__name__ for each in [*configuration, *configuration.values()]})
op.upsert("seen", {"id": 1, "of": type(configuration).__name__, "kinds": kinds, "values": dict(configuration)})
configuration["added"] = configuration.pop("host")
""",
        schema="schema = None",
    )
    project.configuration({"host": "db", "größe": "", "list": "[1, 2]", "secret": "s3cret"})
    outcome = project.debug()
    shown = project.run("show", "seen", "--format", "json")
    [row] = json.loads(shown.out)

    assert outcome.code == 0
    assert (row["of"], json.loads(row["kinds"])) == ("dict", ["str"])
    assert json.loads(row["values"]) == {"host": "db", "größe": "", "list": "[1, 2]", "secret": "s3cret"}


def test_another_destination_can_be_named_and_shown(project: CliProject) -> None:
    outcome = project.connector(COUNT_ON).debug("--destination", "duckdb:else.db", "--max-rows", "1")
    shown = project.run(
        "show", "--destination", "duckdb:else.db", "--sql", "SELECT count(*) AS n FROM orders", "--format", "csv"
    )
    wrong = project.debug("--destination", "mongodb://me:canary@host")

    assert "Destination schema: <project>/else.db/tester\n" in outcome.out
    assert shown.out == "n\n1\n"
    assert not project.warehouse.exists()
    assert "is of no known kind" in wrong.out
    assert "canary" not in wrong.out + wrong.err
    assert wrong.code == 1


def test_a_destination_that_lost_commits_is_refused_until_that_is_accepted(project: CliProject) -> None:
    project.connector(COUNT_ON).debug()
    project.warehouse.unlink()
    refused = project.debug()
    accepted = project.debug("--accept-older")

    assert "SYNC FAILED: the destination is older than the last sync left it" in refused.out
    assert "--accept-older" in refused.out
    assert (refused.code, accepted.code) == (1, 0)


def test_json_lines_are_all_that_stdout_holds_whatever_a_connector_prints(project: CliProject) -> None:
    project.connector(
        'print("plain")\nprint("no end", end="", flush=True)\nsys.stdout.buffer.write(b"bytes")\n'
        'sys.stdout.write("\\n")\nlog.warning("two\\nlines")\nop.checkpoint({"n": 1})\nraise ValueError("boom")',
        top="import sys",
    )
    outcome = project.debug("--log-format", "json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    last = lines[-1]

    assert {"plain", "no endbytes", "two\nlines", 'Checkpoint: {"n": 1}'} <= {line["message"] for line in lines}
    assert {line["message_origin"] for line in lines} == {"connector_sdk"}
    assert last["sync"].pop("seconds") >= 0
    assert last["sync"].pop("peak_mb") > 0
    assert last["sync"].pop("crash_report").startswith("<project>/crash-reports/crash_")
    assert last["sync"] == {
        "status": "failed", "Upserts": 0, "Updates": 0, "Deletes": 0, "Truncates": 0, "SchemaChanges": 1,
        "Checkpoints": 1,
        "error": {
            "type": "ValueError", "message": "ValueError: boom (connector.py, line 14, in update())", "hint": None,
        },
    }  # fmt: skip
    assert (outcome.code, outcome.err) == (1, "")


def test_a_connector_finds_the_environment_of_fivetran(project: CliProject) -> None:
    names = ["CONNECTION_ID", "DEPLOYMENT_MODEL", "GROUP_ID", "CONNECTION_NAME"]
    outcome = project.connector(
        f'print(*(os.environ["FIVETRAN_" + name] for name in {names}))', top="import os"
    ).debug()

    assert "\ntest_connection_id local_debug test_group_id test_connection_name\n" in outcome.out


def test_a_forked_process_can_print_while_the_sync_does(project: CliProject) -> None:
    outcome = project.connector(
        "fork = multiprocessing.get_context('fork')\n"
        "threading.Thread(target=lambda: [log.info(str(n)) for n in range(3000)]).start()\n"
        "children = [fork.Process(target=print, args=[f'child {n}']) for n in range(5)]\n"
        "[child.start() for child in children]\n"
        "[child.join(20) for child in children]\n"
        "print([child.exitcode for child in children])",
        top="import multiprocessing, threading",
    ).debug()

    assert "[0, 0, 0, 0, 0]" in outcome.out
    assert [n for n in range(5) if f"child {n}\n" not in outcome.out] == []


def test_a_reader_that_goes_away_does_not_stop_the_sync(project: CliProject) -> None:
    reading, writing = os.pipe()
    with project.connector(COUNT_ON).start("debug", stdout=writing) as process:
        os.close(writing)
        os.close(reading)
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    assert project.ids() == [0, 1, 2, 3, 4]


SCRIPT = f"""
{IMPORTS}{SCHEMA}
def update(configuration, state):
    op.upsert("orders", {{"id": int(configuration["id"])}})
    if configuration["id"] == "2":
        raise ValueError("boom")
{CONNECTOR}
if __name__ == "__main__":
    import sys
    connector.debug(configuration={{"id": sys.argv[1]}})
    print("after")
"""


def test_a_script_that_calls_debug_does_the_same_in_its_own_process(project: CliProject) -> None:
    project.write("connector.py", SCRIPT)
    good = project.run("python", "connector.py", "1")
    bad = project.run("python", "connector.py", "2")

    assert good.ending == "Sync SUCCEEDED in <seconds> s (1 operation)\nafter\n"
    assert "SYNC FAILED: ValueError: boom (connector.py, line 10, in update())\n" in bad.ending
    assert "after" not in bad.out
    assert (good.code, bad.code, good.err, bad.err) == (0, 1, "", "")
    assert project.ids() == [1]


def test_a_connector_that_was_edited_within_a_second_runs_as_it_is_now(project: CliProject) -> None:
    """Python takes a compiled file for new while the size and the second of its source are the same."""
    said = []
    for number in ("1", "2"):
        project.connector(f"print('number {number}')")
        os.utime(project.path / "connector.py", (1_700_000_000, 1_700_000_000))
        said.append(project.run("debug", env_extra={"PYTHONDONTWRITEBYTECODE": ""}).out)

    assert "number 1\n" in said[0]
    assert "number 2\n" in said[1]
