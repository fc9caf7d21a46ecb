"""A small project in a folder of its own, and the real command run on it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

IMPORTS = "from fivetran_connector_sdk import Connector, Operations as op, Logging as log\n"
CONNECTOR = "\nconnector = Connector(update=update, schema=schema)\n"
SCHEMA = """
def schema(configuration):
    return [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG"}}]
"""
# What changes from run to run: the time of a message, of a sync, and of a crash report.
_CHANGING = (
    (re.compile(r"^\d\d:\d\d:\d\d\.\d{3} ", re.MULTILINE), "<time> "),
    (re.compile(r"^ {32}", re.MULTILINE), " " * 7),
    (re.compile(r"in \d+\.\d s"), "in <seconds> s"),
    (re.compile(r"at most [\d,]+ MB"), "at most <number> MB"),
    (re.compile(r"crash_\d{8}-\d{6}"), "crash_<time>"),
    (re.compile(r"started \S+\)"), "started <time>)"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def ending(self) -> str:
        """What follows the numbers of a sync; all of the output when there are none."""
        _, found, after = self.out.partition("Checkpoints   | ")
        return after.partition("\n\n")[2] if found else self.out


class CliProject:
    """A project folder, and the commands run on it."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        self.environment = dict(environment)

    def write(self, name: str, text: str) -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def connector(self, update: str, *, schema: str = SCHEMA, top: str = "") -> CliProject:
        """Write a connector.py around the body of `update`, and an empty configuration."""
        body = "".join(f"    {line}\n" for line in update.strip("\n").split("\n"))
        text = f"{IMPORTS}{top}\n{schema}\ndef update(configuration, state):\n{body}{CONNECTOR}"
        self.write("connector.py", text)
        return self.configuration({})

    def configuration(self, values: Mapping[str, Any]) -> CliProject:
        self.write("configuration.json", json.dumps(values))
        return self

    def run(self, *arguments: str, env_extra: Mapping[str, str] | None = None) -> Outcome:
        """Run a command in the project's folder, without a terminal; what it leaves running is ended."""
        process = self.start(*arguments, env_extra=env_extra, start_new_session=True)
        try:
            return ended(process, self)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def debug(self, *flags: str) -> Outcome:
        return self.run("debug", *flags)

    def start(
        self, *arguments: str, env_extra: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command; whoever starts it ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "headwater", *arguments],
            cwd=self.path, env={**self.environment, **(env_extra or {})}, text=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )  # fmt: skip

    def steady(self, text: str) -> str:
        """Replace what changes from run to run."""
        text = text.replace(str(self.path), "<project>")
        for pattern, word in _CHANGING:
            text = pattern.sub(word, text)
        return text

    @property
    def warehouse(self) -> Path:
        return self.path / "files" / "warehouse.db"

    def ids(self) -> list[int]:
        """Read the ids in tester.orders."""
        with closing(duckdb.connect(str(self.warehouse), read_only=True)) as db:
            return [row[0] for row in db.execute("SELECT id FROM tester.orders ORDER BY id").fetchall()]

    @property
    def state(self) -> Any:
        return json.loads((self.path / "files" / "state.json").read_text(encoding="utf-8"))

    def crash_reports(self) -> list[Path]:
        return sorted((self.path / "crash-reports").glob("*"))


def without_root(project: CliProject, *arguments: str) -> Outcome:
    """Run a command for which permissions count, also where the tests are run by root."""
    command = [sys.executable, "-m", "headwater", *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", *command]
    done = subprocess.run(
        command, cwd=project.path, env=project.environment, capture_output=True, text=True, timeout=60
    )
    return Outcome(done.returncode, project.steady(done.stdout), project.steady(done.stderr))


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of a running command up to the line that holds `text`."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"the command ended without {text!r}")


def ended(process: subprocess.Popen[str], project: CliProject) -> Outcome:
    """Wait for a started command; give what was not read yet."""
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, project.steady(out), project.steady(err))


def environment(shadows: Path) -> dict[str, str]:
    """Give an environment without pandas and numpy, slow to import, and without the caller's settings."""
    shadows.mkdir(exist_ok=True)
    for name in ("pandas", "numpy"):
        (shadows / f"{name}.py").write_text(f"raise ImportError('these tests do without {name}')\n")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("FIVETRAN_", "HEADWATER_", "PYTHON"))
    }
    return {**kept, "PYTHONPATH": str(shadows), "PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm"}
