"""A crash right after a column was widened: DuckDB must be able to read its write-ahead log again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

# Widens a column of each type to STRING, commits, and dies without closing the file.
WIDEN = """
import os, sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
import pyarrow as pa
from headwater.batch import Batch
from headwater.destinations.duckdb import DuckDB
from headwater.schema import Table
from headwater.types.columns import arrow_type
from headwater.types.names import ColumnType, decimal_type

VALUES = {
    "BOOLEAN": True, "SHORT": 1, "INT": 1, "LONG": 1, "DECIMAL": Decimal("1.50"), "FLOAT": 1.0, "DOUBLE": 1.0,
    "NAIVE_DATE": date(2024, 2, 29), "NAIVE_DATETIME": datetime(2024, 2, 29, 1, 2, 3),
    "UTC_DATETIME": datetime(2024, 2, 29, 1, 2, 3, 500000, tzinfo=UTC), "BINARY": b"ab",
}
name = sys.argv[2]
kind = decimal_type(9, 2) if name == "DECIMAL" else ColumnType(name)
table = Table("tester", "t", ("id",), {"id": ColumnType("LONG"), "v": kind}, "live")
destination = DuckDB(Path(sys.argv[1]), connection="tester")
destination.open()
destination.create_table(table)
destination.write(table, Batch(pa.table({"id": [1], "v": pa.array([VALUES[name]], arrow_type(kind))}), [], None))
destination.commit("{}")
destination.alter_table(table, add={}, retype={"v": ColumnType("STRING")})
destination.commit('{"widened": true}')
os._exit(0)
"""

TEXTS = {
    "BOOLEAN": "true",
    "SHORT": "1",
    "INT": "1",
    "LONG": "1",
    "DECIMAL": "1.50",
    "FLOAT": "1",
    "DOUBLE": "1",
    "NAIVE_DATE": "2024-02-29",
    "NAIVE_DATETIME": "2024-02-29T01:02:03",
    "UTC_DATETIME": "2024-02-29T01:02:03.500000Z",
    "BINARY": "YWI=",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_the_file_opens_with_every_program_after_a_widening_and_a_crash(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "warehouse.db"
    (tmp_path / "pandas.py").write_text("raise ImportError('not needed, and slow to import')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    subprocess.run([sys.executable, "-c", WIDEN, str(path), kind], env=environment, check=True, timeout=60)

    with duckdb.connect(str(path)) as db:
        assert db.sql("SELECT v FROM tester.t").fetchall() == [(TEXTS[kind],)]
        assert db.sql("SELECT state FROM _headwater.state").fetchall() == [('{"widened": true}',)]
