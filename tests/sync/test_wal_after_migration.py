"""A crash right after a migration: DuckDB must be able to read its write-ahead log again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from headwater.testing.contract import opened, shown
from headwater.testing.migration_contract import CASES, ROWS, Case, full_rows, only, table_of
from tests.contract.duckdb_driver import DuckDBDriver

# Migrates a table, commits or not, and dies without closing the file.
MIGRATE = """
import os, signal, sys
from pathlib import Path
from headwater.destinations.duckdb import DuckDB
from headwater.testing.contract import rows_in_place
from headwater.testing.migration_contract import CASES, ROWS, table_of

case = CASES[int(sys.argv[2])]
table = table_of(case.mode)
destination = DuckDB(Path(sys.argv[1]), connection="tester")
destination.open()
destination.create_table(table)
destination.write(table, rows_in_place(table, ROWS[case.mode]))
destination.commit("{}")
destination.migrate(table, case.migration)
if sys.argv[3] == "commit":
    destination.commit('{"migrated": true}')
os.kill(os.getpid(), signal.SIGKILL)
"""


def migrate_and_die(path: Path, case: Case, end: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", MIGRATE, str(path), str(CASES.index(case)), end]
    ended = subprocess.run(command, env=environment, check=False, timeout=60, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (-9, "")
    assert path.with_name(f"{path.name}.wal").stat().st_size > 0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_file_opens_with_every_program_after_a_migration_and_a_crash(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "warehouse.db"
    migrate_and_die(path, case, "commit")
    after = case.migration.after(table_of(case.mode))

    with duckdb.connect(str(path)) as db:
        assert db.sql("SELECT state FROM _headwater.state").fetchall() == [('{"migrated": true}',)]
    assert full_rows(DuckDBDriver(path), after) == shown(only(after, case.rows))
    with opened(DuckDBDriver(path)) as destination:
        assert destination.describe_table("tester", after.name) == after


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_crash_before_the_commit_leaves_the_last_one(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "warehouse.db"
    migrate_and_die(path, case, "do not commit")
    table = table_of(case.mode)

    with opened(DuckDBDriver(path)) as destination:
        assert destination.describe_table("tester", table.name) == table
    assert full_rows(DuckDBDriver(path), table) == shown(ROWS[case.mode])
