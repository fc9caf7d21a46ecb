"""kill -9 at random moments: rows and state are always those of one checkpoint."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

# A sync in a process of its own, which never ends by itself. Each segment writes rows, changes and deletes.
RUN = """
import json, sys
from pathlib import Path
from headwater import Connector, Operations as op
from headwater.destinations import duckdb as destination
from headwater.options import Options
from headwater.sync import Sync

path, destination.LONG_SEGMENT_ROWS, destination.COPY_TRANSACTION_ROWS = Path(sys.argv[1]), int(sys.argv[2]), 500

def schema(configuration):
    return [{"table": name, "primary_key": ["id"]} for name in ("orders", "counter")]

def update(configuration, state):
    n = state.get("n", 0)
    while True:
        n += 1
        for id in range(1000):
            op.upsert("orders", {"id": n * 1000 + id, "n": n, "text": "x" * 50})
        op.update("orders", {"id": n * 1000, "text": f"changed in {n}"})
        op.delete("orders", {"id": n * 1000 + 1})
        op.upsert("counter", {"id": 1, "n": n})
        op.checkpoint({"n": n})

class Reporter:
    def table_changed(self, table): pass
    def committed(self, commit): print(commit.state, flush=True)
    def progress(self, progress): pass

warehouse = destination.DuckDB(path, connection="tester")
_, committed = warehouse.open()
state = committed.state if committed else "{}"
Sync(Connector(update, schema), {}, warehouse, Options(), Reporter(), state=state).run()
"""

KILLS = int(os.environ.get("HEADWATER_KILLS", "12"))


@pytest.mark.slow
@pytest.mark.parametrize("long_segment_rows", [10**9, 700], ids=["in one transaction", "in a copy of the file"])
def test_rows_and_state_are_of_one_checkpoint_after_every_kill(tmp_path: Path, long_segment_rows: int) -> None:
    seed = int(os.environ.get("HEADWATER_SEED", random.randrange(10**6)))
    print(f"HEADWATER_SEED={seed}")
    moments = random.Random(seed)
    path = tmp_path / "warehouse.db"
    (tmp_path / "pandas.py").write_text("raise ImportError('not needed, and slow to import')")

    reached = 0
    for _ in range(KILLS):
        acknowledged = _run_and_kill(path, long_segment_rows, moments.uniform(0.0, 0.5))
        reached = _committed(path, at_least=max(acknowledged, reached))

    assert reached > 0, "no run lived long enough to commit"
    assert [file.name for file in tmp_path.iterdir() if "copy" in file.name] == []


def _run_and_kill(path: Path, long_segment_rows: int, seconds: float) -> int:
    """Run until the first commit and some time more, then kill; give the last checkpoint that was printed."""
    command = [sys.executable, "-c", RUN, str(path), str(long_segment_rows)]
    environment = {**os.environ, "PYTHONPATH": f"{path.parent}:{Path.cwd()}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        printed = [first, *process.stdout.readlines()]
    return max((int(line.removeprefix('{"n": ').rstrip("}\n")) for line in printed if line.endswith("}\n")), default=0)


def _committed(path: Path, *, at_least: int) -> int:
    """Check what is in the file against its own state; give the state."""
    from headwater.destinations.duckdb import DuckDB

    destination = DuckDB(path, connection="tester")
    _, commit = destination.open()
    destination.close()
    assert commit is not None
    with duckdb.connect(str(path), read_only=True) as db:
        n = int(db.sql("SELECT json_extract(state, '$.n')::BIGINT FROM _headwater.state").fetchall()[0][0])
        orders = db.sql(
            "SELECT count(*), count(DISTINCT id), max(n), count(*) FILTER (_fivetran_deleted), "
            "count(*) FILTER (text LIKE 'changed in %') FROM tester.orders"
        ).fetchall()
        counter = db.sql("SELECT n FROM tester.counter").fetchall()

    assert n >= at_least, f"checkpoint {at_least} was acknowledged, and {n} is what is left"
    assert orders == [(n * 1000, n * 1000, n, n, n)]
    assert counter == [(n,)]
    return n
