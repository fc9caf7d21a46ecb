"""Pipes the singer-sdk tap into target-duckdb, as `tap | target`.

python -m benchmarks.peers.singer_pipe TAP_PYTHON TARGET FOLDER ROWS

The time is from the tap's first row to the target's end, so the start of the two programs is left out.
The target commits every 100,000 rows, its default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def pipe_seconds(tap_python: Path, target: Path, folder: Path, count: int) -> float:
    """Load `count` rows into FOLDER/singer.db.

    Errors: CalledProcessError when either program fails.
    """
    started = folder / "started"
    tap_config = _written(folder / "tap.json", {"rows": count, "started": str(started)})
    target_config = _written(
        folder / "target.json", {"path": str(folder / "singer.db"), "default_target_schema": "bench"}
    )
    tap_command: list[str | Path] = [tap_python, "-m", "benchmarks.peers.singer_tap", "--config", tap_config]
    target_command: list[str | Path] = [target, "--config", target_config]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(tap_command, stdout=subprocess.PIPE, stderr=log) as tap,
    ):
        subprocess.run(target_command, stdin=tap.stdout, stdout=log, stderr=log, check=True)
    ended = time.time()
    if tap.returncode:
        raise subprocess.CalledProcessError(tap.returncode, tap_command)
    return ended - float(started.read_text())


def _written(path: Path, config: dict[str, object]) -> Path:
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


if __name__ == "__main__":
    match sys.argv[1:]:
        case [tap_python, target, folder, count]:
            print(json.dumps({"seconds": pipe_seconds(Path(tap_python), Path(target), Path(folder), int(count))}))
        case _:
            sys.exit(__doc__)
