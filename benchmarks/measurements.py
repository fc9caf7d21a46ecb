"""What is measured: each entry runs once a round, in a fresh process and a folder of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import headwater_interpreter, mit_sdk_interpreter, peer_interpreter
from benchmarks.headwater_sync import make_project, require_synced, sync
from benchmarks.process import run
from benchmarks.rows import TABLE
from benchmarks.sample import Sample
from benchmarks.stored import require_rows

MILLION = 1_000_000
CHECKPOINT_EVERY = 100_000

Run = Callable[[Path, Path, int], Sample]
Prepare = Callable[[Path, int], None]


def _nothing(shared: Path, rows: int) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing to measure.

    title    what is timed, for the reader of the table
    rows     how many rows at full size; slow peers get fewer, as only the time of a row is compared
    run      called with a new folder, the shared folder and the number of rows
    prepare  called before the first round, with the shared folder and the number of rows
    once     it takes too long for every round: it runs in the first only
    """

    name: str
    title: str
    rows: int
    run: Run
    prepare: Prepare = _nothing
    once: bool = False


# --- the floor


def _loop(folder: Path, shared: Path, rows: int) -> Sample:
    return _answered(headwater_interpreter(), "benchmarks.floor", rows, "loop", str(rows))


def _insert(folder: Path, shared: Path, rows: int) -> Sample:
    arrow = _arrow_file(shared, rows)
    return _answered(headwater_interpreter(), "benchmarks.floor", rows, "insert", arrow, folder / "floor.db")


def _answered(python: str | Path, module: str, rows: int, *arguments: str | Path) -> Sample:
    """Run a module that prints how many seconds the part to compare took."""
    ended = run([python, "-m", module, *arguments])
    return Sample(rows, ended.answer[-1]["seconds"], ended.seconds, ended.peak_mb)


def _prepare_arrow(shared: Path, rows: int) -> None:
    file = _arrow_file(shared, rows)
    if not file.exists():
        run([headwater_interpreter(), "-m", "benchmarks.floor", "arrow", file, str(rows)])


def _arrow_file(shared: Path, rows: int) -> Path:
    return shared / f"rows_{rows}.arrow"


# --- headwater


def _rows(checkpoint_every: int, connector: str = "rows") -> Run:
    def measure(folder: Path, shared: Path, rows: int) -> Sample:
        make_project(folder, connector, rows=rows, checkpoint_every=checkpoint_every)
        return _synced(folder, rows)

    return measure


def _arrow(folder: Path, shared: Path, rows: int) -> Sample:
    make_project(folder, "arrow")
    (folder / "rows.arrow").symlink_to(_arrow_file(shared, rows))
    return _synced(folder, rows)


def _synced(project: Path, rows: int) -> Sample:
    sample = sync(project, rows)
    require_synced(project, rows)
    return sample


def _filled(spread: int) -> Prepare:
    """Make a table of `spread` rows for each row that will change."""

    def prepare(shared: Path, rows: int) -> None:
        project = shared / f"filled_{spread}"
        make_project(project, "filled", rows=rows * spread, checkpoint_every=MILLION)
        _synced(project, rows * spread)

    return prepare


def _changed(spread: int) -> Run:
    def measure(folder: Path, shared: Path, rows: int) -> Sample:
        shutil.copytree(shared / f"filled_{spread}", folder, dirs_exist_ok=True)
        make_project(folder, "changed", rows=rows, table_rows=rows * spread)
        sample = sync(folder, rows)
        require_synced(folder, rows * spread)
        require_synced(folder, rows, where="note = 'a changed row'")
        return sample

    return measure


# --- peers


def _dlt(way: str) -> Run:
    def measure(folder: Path, shared: Path, rows: int) -> Sample:
        sample = _answered(peer_interpreter("dlt"), "benchmarks.peers.dlt_load", rows, way, folder, str(rows))
        require_rows(folder / "dlt.db", f"bench.{TABLE}", rows)
        return sample

    return measure


def _prepare_dlt(shared: Path, rows: int) -> None:
    peer_interpreter("dlt")


def _singer(folder: Path, shared: Path, rows: int) -> Sample:
    tap = peer_interpreter("singer_tap")
    target = peer_interpreter("singer_target").with_name("target-duckdb")
    sample = _answered(sys.executable, "benchmarks.peers.singer_pipe", rows, tap, target, folder, str(rows))
    require_rows(folder / "singer.db", f"bench.{TABLE}", rows)
    return sample


def _prepare_singer(shared: Path, rows: int) -> None:
    peer_interpreter("singer_tap")
    peer_interpreter("singer_target")


def _mit_sdk(folder: Path, shared: Path, rows: int) -> Sample:
    return _answered(mit_sdk_interpreter(), "benchmarks.peers.mit_sdk_stream", rows, "drain", str(rows))


def _prepare_mit_sdk(shared: Path, rows: int) -> None:
    mit_sdk_interpreter()


MEASUREMENTS = (
    Measurement("loop", "floor: the bare generator loop", MILLION, _loop),
    Measurement("insert", "floor: DuckDB's INSERT of ready Arrow", MILLION, _insert, _prepare_arrow),
    Measurement("rows", "dict rows, checkpoint every 100,000", MILLION, _rows(CHECKPOINT_EVERY)),
    Measurement("eight_threads", "the same from eight threads", MILLION, _rows(CHECKPOINT_EVERY, "eight_threads")),
    Measurement("in_step", "eight threads in step", MILLION, _rows(CHECKPOINT_EVERY, "threads_in_step")),
    Measurement("checkpoint_1000", "dict rows, checkpoint every 1,000", MILLION, _rows(1_000)),
    Measurement("arrow", "one ready Arrow table", MILLION, _arrow, _prepare_arrow),
    Measurement("changed_1m", "changed rows into 1 million", CHECKPOINT_EVERY, _changed(10), _filled(10)),
    Measurement("changed_10m", "changed rows into 10 million", CHECKPOINT_EVERY, _changed(100), _filled(100)),
    Measurement("one_checkpoint", "20 million rows, one checkpoint", 20 * MILLION, _rows(20 * MILLION), once=True),
    Measurement("dlt_rows", "dlt, its defaults", 50_000, _dlt("rows"), _prepare_dlt),
    Measurement("dlt_pages", "dlt, pages of dicts as Parquet", 400_000, _dlt("pages"), _prepare_dlt),
    Measurement("singer", "singer-sdk tap into target-duckdb", 200_000, _singer, _prepare_singer),
    Measurement("mit_sdk", "Fivetran's SDK 2.13.1, stream only", 200_000, _mit_sdk, _prepare_mit_sdk),
)
