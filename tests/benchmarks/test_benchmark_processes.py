"""The benchmarks run for real, with few rows: what is started, what is counted, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.environment import EnvironmentUnavailable, headwater_interpreter
from benchmarks.measurements import MEASUREMENTS, Measurement
from benchmarks.process import ROOT, MeasurementFailed, run
from benchmarks.stored import require_rows

# A number of rows that no block, thread or checkpoint divides.
ROWS = 1003

OWN = [each for each in MEASUREMENTS if each.name not in ("dlt_rows", "dlt_pages", "singer", "mit_sdk")]


@pytest.fixture(scope="session")
def environment() -> Path:
    """The environment that headwater is measured in; the first use of all builds it."""
    try:
        return headwater_interpreter()
    except EnvironmentUnavailable as reason:
        pytest.skip(f"cannot measure headwater: {reason}")


def test_a_process_answers_with_its_json_lines_its_time_and_its_memory() -> None:
    code = "import time; held = b'x' * 200_000_000; time.sleep(0.2); print('text'); print('{\"n\": 1}')"

    ended = run([sys.executable, "-c", code])
    # From a process as small as the bench itself: this one may have grown large with other tests.
    measure = f"import sys; from benchmarks.process import run; print(run([sys.executable, '-c', {code!r}]).peak_mb)"
    peak_mb = subprocess.run(
        [sys.executable, "-c", measure], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout

    assert ended.answer == [{"n": 1}]
    assert 0.2 < ended.seconds < 30
    assert 190 < float(peak_mb) < 400


def test_a_process_that_fails_is_shown_with_what_it_printed() -> None:
    with pytest.raises(MeasurementFailed, match=r"(?s)ended with 3.*the reason"):
        run([sys.executable, "-c", "import sys; print('the reason', file=sys.stderr); sys.exit(3)"])


def test_a_load_that_lost_or_doubled_rows_is_refused(environment: Path, tmp_path: Path) -> None:
    for name, keys in {"whole": "(1), (2), (3)", "lost": "(1), (2)", "doubled": "(1), (2), (2)"}.items():
        make = f"import duckdb; duckdb.connect('{tmp_path / name}').execute("
        make += f'"CREATE TABLE orders AS SELECT * FROM (VALUES {keys}) AS t(id)")'
        run([environment, "-c", make])

    require_rows(tmp_path / "whole", "orders", 3)
    for name in ("lost", "doubled"):
        with pytest.raises(MeasurementFailed, match="not 3 of each"):
            require_rows(tmp_path / name, "orders", 3)


@pytest.mark.parametrize("measurement", OWN, ids=[each.name for each in OWN])
def test_a_measurement_moves_all_of_its_rows(environment: Path, tmp_path: Path, measurement: Measurement) -> None:
    folder, shared = tmp_path / "folder", tmp_path / "shared"
    folder.mkdir()
    shared.mkdir()

    measurement.prepare(shared, ROWS)
    sample = measurement.run(folder, shared, ROWS)

    assert sample.rows == ROWS
    assert 0 <= sample.seconds < sample.process_seconds


def test_the_command_prints_the_ratios_whose_two_sides_it_measured(environment: Path) -> None:
    ended = _benchmarks("loop", "insert", "rows", "--rows", "1,000", "--repeat", "2", "--check")

    titles = [line.split("│")[1].strip() for line in ended.stdout.splitlines() if line.startswith("│")]
    assert titles == [
        "floor: the bare generator loop",
        "floor: DuckDB's INSERT of ready Arrow",
        "dict rows, checkpoint every 100,000",
        "dict rows, beside the floor",
        "dict rows, the whole process, beside the floor",
    ]
    assert ended.stderr.count("round ") == 6
    assert "written" not in ended.stderr
    assert ended.returncode == (1 if "NO" in ended.stdout else 0)


def test_the_command_names_what_it_can_measure_when_asked_for_another() -> None:
    ended = _benchmarks("colour")

    assert ended.returncode == 2
    assert "there is no measurement colour; there are: loop, insert, rows" in ended.stderr


def _benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
