"""How `headwater debug` ends: the whole visible text, the exit code, and what stays. The real command."""

from __future__ import annotations

import os
import signal
import stat
import time

import pytest

from tests.cli.cli_project import CliProject, ended, line_with

ONE_CHECKPOINT = """
op.upsert("orders", {"id": 1})
op.checkpoint({"cursor": 1})
op.upsert("orders", {"id": 2})
"""
REPORT = "  The whole traceback is in <project>/crash-reports/crash_<time>.log\n"
NOTHING_KEPT = "  No checkpoint was committed; the next sync starts where this one did\n"
ONE_KEPT = "  1 checkpoint is committed; the next sync goes on from there\n"


def test_a_sync_prints_what_readmes_show_and_the_second_goes_on(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": state.get("n", 0)})\nop.checkpoint({"n": state.get("n", 0) + 1})')
    first, second = project.debug(), project.debug()

    assert first.out == (
        "debugging connector at: <project>\n"
        "Version: headwater 0.1.0\n"
        "Destination schema: <project>/files/warehouse.db/tester\n"
        "Previous state:\n"
        "{}\n"
        "[SchemaChange]: tester.orders\n"
        'Checkpoint: {"n": 1}\n'
        "Memory: at most <number> MB\n"
        "\n"
        "SYNC PROGRESS:\n"
        "Operation     | Calls\n"
        "------------- + ------------\n"
        "Upserts       | 1\n"
        "Updates       | 0\n"
        "Deletes       | 0\n"
        "Truncates     | 0\n"
        "SchemaChanges | 1\n"
        "Checkpoints   | 1\n"
        "\n"
        "Sync SUCCEEDED in <seconds> s (1 operation)\n"
    )
    assert (first.code, first.err) == (0, "")
    assert 'Previous state:\n{"n": 1}\nCheckpoint: {"n": 2}\n' in second.out
    assert project.ids() == [0, 1]
    assert project.state == {"n": 2}
    assert project.crash_reports() == []


def test_an_error_after_a_checkpoint_shows_the_authors_lines_and_keeps_the_checkpoint(project: CliProject) -> None:
    outcome = project.connector(ONE_CHECKPOINT + 'raise ValueError("boom")').debug()

    assert outcome.ending == (
        "<time> SEVERE   connector Traceback (most recent call last):\n"
        '         File "<project>/connector.py", line 11, in update\n'
        '           raise ValueError("boom")\n'
        "       ValueError: boom\n"
        "SYNC FAILED: ValueError: boom (connector.py, line 11, in update())\n" + ONE_KEPT + REPORT
    )
    assert (outcome.code, outcome.err) == (1, "")
    assert project.ids() == [1]
    assert project.state == {"cursor": 1}


def test_an_error_before_a_checkpoint_leaves_the_declared_tables_unmade(project: CliProject) -> None:
    outcome = project.connector('op.upsert("orders", {"id": 1})\nraise ValueError("boom")').debug()

    assert outcome.ending.endswith(
        "SYNC FAILED: ValueError: boom (connector.py, line 9, in update())\n" + NOTHING_KEPT + REPORT
    )
    assert outcome.code == 1
    assert project.run("show").out == "There are no tables yet.\n"


def test_op_error_gives_its_message_and_the_authors_own_trace(project: CliProject) -> None:
    outcome = project.connector(ONE_CHECKPOINT + 'op.error("the key has expired", "my own trace")').debug()

    assert outcome.ending == (
        "<time> SEVERE   connector my own trace\nSYNC FAILED: the key has expired\n" + ONE_KEPT + REPORT
    )
    assert outcome.code == 1
    assert project.ids() == [1]


def test_an_operation_that_cannot_be_stored_points_at_the_authors_call(project: CliProject) -> None:
    outcome = project.connector('op.update("orders", {"name": "x"})').debug()

    assert '"<project>/connector.py", line 8, in update\n' in outcome.ending
    assert "/headwater/stream.py" not in outcome.out
    assert outcome.ending.endswith(
        "SYNC FAILED: orders: update lacks the primary-key column id\n"
        "  Give every column of the primary key: id.\n" + NOTHING_KEPT + REPORT
    )
    assert outcome.code == 1


# What many published connectors do around op.upsert.
SKIPPING = """
for id in ("1", "two", "3"):
    try:
        op.upsert("orders", {"id": id})
        op.checkpoint({})
    except Exception:
        pass
"""


def test_a_row_whose_error_was_caught_points_at_the_call_that_raised_it(project: CliProject) -> None:
    outcome = project.connector(SKIPPING).debug()

    assert outcome.ending.startswith(
        "<time> SEVERE   connector Traceback (most recent call last):\n"
        '         File "<project>/connector.py", line 11, in update\n'
        "           op.checkpoint({})\n"
    )
    assert outcome.ending.endswith(
        "SYNC FAILED: orders.id: 'two' does not fit LONG: expected an integer, or a number or text without a fraction, "
        "like 42.0 or '42'\n"
        '  in the row {"id": "two"}\n'
        "  The connector caught this error and went on, but the sync fails rather than lose the row: "
        "mend or leave out what does not fit before op.upsert.\n" + ONE_KEPT + REPORT
    )


def test_debug_shows_the_frames_of_headwater_too(project: CliProject) -> None:
    outcome = project.connector('op.update("orders", {"name": "x"})').debug("--debug")

    assert "/headwater/stream.py" in outcome.ending


def test_sys_exit_fails_the_sync_after_a_warning(project: CliProject) -> None:
    outcome = project.connector(ONE_CHECKPOINT + "sys.exit(0)", top="import sys").debug()

    assert (
        "<time> WARNING  connector connector.py, line 11: sys.exit() ends the whole process; "
        "return from update() to end a sync, raise an exception to fail it\n"
    ) in outcome.out
    assert outcome.ending.endswith(
        "SYNC FAILED: the connector called sys.exit(0) (connector.py, line 11, in update())\n"
        "  To end a sync early, return from update(); to fail it, raise an exception or call op.error().\n"
        + ONE_KEPT
        + REPORT
    )
    assert outcome.code == 1
    assert project.ids() == [1]


@pytest.mark.parametrize(("status", "code"), [("3", 3), ("0", 1), ("status=0", 1), ("256", 1)])
def test_os_exit_is_warned_of_and_what_was_committed_stays(project: CliProject, status: str, code: int) -> None:
    outcome = project.connector(f"{ONE_CHECKPOINT}os._exit({status})", top="import os").debug()
    again = project.connector(ONE_CHECKPOINT).debug()

    assert outcome.out == (
        "debugging connector at: <project>\n"
        "Version: headwater 0.1.0\n"
        "<time> WARNING  connector connector.py, line 11: os._exit() ends the whole process; "
        "return from update() to end a sync, raise an exception to fail it\n"
        "Destination schema: <project>/files/warehouse.db/tester\n"
        "Previous state:\n"
        "{}\n"
        "[SchemaChange]: tester.orders\n"
        'Checkpoint: {"cursor": 1}\n'
        f"SYNC FAILED: the connector ended the process with os._exit({status.removeprefix('status=')})\n"
        "  What was committed stays, and the next sync goes on there. To end a sync early, return from update().\n"
    )
    assert (outcome.code, outcome.err) == (code, "")
    assert 'Previous state:\n{"cursor": 1}\n' in again.out
    assert again.code == 0
    assert project.ids() == [1, 2]


def test_a_process_that_the_connector_forks_may_end_by_os_exit(project: CliProject) -> None:
    body = "pid = os.fork()\nif not pid:\n    os._exit(0)\nassert os.waitpid(pid, 0)[1] == 0\n"
    outcome = project.connector(body + ONE_CHECKPOINT, top="import os").debug()

    assert "SYNC FAILED" not in outcome.out
    assert outcome.code == 0


def test_schema_that_raises_is_shown_with_its_line(project: CliProject) -> None:
    outcome = project.connector("pass", schema="def schema(configuration):\n    return 1 / 0\n").debug()

    assert outcome.ending == (
        "<time> SEVERE   connector Traceback (most recent call last):\n"
        '         File "<project>/connector.py", line 4, in schema\n'
        "           return 1 / 0\n"
        "                  ~~^~~\n"
        "       ZeroDivisionError: division by zero\n"
        "SYNC FAILED: ZeroDivisionError: division by zero (connector.py, line 4, in schema())\n" + NOTHING_KEPT + REPORT
    )
    assert outcome.code == 1


START = "debugging connector at: <project>\nVersion: headwater 0.1.0\n"

# fmt: off
BROKEN_PROJECTS = {
    "no connector.py": (
        {"configuration.json": "{}"},
        "SYNC FAILED: <project> holds no connector.py\n  Go into the project's folder, or name it.\n", 0),
    "no configuration.json": (
        {"connector.py": ""},
        ("SYNC FAILED: there is no configuration: <project>/configuration.json does not exist\n"
         "  Write {} into it if the connector needs none, or name a file with --configuration.\n"), 0),
    "broken JSON": (
        {"connector.py": "", "configuration.json": '{"a": '},
        ("SYNC FAILED: <project>/configuration.json is not JSON: Expecting value: line 1 column 7 (char 6)\n"
         '  Write it as {"name": "value"}.\n'), 0),
    "a number in the configuration": (
        {"connector.py": "", "configuration.json": '{"page": 100}'},
        ("SYNC FAILED: <project>/configuration.json: all values must be strings; these are not: page\n"
         '  Put quotes around them, as in "page_size": "100", and convert them in the connector.\n'), 0),
    "a syntax error": (
        {"connector.py": "def update(:\n", "configuration.json": "{}"},
        START +
        '<time> SEVERE   connector   File "<project>/connector.py", line 1\n'
        "           def update(:\n"
        "                      ^\n"
        "       SyntaxError: invalid syntax\n"
        "SYNC FAILED: SyntaxError: invalid syntax (connector.py, line 1)\n" + REPORT, 1),
    "an import that is missing": (
        {"connector.py": "import no_such_thing\n", "configuration.json": "{}"},
        START +
        "<time> SEVERE   connector Traceback (most recent call last):\n"
        '         File "<project>/connector.py", line 1, in <module>\n'
        "           import no_such_thing\n"
        "       ModuleNotFoundError: No module named 'no_such_thing'\n"
        "SYNC FAILED: ModuleNotFoundError: No module named 'no_such_thing' (connector.py, line 1)\n"
        "  Install what provides 'no_such_thing' into this environment, and name it in requirements.txt.\n"
        + REPORT, 1),
    "no `connector`": (
        {"connector.py": "def update(configuration, state): pass\n", "configuration.json": "{}"},
        START + "SYNC FAILED: <project>/connector.py defines no `connector`\n"
        "  End it with: connector = Connector(update=update, schema=schema)\n" + REPORT, 1),
    "sys.exit() at the top": (
        {"connector.py": "raise SystemExit('no')\n", "configuration.json": "{}"},
        START +
        "<time> SEVERE   connector Traceback (most recent call last):\n"
        '         File "<project>/connector.py", line 1, in <module>\n'
        "           raise SystemExit('no')\n"
        "       SystemExit: no\n"
        "SYNC FAILED: the connector called sys.exit('no') (connector.py, line 1)\n"
        "  To end a sync early, return from update(); to fail it, raise an exception or call op.error().\n"
        + REPORT, 1),
}
# fmt: on


@pytest.mark.parametrize("what", BROKEN_PROJECTS)
def test_a_broken_project_is_told_what_is_wrong_and_what_to_do(project: CliProject, what: str) -> None:
    files, text, reports = BROKEN_PROJECTS[what]
    for name, content in files.items():
        project.write(name, content)
    outcome = project.debug()

    assert outcome.out == text
    assert (outcome.code, outcome.err) == (1, "")
    assert len(project.crash_reports()) == reports
    assert not project.warehouse.exists()


def test_a_folder_that_is_not_there_is_told_of(project: CliProject) -> None:
    outcome = project.debug("nowhere")

    assert outcome.out == "SYNC FAILED: nowhere is not a folder\n  Name the folder that holds connector.py.\n"
    assert outcome.code == 1


def test_a_crash_report_holds_everything_and_only_the_owner_reads_it(project: CliProject) -> None:
    project.connector(ONE_CHECKPOINT + 'raise ValueError("boom " + configuration["api_key"])')
    project.configuration({"api_key": "canary-123"})
    for second in range(25):
        project.write(f"crash-reports/crash_20200101-0000{second:02}.log", "old")
    project.write("crash-reports/notes.txt", "mine")
    project.debug()
    *old, newest, notes = project.crash_reports()
    text = newest.read_text()

    assert len(old) == 19
    assert old[0].name == "crash_20200101-000006.log"
    assert notes.read_text() == "mine"
    assert stat.S_IMODE(newest.stat().st_mode) == 0o600
    assert [line.split()[0] for line in text.splitlines()[:6]] == [
        "time", "project", "headwater", "python", "duckdb", "pyarrow",
    ]  # fmt: skip
    assert "loaded      orders: 1\n" in text
    assert "/headwater/sync.py" in text
    assert "ValueError: boom ***" in text
    assert "canary" not in text


# --- interrupted

ENDLESS = ONE_CHECKPOINT + 'log.info("looping")\nwhile True: pass'


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_ends_an_endless_loop_and_keeps_the_checkpoint(
    project: CliProject, number: signal.Signals, code: int
) -> None:
    with project.connector(ENDLESS).start("debug") as process:
        line_with(process, "looping")
        process.send_signal(number)
        outcome = ended(process, project)

    assert outcome.ending == "Sync INTERRUPTED: 1 checkpoint is committed; the next sync goes on from there\n"
    assert (outcome.code, outcome.err) == (code, "")
    assert project.ids() == [1]
    assert project.state == {"cursor": 1}
    assert project.crash_reports() == []


def test_the_second_interrupt_ends_what_the_first_could_not(project: CliProject) -> None:
    schema = """
import time
def schema(configuration):
    said = False
    while True:
        try:
            if not said:
                said = True
                log.info("stubborn")
            time.sleep(60)
        except BaseException:
            log.info("caught")
"""
    with project.connector("pass", schema=schema).start("debug") as process:
        line_with(process, "stubborn")
        process.send_signal(signal.SIGINT)
        line_with(process, "caught")
        process.send_signal(signal.SIGINT)
        outcome = ended(process, project)

    assert (outcome.code, outcome.out, outcome.err) == (-signal.SIGINT, "", "")


def test_an_interrupt_in_schema_ends_without_a_traceback(project: CliProject) -> None:
    schema = "import time\ndef schema(configuration):\n    log.info('slow')\n    time.sleep(60)\n"
    with project.connector("pass", schema=schema).start("debug") as process:
        line_with(process, "slow")
        process.send_signal(signal.SIGINT)
        outcome = ended(process, project)

    assert outcome.ending.endswith("; the next sync goes on from there\n") or outcome.ending.endswith(
        "the next sync starts where this one did\n"
    )
    assert outcome.ending.startswith("Sync INTERRUPTED: ")
    assert (outcome.code, outcome.err) == (130, "")


# --- two syncs


def test_a_second_sync_is_refused_while_one_lives_and_takes_over_when_it_was_killed(project: CliProject) -> None:
    with project.connector(ENDLESS).start("debug") as process:
        line_with(process, "looping")
        refused = project.debug()
        reset = project.run("reset", "--yes")
        shown = project.run("show")
        os.kill(process.pid, signal.SIGKILL)
        ended(process, project)
    taken_over = project.connector(ONE_CHECKPOINT).debug()

    assert refused.out == START + (
        f"SYNC FAILED: another sync of this project is running (pid {process.pid}, started <time>)\n"
        "  Wait for it, or end it, and run this again.\n"
    )
    assert (refused.code, refused.err) == (1, "")
    assert (reset.code, reset.out) == (1, "")
    assert reset.err == (
        f"Error: another sync of this project is running (pid {process.pid}, started <time>)\n"
        "Wait for it, or end it, and run this again.\n"
    )
    assert shown.code == 1
    assert shown.err == (
        "Error: <project>/files/warehouse.db is open in another program\n"
        "DuckDB lets nobody read while a sync writes: wait for it, or end it.\n"
    )
    assert taken_over.code == 0
    assert project.ids() == [1, 2]


def test_threads_that_a_connector_leaves_running_do_not_keep_the_process(project: CliProject) -> None:
    started = time.monotonic()
    outcome = project.connector(
        "pool = ThreadPoolExecutor(2)\npool.submit(time.sleep, 50)",
        top="import time\nfrom concurrent.futures import ThreadPoolExecutor",
    ).debug()

    assert outcome.ending == "Sync SUCCEEDED in <seconds> s (0 operations)\n"
    assert outcome.code == 0
    assert time.monotonic() - started < 30


def test_what_a_killed_sync_left_half_written_is_removed_by_the_next(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1})\nop.checkpoint({})')
    half, other = project.write("files/.state.json.4711", '{"ha'), project.write("files/.keep", "")
    outcome = project.debug()

    assert outcome.code == 0
    assert (half.exists(), other.exists()) == (False, True)


