"""`headwater completion`: the real shells, what is typed before TAB, and what stands there after it."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headwater.fivetran_alias import alias_script
from tests.cli.cli_project import CliProject
from tests.cli.test_terminal import Terminal

# How each shell is started without anybody's settings, and what it is told before.
SHELLS = {
    "bash": (["bash", "--noprofile", "--norc", "-i"], "bind 'set bell-style none'; "),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; "),
}
TYPED = [
    # typed                       what TAB makes of it
    ("headwater packa",           "headwater package "),
    ("headwater help packa",      "headwater help package "),
    ("headwater deploy --hyb",    "headwater deploy --hybrid-deployment-agent-id "),
    ("headwater state cl",        "headwater state clear "),
    ("headwater package upd",     "headwater package update "),
    ("headwater check neig",      "headwater check neighbour/"),
    ("fivetran rese",             "fivetran reset "),
]  # fmt: skip


@pytest.fixture
def home(project: CliProject) -> CliProject:
    """A folder with a folder in it, and both commands on the path."""
    (project.path / "neighbour").mkdir()
    (project.path / "bin").mkdir()
    for name in ("headwater", "fivetran"):
        script = project.write(f"bin/{name}", alias_script())
        script.chmod(0o755)
    path = f"{project.path / 'bin'}:{os.environ['PATH']}"
    project.environment |= {"PATH": path, "HOME": str(project.path), "PS1": "ready> "}
    return project


def require(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed; `make test` installs it where it may")


@contextmanager
def interactive(shell: str, project: CliProject) -> Iterator[Terminal]:
    command, before = SHELLS[shell]
    here, there = pty.openpty()
    process = subprocess.Popen(
        command, cwd=project.path, env=project.environment, stdin=there, stdout=there, stderr=there,
        start_new_session=True,
    )  # fmt: skip
    os.close(there)
    try:
        terminal = Terminal(here)
        load = "; ".join(f'eval "$({name} completion {shell})"' for name in ("headwater", "fivetran"))
        terminal.type(f"{before}{load}; echo loa''ded\n")
        terminal.wait_for("loaded")
        yield terminal
    finally:
        process.kill()
        process.wait()
        os.close(here)


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_commands_flags_words_and_folders(home: CliProject, shell: str) -> None:
    require(shell)
    with interactive(shell, home) as terminal:
        for typed, completed in TYPED:
            terminal.type(f"{typed}\t")
            terminal.wait_for(completed)
            terminal.type("\x15")  # takes the line away again


def test_fish_offers_the_same(home: CliProject) -> None:
    require("fish")
    asked = "\n".join(f"complete -C '{typed}'" for typed, _ in TYPED)
    script = f"headwater completion fish | source\nfivetran completion fish | source\n{asked}\n"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=home.path, env=home.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [
        completed.split()[-1] for _, completed in TYPED
    ]
    assert done.stderr == ""


ASKED = [
    # the words before, and the one that is begun           what is answered
    ("headwater st",                                        ["plain,state"]),
    ("headwater --ver",                                     ["plain,--version"]),
    ("headwater nonsense ru",                               ["plain,runs"]),
    ("headwater nonsense --x y ru",                         ["plain,runs"]),
    ("headwater check --js",                                ["plain,--json"]),
    ("headwater init x --template quickstart/hel",          ["plain,quickstart/hello"]),
    ("headwater debug --configuration conf",                ["file,conf"]),
    ("headwater package create",                            ["plain,create"]),
    ("headwater deploy --state x --nam",                    ["plain,--naming"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "answer"), ASKED, ids=[row[0] for row in ASKED])
def test_whatever_was_typed_before_a_shell_gets_no_error(project: CliProject, words: str, answer: list[str]) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_HEADWATER_COMPLETE": "bash_complete"}
    outcome = project.run(env_extra=asked)

    assert (outcome.code, outcome.out.splitlines(), outcome.err) == (0, answer, "")


def test_a_shell_that_is_not_known_is_refused(project: CliProject) -> None:
    outcome = project.run("completion", "tcsh")

    assert (outcome.code, outcome.out) == (2, "")
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in outcome.err
