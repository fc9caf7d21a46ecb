"""Loads rows with dlt into DuckDB: run in dlt's own environment.

python dlt_loads.py LOADS FOLDER

LOADS is a pickle file: a list of loads, each a dict of table name to (rows, hints of single columns). All tables have
the primary key `id` and are merged by delete and insert. The result is FOLDER/dlt.db, schema `loaded`.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

# Read when dlt is imported: nobody is to be told of this, and the log is for people.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/bench_dlt

MERGE = {"disposition": "merge", "strategy": "delete-insert"}

Loads = list[dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]]


def load(loads: Loads, folder: Path) -> None:
    pipeline = dlt.pipeline(
        "differential",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "dlt.db")),
        dataset_name="loaded",
    )
    for tables in loads:
        pipeline.run(
            [
                dlt.resource(rows, name=name, primary_key="id", write_disposition=MERGE, columns=hints)
                for name, (rows, hints) in tables.items()
            ]
        )


if __name__ == "__main__":
    load(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))
