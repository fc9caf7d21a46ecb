"""Counts what a load left: a load that lost rows has no speed.

python -m benchmarks.stored FILE TABLE [WHERE]     prints {"rows": …, "keys": …}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.environment import headwater_interpreter
from benchmarks.process import MeasurementFailed, run
from benchmarks.rows import KEY


def require_rows(file: Path, table: str, rows: int, where: str = "true") -> None:
    """Refuse a DuckDB file whose table does not hold `rows` rows with different keys.

    where  SQL, to count only some of the rows

    Errors: MeasurementFailed.
    """
    ended = run([headwater_interpreter(), "-m", "benchmarks.stored", file, table, where])
    if ended.answer != [{"rows": rows, "keys": rows}]:
        raise MeasurementFailed(f"{file}: {table} where {where} holds {ended.answer}, not {rows:,} of each")


def _count(file: str, table: str, where: str) -> dict[str, int]:
    import duckdb

    with duckdb.connect(file, read_only=True) as db:
        counted = db.execute(f"SELECT count(*), count(DISTINCT {KEY}) FROM {table} WHERE {where}").fetchone()
    assert counted is not None
    return {"rows": counted[0], "keys": counted[1]}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [file, table]:
            print(json.dumps(_count(file, table, "true")))
        case [file, table, where]:
            print(json.dumps(_count(file, table, where)))
        case _:
            sys.exit(__doc__)
