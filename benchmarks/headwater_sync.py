"""Measures the real `headwater debug`, on a project that holds one of `connectors/`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.environment import headwater_interpreter
from benchmarks.process import MeasurementFailed, run
from benchmarks.rows import TABLE
from benchmarks.sample import Sample
from benchmarks.stored import require_rows

CONNECTORS = Path(__file__).with_name("connectors")
# The command `headwater`, in an environment that holds what it depends on, and nothing else.
HEADWATER = ("-c", "from headwater.cli import main; main()")


def make_project(folder: Path, connector: str, **configuration: int) -> None:
    """Make a project of one of `connectors/`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONNECTORS / f"{connector}.py", folder / "connector.py")
    values = {name: str(value) for name, value in configuration.items()}
    (folder / "configuration.json").write_text(json.dumps(values), encoding="utf-8")


def sync(project: Path, rows: int) -> Sample:
    """Sync a project once, in a process of its own.

    rows  how many it emits; `seconds` is the sync's own time: from before schema() to the last commit,
          without the start of the interpreter, and without the opening and closing of the file

    Errors: MeasurementFailed when the sync fails.
    """
    ended = run([headwater_interpreter(), *HEADWATER, "debug", project, "--log-format", "json"])
    return Sample(rows, _sync_seconds(project, ended.answer), ended.seconds, ended.peak_mb)


def _sync_seconds(project: Path, answer: list[dict[str, Any]]) -> float:
    for line in reversed(answer):
        if "sync" in line:
            return float(line["sync"]["seconds"])
    raise MeasurementFailed(f"{project}: `headwater debug --log-format json` did not say how long the sync took")


def require_synced(project: Path, rows: int, where: str = "true") -> None:
    require_rows(project / "files" / "warehouse.db", f"tester.{TABLE}", rows, where)
