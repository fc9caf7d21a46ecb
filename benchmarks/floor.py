"""The floor: what no tool that takes rows from a generator into DuckDB can go below.

python -m benchmarks.floor loop ROWS            runs the bare generator
python -m benchmarks.floor arrow ARROW ROWS     makes the same rows ready as Arrow, for the next
python -m benchmarks.floor insert ARROW FILE    has DuckDB INSERT them into a new file
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.rows import KEY, TABLE, read_arrow, rows, write_arrow


def loop_seconds(count: int) -> float:
    """Time the generator with nothing done to its rows."""
    started = time.perf_counter()
    for _ in rows(count):
        pass
    return time.perf_counter() - started


def insert_seconds(arrow: Path, file: Path) -> float:
    """Time one INSERT of an Arrow file's rows, up to its commit; opening and closing the database are left out."""
    import duckdb

    ready = read_arrow(arrow)
    with duckdb.connect(str(file)) as db:
        db.register("ready", ready)
        db.execute(f"CREATE TABLE {TABLE} AS SELECT * FROM ready LIMIT 0")
        started = time.perf_counter()
        db.execute(f"INSERT INTO {TABLE} SELECT * FROM ready")
        seconds = time.perf_counter() - started
        assert db.execute(f"SELECT count(DISTINCT {KEY}) FROM {TABLE}").fetchone() == (ready.num_rows,)
    return seconds


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["loop", count]:
            print(json.dumps({"seconds": loop_seconds(int(count))}))
        case ["arrow", arrow, count]:
            write_arrow(Path(arrow), int(count))
        case ["insert", arrow, file]:
            print(json.dumps({"seconds": insert_seconds(Path(arrow), Path(file))}))
        case _:
            sys.exit(__doc__)
