"""`make demo`, as a stranger runs it: only the core is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
EXTRAS = ("pandas", "polars", "boto3", "sqlalchemy", "openpyxl")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which the extras cannot be imported, and in which the demo's folder can be found again."""
    hidden = tmp_path / "not_installed"
    hidden.mkdir()
    for name in EXTRAS:
        (hidden / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "PYTHONPATH": str(hidden), "TMPDIR": str(tmp_path / "tmp"), "PYTHONUTF8": "1"}


def run(*arguments: str | Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.slow
def test_demo_kills_a_sync_and_finds_every_row_once(environment: dict[str, str]) -> None:
    demo = run(DEMO, environment=environment)

    assert (demo.returncode, demo.stderr) == (0, "")
    assert "kill -9" in demo.stdout
    assert "Its first request was GET /v1/orders?after=" in demo.stdout
    assert demo.stdout.endswith("   No. Every row is there, once.\n")
    assert 20 <= len(demo.stdout.splitlines()) <= 50
    assert list(Path(environment["TMPDIR"]).iterdir()) == []


@pytest.mark.slow
def test_demo_fails_when_a_row_is_lost(environment: dict[str, str]) -> None:
    demo = run("-c", LOSE_A_ROW.format(demo=str(DEMO)), environment=environment)

    assert demo.returncode == 1
    assert "The demo went wrong: orders: 30,000 rows, and they differ from the source's" in demo.stderr
    assert "Every row is there" not in demo.stdout
    assert list(Path(environment["TMPDIR"]).iterdir()) == []


# The source the demo compares with has one order more than its API gave.
LOSE_A_ROW = """
import runpy
demo = runpy.run_path({demo!r})
names = demo["compare"].__globals__
given = names["orders"]
def compare(folder):
    names["orders"] = lambda: [*given(), given().__next__()]
    demo["compare"](folder)
names["main"].__globals__["compare"] = compare
demo["main"]()
"""
