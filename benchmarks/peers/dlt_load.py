"""dlt merges the rows into DuckDB by primary key.

python -m benchmarks.peers.dlt_load rows FOLDER ROWS     its defaults: row by row from a generator
python -m benchmarks.peers.dlt_load pages FOLDER ROWS    the fastest way for dicts: lists of them, as Parquet

All rows are one load, dlt's unit of commit. The time is that of `pipeline.run`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.rows import KEY, TABLE, rows

PAGE_ROWS = 10_000


def pages(count: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, count, PAGE_ROWS):
        yield list(rows(min(PAGE_ROWS, count - start), start))


def load_seconds(way: str, folder: Path, count: int) -> float:
    """Time one `pipeline.run` into FOLDER/dlt.db."""
    # Read when dlt is imported; its telemetry would measure the network.
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/bench_dlt

    emitted, file_format = (pages(count), "parquet") if way == "pages" else (rows(count), None)
    resource = dlt.resource(emitted, name=TABLE, primary_key=KEY, write_disposition="merge")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "dlt.db")),
        dataset_name="bench",
    )
    started = time.perf_counter()
    pipeline.run(resource, loader_file_format=file_format)
    return time.perf_counter() - started


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["rows" | "pages" as way, folder, count]:
            print(json.dumps({"seconds": load_seconds(way, Path(folder), int(count))}))
        case _:
            sys.exit(__doc__)
