"""One measurement in one fresh process: its answer, its time and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class MeasurementFailed(Exception):
    """A measured process ended with an error, or left something else than the rows it was given."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended well.

    answer   the JSON objects it printed, one a line; other lines are left out
    seconds  from its start to its end
    peak_mb  the most memory it had resident, in MiB; of a process that starts others, the largest of them all.
             Linux counts what the starting process held too: measure from a small one
    """

    answer: list[dict[str, Any]]
    seconds: float
    peak_mb: float


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a command with this project on its Python path, and wait for its end.

    environment  what to set besides

    Errors: MeasurementFailed, with the end of what it printed.
    """
    os.sync()  # else this process waits for what the one before it left to the disk
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables)
    assert process.stdout is not None
    try:
        printed = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        shown = " ".join(map(str, command))
        raise MeasurementFailed(f"`{shown}` ended with {process.returncode}:\n{printed[-4000:]}")
    return Ended(_objects(printed), seconds, usage.ru_maxrss / _UNITS_PER_MB)


# getrusage counts in KiB on Linux, in bytes on macOS.
_UNITS_PER_MB = 1024**2 if sys.platform == "darwin" else 1024


def _objects(printed: str) -> list[dict[str, Any]]:
    """
    >>> _objects('loading\\n{"rows": 3}\\n')
    [{'rows': 3}]
    """
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
