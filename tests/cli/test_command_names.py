"""`headwater` itself: help, version, names that are near a command, and how little it imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import click.testing
import pytest

from headwater.cli import COMMANDS, group
from tests.cli.cli_project import CliProject

HEAVY = {"cryptography", "duckdb", "numpy", "packaging", "pandas", "pathspec", "pyarrow", "requests", "rich", "sqlite3"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["help"], ["help", "debug"], ["version"], *([name, "--help"] for name in COMMANDS)],
    ids=" ".join,
)  # fmt: skip
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import json, sys, headwater.cli\n"
        f"sys.argv = ['headwater', *{arguments!r}]\n"
        "try:\n"
        "    headwater.cli.main()\n"
        "except SystemExit as end:\n"
        "    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    code, modules = json.loads(done.stderr)

    assert code == 0
    assert done.stdout.startswith(("Usage: headwater", "headwater 0.1.0\n"))
    assert HEAVY & set(modules) == set()


def test_help_names_every_command_and_each_explains_itself(project: CliProject) -> None:
    listed = project.run("--help").out

    assert [name for name in COMMANDS if f"  {name} " not in listed] == []
    assert project.run("help", "show").out == project.run("show", "--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_has_an_example_that_can_be_copied(name: str) -> None:
    shown = click.testing.CliRunner().invoke(group, [name, "--help"], terminal_width=80).output
    lines = shown.splitlines()
    examples = [at for at, line in enumerate(lines) if re.match(r" {6}(eval .\$\()?headwater ", line)]

    assert examples
    # What follows one is nothing or another; else the line was broken, and is no command.
    assert [lines[at + 1] for at in examples if lines[at + 1] and at + 1 not in examples] == []


WRONG = [
    # what was typed                    the last line of what is said
    (["debgu"],                         "Error: unknown command 'debgu': did you mean 'debug'?\n"),
    (["run"],                           "Error: unknown command 'run': did you mean 'debug'?\n"),
    (["RESET"],                         "Error: unknown command 'RESET': did you mean 'reset'?\n"),
    (["reset", "", "--yes"],            "Error: Invalid value for '[PROJECT]': it is empty; . is this folder\n"),
    (["init", ""],                      "Error: Invalid value for '[PROJECT]': it is empty; . is this folder\n"),
    (["xyzzy"],                         "Error: unknown command 'xyzzy'\n"),
    (["help", "shwo"],                  "Error: unknown command 'shwo': did you mean 'show'?\n"),
    (["--verbose"],                     "Error: No such option '--verbose'. Did you mean '--version'?\n"),
    (["debug", "--confguration", "x"],  "Error: No such option '--confguration'. Did you mean '--configuration'?\n"),
    (["debug", "--log-format", "X"],    "Error: Invalid value for '--log-format': 'X' is not one of 'text', 'json'.\n"),
    (["debug", "--max-rows", "0"],      "Error: Invalid value for '--max-rows': 0 is not in the range x>=1.\n"),
    (["show", "--sql", "SELECT 1", "t"], ("Error: give --sql, or TABLE with --columns, --where "
                                          "and --sort; not both\n")),
    (["show", "a", "b", "c"],           "Error: give at most a PROJECT and a TABLE\n"),
    (["python", "nowhere.py"],          "Error: Invalid value for 'FILE': File 'nowhere.py' does not exist.\n"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_wrong_usage_exits_2_and_says_what_was_meant(project: CliProject, arguments: list[str], said: str) -> None:
    outcome = project.run(*arguments)

    assert outcome.err.splitlines(keepends=True)[-1] == said
    assert (outcome.code, outcome.out) == (2, "")


WITHOUT_STREAMS = [
    # command                     code
    ("debug",                     0),
    ("show",                      0),
    ("state edit",                2),
    ("reset",                     2),
    ("package",                   0),
    ("configuration",             2),
    ("deploy --connection a",     2),
    ("init new",                  0),
]  # fmt: skip


def test_no_command_crashes_where_stdin_and_stdout_are_closed(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1}); print("said")')
    lines = [f"{sys.executable} -m headwater {words} <&- >&-; echo $? >&3" for words, _ in WITHOUT_STREAMS]
    done = subprocess.run(
        ["bash", "-c", "\n".join(["exec 3>&1", *lines])],
        cwd=project.path, env=project.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert [int(code) for code in done.stdout.split()] == [code for _, code in WITHOUT_STREAMS], done.stderr
    assert "Traceback" not in done.stderr
    assert project.ids() == [1]  # nothing of what was printed went into the database


def test_no_command_at_all_shows_the_help(project: CliProject) -> None:
    outcome = project.run()

    assert outcome.err.startswith("Usage: headwater [OPTIONS] COMMAND")
    assert (outcome.code, outcome.out) == (2, "")
