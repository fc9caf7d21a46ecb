"""A project of the fault matrix: the real command run on it, and what must hold of it after a fault."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tests.faults import workload
from tests.faults.warehouses import Disagreement, Tables, Warehouse, require_same

# The long form tries so many moments of each row that has many, and the rows that are its own; 0 for the short form.
LONG = int(os.environ.get("HEADWATER_FAULTS_LONG", "0"))
# How long a command may take.
SECONDS = 600 if LONG else 60
_INJECTED = Path(__file__).parent / "injected"
_ROOT = Path(__file__).parents[2]
_CHECKPOINT = re.compile(r'^Checkpoint: \{"page": (\d+)\}$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended; `acknowledged` is the last checkpoint it has told of."""

    code: int
    out: str
    acknowledged: int

    def require(self, code: int | set[int], *said: str) -> Ended:
        """Require how it ended, and that it said this."""
        codes = {code} if isinstance(code, int) else code
        assert self.code in codes, f"it ended with {self.code}, not {code}:\n{self.out}"
        missing = [text for text in said if text not in self.out]
        assert not missing, f"it did not say {missing}:\n{self.out}"
        return self


@dataclass(slots=True)
class Shop:
    """One project, and the destination it loads to.

    undisturbed  the tables after each page, from a sync that nothing disturbed; before the first there are none
    trials       how many faults were played, for the page
    """

    path: Path
    warehouse: Warehouse
    environment: Mapping[str, str]
    undisturbed: Sequence[Tables] = ()
    trials: int = 0
    configuration: dict[str, str] = field(default_factory=dict)

    # What a connector does to end the sync at once, and how the command then ends.
    dies: ClassVar[str] = "os.kill(os.getpid(), signal.SIGKILL)"
    died: ClassVar[int] = -signal.SIGKILL

    def __post_init__(self) -> None:
        self.path.mkdir()
        shutil.copy(workload.__file__, self.path / "connector.py")
        options = f'destination = "{self.warehouse.url}"\n[tables.removed]\nmode = "live"\n'
        self.write("headwater.toml", options + '[tables.versions]\nmode = "history"\n')
        self.configure()

    # --- the project's files

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def state_copy(self) -> Path:
        return self.files / "state.json"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def configure(self, **values: str) -> None:
        """Write the configuration anew: what is not given is as a sync without faults has it."""
        self.configuration = values
        self.write("configuration.json", json.dumps(values))

    def another(self, warehouse: Warehouse | None = None) -> Shop:
        """Make a second project of the same connection, as if on another machine."""
        return Shop(
            self.path.with_name(f"{self.path.name}-again"),
            warehouse or self.warehouse,
            self.environment,
            self.undisturbed,
        )

    def start_over(self) -> None:
        """Remove all that syncs have left."""
        self.warehouse.clear()
        shutil.rmtree(self.files, ignore_errors=True)

    # --- the command

    def surroundings(self, **more: str) -> dict[str, str]:
        """Give the environment of a command, which runs the headwater of this checkout."""
        given = {**self.environment, **more}
        return given | {"PYTHONPATH": f"{_ROOT}:{given['PYTHONPATH']}"}

    def start(
        self, *flags: str, fault: Mapping[str, Any] | None = None, prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None, command: str = "debug",
    ) -> subprocess.Popen[str]:  # fmt: skip
        """Start `headwater debug`, or another command; whoever starts it ends it.

        fault   for `injected/sitecustomize.py`
        prefix  the command that runs it, as strace does
        """
        given = self.surroundings(**(environment or {}))
        if fault is not None:
            given |= {"HEADWATER_FAULT": json.dumps(fault), "PYTHONPATH": f"{_INJECTED}:{given['PYTHONPATH']}"}
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "headwater", command, *flags],
            cwd=self.path, env=given, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, *flags: str, **how: Any) -> Ended:
        return ended(self.start(*flags, **how))

    def page(self, page: int) -> None:
        """Run a sync that ends with this page, undisturbed."""
        self.configure(pages=str(page))
        self.run().require(0)
        self.configure()

    # --- what must hold

    def committed(self) -> int:
        """Give the page of the committed state; 0 before the first."""
        return int(self.warehouse.state().get("page", 0))

    def require_one_checkpoint(self, acknowledged: int = 0) -> int:
        """Require that rows and state are those of one checkpoint, and none that was acknowledged is lost; give it.

        Errors: Disagreement.
        """
        page = self.committed()
        if page < acknowledged:
            raise Disagreement(f"lost the checkpoint {acknowledged}, which was acknowledged: the state is of {page}")
        # Before the first commit the destination is empty, or holds the tables of a sync without rows.
        require_same(self.warehouse.tables(), self.undisturbed[page])
        return page

    def require_undisturbed(self) -> None:
        """Run to the end without a fault; require that all is as if there had never been one.

        Errors: Disagreement.
        """
        page = self.committed()
        run = self.run()
        shown = json.dumps({"page": page}) if page else "{}"
        run.require(0, f"Previous state:\n{shown}\n", "Sync SUCCEEDED")
        self.require_complete()

    def require_complete(self) -> None:
        """Require what a sync that has ended well leaves in the destination and beside it."""
        if self.committed() != workload.PAGES:
            raise Disagreement(f"the state is {self.warehouse.state()}, not that of the last page")
        require_same(self.warehouse.tables(), self.undisturbed[workload.PAGES])
        self.require_files()

    def require_files(self) -> None:
        """Require the state's copy, and the history, of a sync that has ended well."""
        assert json.loads(self.state_copy.read_text()) == {"page": workload.PAGES}
        assert self.last_run() == "succeeded"

    def last_run(self) -> str:
        with closing(sqlite3.connect(self.files / "runs.db")) as db:
            [(status,)] = db.execute("SELECT status FROM runs ORDER BY id DESC LIMIT 1").fetchall()
        return str(status)


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command, and end what it has left running."""
    try:
        out, _ = process.communicate(timeout=SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    pages = [int(page) for page in _CHECKPOINT.findall(out)]
    return Ended(process.returncode, out, max(pages, default=0))


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    """Wait for a process that stops itself."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "T":
            return
        if process.poll() is not None or state == "Z":
            break
        time.sleep(0.01)
    raise AssertionError("the process did not stop itself")


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of a running command up to the line that holds `text`; give what was read."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"the command ended without {text!r}:\n{read}")
