"""What was seen when the matrix was played: how often each row held, kept in `results.json` for the page."""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE = Path(__file__).with_name("results.json")
# Set, the tests write down what they see.
WRITE = "HEADWATER_FAULTS_WRITE"

Results = dict[str, dict[str, int]]


def read_results() -> Results:
    """Give how often a row held, by its id and kind of destination."""
    results: Results = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return results


class Record:
    """Takes down what the tests of one session see."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def begins(self, row: str, kind: str) -> None:
        """Note that a row is played: until it has held, it has not."""
        self._seen[row, kind] = 0

    def held(self, row: str, kind: str, trials: int) -> None:
        self._seen[row, kind] = max(trials, 1)

    def write(self) -> None:
        """Replace the results of the rows that were played, if that is asked for."""
        if WRITE not in os.environ:
            return
        results = read_results()
        for (row, kind), trials in self._seen.items():
            results.setdefault(row, {})[kind] = trials
        rows = [f"  {json.dumps(row)}: {json.dumps(results[row], sort_keys=True)}" for row in sorted(results)]
        FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
