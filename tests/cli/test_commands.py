"""`headwater.commands`: each command as a Python call of its name, on a real project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from headwater import commands
from headwater.cli import COMMANDS
from headwater.errors import ConfigurationError
from headwater.reading import Selection, Sort

# What has no Python call: it talks to a shell, or to whoever reads.
OF_THE_SHELL = {"completion", "help", "python", "version"}

CONNECTOR = """
from fivetran_connector_sdk import Connector, Operations as op

def schema(configuration):
    return [{"table": "orders", "primary_key": ["id"]}]

def update(configuration, state):
    n = state.get("n", 0)
    for id in range(n, n + int(configuration["rows"])):
        op.upsert("orders", {"id": id, "total": id * 10})
    op.checkpoint({"n": n + int(configuration["rows"])})

connector = Connector(update=update, schema=schema)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "connector.py").write_text(CONNECTOR)
    (folder / "configuration.json").write_text('{"rows": "2"}')
    (folder / "requirements.txt").write_text("")
    return folder


def test_every_command_has_a_call_of_its_name() -> None:
    assert set(commands.__all__) == COMMANDS.keys() - OF_THE_SHELL


def test_a_project_lives_from_init_to_reset_without_the_command_line(shop: Path) -> None:
    first = commands.debug(shop)
    second = commands.debug(shop, configuration={"rows": "1"})
    rows = commands.show(shop, "tester.orders", Selection(columns=("id",), sort=(Sort("id", descending=True),)))
    counted = commands.show(shop, sql="SELECT count(*) AS n FROM orders")
    found = commands.state(shop)
    cleared = commands.state(shop, {})
    verdict = commands.verify(shop)
    ended = [run.status for run in commands.runs(shop)]
    zipped = commands.package(shop)
    removed = commands.reset(shop)

    assert (first.status, second.status, ended) == ("succeeded", "succeeded", ["succeeded", "succeeded"])
    assert (rows.rows, counted.as_json()) == ([("2",), ("1",), ("0",)], [{"n": 3}])
    assert (found, cleared) == ({"n": 3}, {})
    assert (verdict.resumes, commands.check(shop)) == (True, [])
    assert zipped.path == shop / "files" / "shop.zip"
    assert (removed.tables, (shop / "files" / "warehouse.db").exists()) == ([], False)


def test_init_makes_a_project_that_runs_and_keeps_what_is_there(tmp_path: Path) -> None:
    made = commands.init(tmp_path / "hello")
    (tmp_path / "hello" / "connector.py").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"holds other files of these names: connector\.py"):
        commands.init(tmp_path / "hello")
    commands.init(tmp_path / "hello", replace=True)

    assert tmp_path / "hello" / "connector.py" in made
    assert commands.debug(tmp_path / "hello").status == "succeeded"


def test_an_author_s_error_is_in_the_result_and_a_wrong_project_is_raised(shop: Path, tmp_path: Path) -> None:
    failed = commands.debug(shop, configuration={"rows": "x"})

    assert (failed.status, type(failed.error)) == ("failed", ValueError)
    with pytest.raises(ConfigurationError, match="is not a folder"):
        commands.debug(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="takes a table or sql="):
        commands.show(shop)


def test_importing_the_calls_loads_nothing_heavy() -> None:
    program = "import json, sys; import headwater.commands; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert {"duckdb", "pyarrow", "click", "requests"} & set(json.loads(done.stdout)) == set()
