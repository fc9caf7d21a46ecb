"""The real command in a process group of its own, watched line by line, and killed from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HEADWATER = Path(sys.executable).with_name("headwater")
_CHECKPOINT = "Checkpoint: "


@dataclass(frozen=True, slots=True)
class Output:
    """What a finished command printed, errors included; `exit_code` is negative after a signal."""

    exit_code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    @property
    def checkpoints(self) -> list[str]:
        """The states of the `Checkpoint:` lines."""
        return [line.removeprefix(_CHECKPOINT).rstrip("\n") for line in self.lines if line.startswith(_CHECKPOINT)]

    @property
    def calls(self) -> dict[str, int]:
        """The table under SYNC PROGRESS: operation in lower case, and how often it was called."""
        cells = (line.split(" | ") for line in self.lines if " | " in line)
        return {name.strip().lower(): int(count) for name, count in cells if count.strip().isdecimal()}


def debug(project: Path, *, python_path: Path | None = None) -> Output:
    """Run `headwater debug` to its end.

    python_path  a folder whose modules come before the installed ones
    """
    with _started(project, python_path) as (process, stdout):
        lines = tuple(stdout)
        return Output(process.wait(), lines)


def debug_killed_after(project: Path, checkpoint: int, *, python_path: Path | None = None) -> Output:
    """Run `headwater debug` and kill it as soon as its n-th `Checkpoint:` line is there."""
    with _started(project, python_path) as (process, stdout):
        lines: list[str] = []
        for line in stdout:
            lines.append(line)
            checkpoint -= line.startswith(_CHECKPOINT)
            if checkpoint == 0:
                os.killpg(process.pid, signal.SIGKILL)
                break
        lines.extend(stdout)
        return Output(process.wait(), tuple(lines))


@contextmanager
def _started(project: Path, python_path: Path | None) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    # A proxy of the machine must not come between the connector and the server on loopback.
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUTF8": "1"}
    environment.pop("FIVETRAN_CONFIGURATION", None)
    if python_path:
        environment["PYTHONPATH"] = str(python_path)
    process = subprocess.Popen(
        [HEADWATER, "debug", project],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def write_configuration(project: Path, values: dict[str, str]) -> None:
    """Put values over those of a project's configuration.json."""
    path = project / "configuration.json"
    merged = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps(merged), encoding="utf-8")
