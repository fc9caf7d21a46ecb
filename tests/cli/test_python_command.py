"""`headwater python FILE`: the same as `python FILE`, with one import meaning another package."""

from __future__ import annotations

import signal

import pytest

from tests.cli.cli_project import CliProject, ended, line_with


def test_a_script_gets_its_arguments_its_folder_and_its_name(project: CliProject) -> None:
    project.write("sub/neighbour.py", "value = 7\n")
    project.write(
        "sub/script.py",
        "import sys, neighbour, fivetran_connector_sdk, headwater\n"
        "print(sys.argv, neighbour.value, __name__, __file__, sys.stdin.read())\n"
        "print(fivetran_connector_sdk.Connector is headwater.Connector)\n",
    )
    outcome = project.run("python", "sub/script.py", "--help", "-x", "1")

    assert outcome.out == ("['sub/script.py', '--help', '-x', '1'] 7 __main__ sub/script.py \nTrue\n")
    assert (outcome.code, outcome.err) == (0, "")


TRACEBACK = r"""Traceback (most recent call last):
  File "script.py", line 2, in <module>
    raise ValueError('boom\x1b')
ValueError: boom\x1b
"""
SYNTAX_ERROR = """\
  File "script.py", line 2
    print(1 +)
             ^
SyntaxError: invalid syntax
"""
EXITS = [
    # last line of the script       exit code, standard error
    ("sys.exit(0)",                 0,   ""),
    ("sys.exit()",                  0,   ""),
    ("sys.exit(7)",                 7,   ""),
    ("sys.exit('words')",           1,   "words\n"),
    ("os._exit(3)",                 3,   ""),
    ("raise KeyboardInterrupt",     130, ""),
    ("raise ValueError('boom\\x1b')", 1, TRACEBACK),
    ("print(1 +)",                  1,   SYNTAX_ERROR),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "error"), EXITS, ids=[line for line, _, _ in EXITS])
def test_the_exit_code_and_the_authors_traceback_come_through(
    project: CliProject, line: str, code: int, error: str
) -> None:
    project.write("script.py", f"import os, sys\n{line}\n")
    outcome = project.run("python", "script.py")

    assert (outcome.code, outcome.out, outcome.err) == (code, "", error)


def test_ctrl_c_in_a_script_exits_130_without_a_traceback(project: CliProject) -> None:
    project.write("script.py", "import time\nprint('slow', flush=True)\ntime.sleep(60)\n")
    with project.start("python", "script.py") as process:
        line_with(process, "slow")
        process.send_signal(signal.SIGINT)
        outcome = ended(process, project)

    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")