def test_a_connector_that_hangs_is_ended_and_its_last_checkpoint_stays(project: CliProject) -> None:
    hangs = 'op.upsert("orders", {"id": 1})\nop.checkpoint({"n": 1})\nop.upsert("orders", {"id": 2})\ntime.sleep(600)'
    hung = project.connector(hangs, top="import time").debug("--max-idle-seconds", "0.5")
    slow = 'for id in range(6):\n    time.sleep(0.25)\n    op.upsert("orders", {"id": id})'
    worked = project.connector(slow, top="import time").debug("--max-idle-seconds", "2")

    assert hung.code == 1
    assert "SYNC FAILED: the connector has emitted nothing for 0.5 seconds\n" in hung.out
    assert '"n": 1' in worked.out
    assert (worked.code, project.ids()) == (0, [0, 1, 2, 3, 4, 5])


def test_a_crash_leaves_no_image_of_the_process_with_its_secrets(project: CliProject) -> None:
    asks = 'log.info(f"core {resource.getrlimit(resource.RLIMIT_CORE)[0]}")'
    outcome = project.connector(asks, top="import resource").debug()

    assert "connector core 0\n" in outcome.out


@pytest.mark.parametrize("command", ["debug", "verify"])
def test_a_folder_without_a_connector_is_said_so_first(project: CliProject, command: str) -> None:
    outcome = project.run(command)

    assert outcome.code == 1
    assert (outcome.out + outcome.err).partition(": ")[2] == (
        "<project> holds no connector.py\n"
        + ("  " if command == "debug" else "")
        + "Go into the project's folder, or name it.\n"
    )


def test_what_the_system_refuses_headwater_is_said_without_its_number(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1})')
    project.write("files", "a file where the folder should be")
    synced = project.debug()
    cleared = project.run("reset", "--yes")

    assert "SYNC FAILED: <project>/files cannot be used: File exists\n" in synced.out
    assert (synced.code, cleared.code) == (1, 1)
    assert "[Errno" not in synced.out + cleared.err
