"""singer-sdk's tests for targets pass over `target-headwater`, and what they send is in the tables afterwards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import psycopg
import pytest

from benchmarks.environment import EnvironmentUnavailable
from tests.cli.cli_project import environment
from tests.postgres_server import postgres_server
from tests.singer.sdk_environment import sdk_interpreter
from tests.singer.tap_messages import COMMAND, SCHEMA

SUITE = Path(__file__).with_name("sdk_suite.py")

TESTS = {
    "array_data", "camelcase", "camelcase_complex_schema", "cli_prints", "duplicate_records", "encoded_string_data",
    "invalid_schema", "multiple_state_messages", "no_primary_keys", "optional_attributes", "pk_updates",
    "record_before_schema", "record_missing_fields", "record_missing_key_property",
    "record_missing_required_property", "schema_no_properties", "schema_updates", "special_chars_in_attributes",
}  # fmt: skip

ROWS = [
    # table                                    rows
    ("example_stream",                         2),
    ("forecasting_type_to_category",           0),
    ("record_missing_fields",                  2),
    ("test_array_data",                        4),
    ("test_camelcase",                         2),
    ("test_duplicate_records",                 2),
    ("test_multiple_state_messages_a",         6),
    ("test_multiple_state_messages_b",         6),
    ("test_no_pk",                             3),
    ("test_object_schema_no_properties",       2),
    ("test_object_schema_with_properties",     2),
    ("test_optional_attributes",               4),
    ("test_record_missing_required_property",  1),
    ("test_schema_updates",                    6),
    ("test_special_chars_in_attributes",       1),
    ("test_strings",                          11),
    ("test_strings_in_arrays",                 6),
    ("test_strings_in_objects",               11),
]  # fmt: skip


@pytest.fixture(params=["duckdb", "postgres"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "duckdb":
        yield f"duckdb:{tmp_path / 'warehouse.db'}"
        return
    with postgres_server() as server:
        yield server.url()


@pytest.mark.slow
def test_singer_sdk_s_target_suite_passes(destination: str, tmp_path: Path) -> None:
    outcomes = run_suite(destination, tmp_path)

    assert outcomes == {f"test_target_{name}": "passed" for name in TESTS}
    assert [(table, count(destination, table)) for table, _ in ROWS] == ROWS


def run_suite(destination: str, folder: Path) -> dict[str, str]:
    """Run the suite; give each test's outcome, with its message where it has not passed."""
    try:
        python = sdk_interpreter()
    except EnvironmentUnavailable as reason:
        pytest.skip(f"singer-sdk is not here: {reason}")
    # Four: the suite expects the first, the third and the last of the states it sends for multiple_state_messages.
    settings = {"destination": destination, "schema": SCHEMA, "batch_size_rows": 4}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.xml"
    options: list[str | Path] = ["-q", "-c", folder / "pytest.ini", "-p", "no:cacheprovider", f"--junitxml={report}"]
    variables = {"HEADWATER_TARGET": str(COMMAND), "HEADWATER_CONFIG": str(folder / "config.json")}
    done = subprocess.run(
        [python, "-m", "pytest", *options, SUITE],
        env=environment(folder / "shadows") | variables,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    if not report.exists():
        raise RuntimeError(f"the suite has not run:\n{done.stdout}{done.stderr}")
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {case.get("name", ""): case[0].get("message", case[0].tag) if len(case) else "passed" for case in cases}


def count(destination: str, table: str) -> int:
    """Count a table's rows, from outside."""
    query = f"SELECT count(*) FROM {SCHEMA}.{table}"
    if destination.startswith("duckdb:"):
        with duckdb.connect(destination.removeprefix("duckdb:"), read_only=True) as warehouse:
            return int(warehouse.execute(query).fetchall()[0][0])
    with psycopg.connect(destination) as server:
        return int(server.execute(query.encode()).fetchall()[0][0])
