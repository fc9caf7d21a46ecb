"""A project that headwater 0.1.0 has left before it numbered its formats is gone on with."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from docs.build import ROOT
from tests.cli.cli_project import environment
from tests.faults.warehouses import DuckDBWarehouse, require_same

# Its connector has four pages, and ended after the second.
PROJECT = ROOT / "tests" / "data" / "project_of_format_1.tar.gz"


@pytest.mark.slow
def test_rows_and_state_of_an_old_project_are_kept_and_gone_on_with(tmp_path: Path) -> None:
    old, new = (extracted(tmp_path / name) for name in ("old", "new"))
    shutil.rmtree(new / "files")

    said = debug(old, tmp_path)
    debug(new, tmp_path)

    assert 'Previous state:\n{"page": 2}\n' in said
    loaded, expected = (DuckDBWarehouse(folder / "files" / "warehouse.db") for folder in (old, new))
    require_same(loaded.tables(), expected.tables())
    assert loaded.state() == expected.state() == {"page": 4}
    assert loaded.query("SELECT version FROM _headwater.format") == [(1,)]
    with closing(sqlite3.connect(old / "files" / "runs.db")) as db:
        assert db.execute("SELECT status FROM runs").fetchall() == [("succeeded",)] * 2
        assert db.execute("PRAGMA user_version").fetchall() == [(1,)]


def extracted(folder: Path) -> Path:
    with tarfile.open(PROJECT) as archive:
        archive.extractall(folder)
    return folder


def debug(folder: Path, shadows: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headwater", "debug"],
        cwd=folder, env=environment(shadows / "shadows"), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
