"""What `headwater` does on a terminal: a real one, made with pty."""

from __future__ import annotations

import codecs
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.cli_project import CliProject

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 100 columns, and all that was written to it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # Linux: the other end has been closed
                data = b""
            with self._changed:
                self._seen += self._decoder.decode(data)
                self._changed.notify_all()
            if not data:
                return

    def wait_for(self, pattern: str, *, seconds: float = 30) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.plain), seconds)
        assert found, f"{pattern!r} did not come; this did:\n{self.plain}"

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def all(self) -> str:
        self._reader.join(timeout=10)
        return self._seen

    @property
    def plain(self) -> str:
        return _SEQUENCE.sub("", self._seen).replace("\r\n", "\n")


@contextmanager
def on_a_terminal(
    project: CliProject, *arguments: str, columns: int = 100
) -> Iterator[tuple[Terminal, subprocess.Popen[str]]]:
    here, there = pty.openpty()
    process = project.start(
        *arguments,
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
        env_extra={"COLUMNS": str(columns), "LINES": "30"},
    )
    os.close(there)
    try:
        yield Terminal(here), process
        process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(here)


WAITS = """
for number in range(30000):
    op.upsert("orders", {"id": number})
op.checkpoint({"n": 1})
log.info("half \\x1b[31m[red]way[/red]")
print("printed")
while not os.path.exists("go"):
    time.sleep(0.02)
op.upsert("lines", {"id": 1})
"""


def test_a_terminal_shows_a_line_per_table_below_the_log(project: CliProject) -> None:
    project.connector(WAITS, top="import os, time")
    with on_a_terminal(project, "debug") as (terminal, process):
        terminal.wait_for(r"orders +30,000 rows +[\d,]+ rows/s\s+last checkpoint \d+ s ago +\d+ s +\d+ MB")
        project.write("go", "")
        process.wait(timeout=30)
        seen = terminal.all()

    assert process.returncode == 0
    assert re.search(r"INFO +connector half \\x1b\[31m\[red\]way\[/red\]\n", terminal.plain)
    assert "printed\n" in terminal.plain
    assert "\nSync SUCCEEDED in" in terminal.plain
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1  # the cursor was hidden, and is shown again


def test_ctrl_c_on_a_terminal_gives_the_cursor_back(project: CliProject) -> None:
    project.connector(WAITS, top="import os, time")
    with on_a_terminal(project, "debug") as (terminal, process):
        terminal.wait_for("30,000 rows")
        os.kill(process.pid, signal.SIGINT)
        process.wait(timeout=30)
        seen = terminal.all()

    assert process.returncode == 130
    assert "Sync INTERRUPTED: 1 checkpoint is committed" in terminal.plain
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")


def test_a_breakpoint_gets_the_terminal(project: CliProject) -> None:
    project.connector('answer = 41\nbreakpoint()\nlog.info(f"answer {answer}")')
    with on_a_terminal(project, "debug") as (terminal, process):
        terminal.wait_for(r"\(Pdb\) ")
        terminal.type("p answer + 1\n")
        terminal.wait_for(r"\n42\n\(Pdb\) ")
        terminal.type("!answer = 7\nc\n")
        process.wait(timeout=30)
        terminal.all()

    assert process.returncode == 0
    assert re.search(r"INFO +connector answer 7\n", terminal.plain)


def test_reset_asks_on_a_terminal_and_no_keeps_everything(project: CliProject) -> None:
    project.write("files/state.json", "{}")
    with on_a_terminal(project, "reset") as (terminal, process):
        terminal.wait_for(r"Remove all tables and the state of .*shop\? \[Y/n\]: ")
        terminal.type("n\n")
        process.wait(timeout=30)
        terminal.all()

    assert (process.returncode, terminal.plain.splitlines()[-1]) == (0, "nothing was removed")
    assert (project.path / "files" / "state.json").exists()
