"""The same rows through dlt and through headwater into DuckDB: the same tables, but for the differences we name."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from benchmarks.environment import EnvironmentUnavailable, peer_interpreter
from headwater import Connector
from headwater import Operations as op
from headwater.destinations import open_destination
from headwater.options import Options
from headwater.schema import SYSTEM_COLUMNS, TableOptions
from headwater.sync import Progress, Sync
from tests.differential.differences import DIFFERENCES, Difference
from tests.differential.random_loads import DECLARED, HINTS, LOADS, REMOVED, Row, changing_loads, random_loads

SCRIPT = Path(__file__).with_name("dlt_loads.py")
SCHEMA = "loaded"
RANDOM_TABLES = 3

# Table to its rows, load after load.
Tables = dict[str, list[list[Row]]]


class Both(NamedTuple):
    """The same tables, loaded by each."""

    dlt: Path
    headwater: Path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    seed = int(os.environ.get("HEADWATER_SEED", random.randrange(10**6)))
    print(f"HEADWATER_SEED={seed}")
    tables: Tables = {f"random_{n}": random_loads(seed + n) for n in range(RANDOM_TABLES)}
    tables["changing"] = changing_loads(seed)
    tables |= {each.name: _keyed(each) for each in DIFFERENCES}
    folder = tmp_path_factory.mktemp("both")
    try:
        python = peer_interpreter("dlt")
    except EnvironmentUnavailable as reason:
        pytest.skip(f"dlt is not here: {reason}")
    _load_with_headwater(tables, folder / "headwater.db")
    _load_with_dlt(python, tables, folder)
    yield Both(folder / "dlt.db", folder / "headwater.db")


@pytest.mark.slow
@pytest.mark.parametrize("table", [f"random_{n}" for n in range(RANDOM_TABLES)])
def test_random_rows_give_the_same_table(both: Both, table: str) -> None:
    theirs, ours = (_rows(file, table) for file in both)

    assert len(ours) > 10
    assert [_comparable(row) for row in ours] == [_comparable(row, REMOVED) for row in theirs]


@pytest.mark.slow
def test_a_column_that_changes_its_type_keeps_every_value_as_dlt_s_variants_do(both: Both) -> None:
    theirs, ours = (_rows(file, "changing") for file in both)

    assert len(ours) == len(theirs) > 100
    assert [{name: _text(value) for name, value in row.items()} for row in ours] == [
        {name: _text(value) for name, value in _folded(row).items()} for row in theirs
    ]


@pytest.mark.slow
@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_difference_is_as_the_page_says(both: Both, difference: Difference) -> None:
    theirs, ours = (_rows(file, difference.name) for file in both)

    # As text: NaN equals nothing, and to Python 1, 1.0 and True are one.
    assert str(_without_key(theirs)) == str(difference.dlt)
    assert str(_without_key(ours)) == str(difference.headwater)


# --- loading


def _keyed(difference: Difference) -> list[list[Row]]:
    numbers = iter(range(100))
    return [[{"id": next(numbers), **row} for row in rows] for rows in difference.loads]


def _load_with_dlt(python: Path, tables: Tables, folder: Path) -> None:
    loads = [
        {
            name: (rows[number], HINTS if name.startswith("random") else {})
            for name, rows in tables.items()
            if number < len(rows)
        }
        for number in range(LOADS)
    ]
    (folder / "loads").write_bytes(pickle.dumps(loads))
    done = subprocess.run(
        [python, SCRIPT, folder / "loads", folder], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _load_with_headwater(tables: Tables, file: Path) -> None:
    """Load as a connector would: one sync for each load."""
    for number in range(LOADS):

        def update(configuration: Mapping[str, str], state: Mapping[str, Any], number: int = number) -> None:
            for name, loads in tables.items():
                for row in loads[number] if number < len(loads) else []:
                    if row.get(REMOVED):
                        op.delete(name, {"id": row["id"]})
                    else:
                        op.upsert(name, row)

        def schema(configuration: Mapping[str, str]) -> list[dict[str, Any]]:
            return [
                {"table": name, "primary_key": ["id"], "columns": DECLARED if name.startswith("random") else {}}
                for name in tables
            ]

        destination = open_destination(f"duckdb:{file}", folder=file.parent, connection=SCHEMA, memory_mb=200)
        options = Options(schema=SCHEMA, other_tables=TableOptions(mode="live"), remarks=False)
        try:
            destination.open()
            result = Sync(Connector(update, schema), {}, destination, options, _Silent()).run()
        finally:
            destination.close()
        assert result.error is None


class _Silent:
    def table_changed(self, table: object) -> None: ...

    def committed(self, commit: object) -> None: ...

    def progress(self, progress: Progress) -> None: ...


# --- comparing


def _rows(file: Path, table: str) -> list[Row]:
    """Read a table by key, without what either adds."""
    with duckdb.connect(str(file), read_only=True) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        found = warehouse.execute(f'SELECT * FROM {SCHEMA}."{table}" ORDER BY id')
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, map(_in_utc, row), strict=True)) for row in found.fetchall()]
    own = {"_dlt_id", "_dlt_load_id", *SYSTEM_COLUMNS["live"]}
    return [{name: value for name, value in row.items() if name not in own} for row in rows]


def _in_utc(value: Any) -> Any:
    """Give a time Python's own UTC instead of the time zone that DuckDB names so."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _comparable(row: Row, *left_out: str) -> Row:
    """Order the columns, and read the text of JSON."""
    values = {name: value for name, value in sorted(row.items()) if name not in left_out}
    return values | {name: json.loads(values[name]) for name in ("doc", "lines") if values.get(name) is not None}


def _folded(row: Row) -> Row:
    """Put dlt's variants of a column back into one."""
    folded: Row = {}
    for name, value in row.items():
        column = name.partition("__v_")[0]
        if value is not None or column not in folded:
            folded[column] = value
    return folded


def _text(value: Any) -> str:
    """Write a value so that equal numbers are equal, whether as number or as text."""
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value)


def _without_key(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]
