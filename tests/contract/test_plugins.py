"""Destinations of other packages: one that is installed, found by its entry point, and keeps the contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from headwater.destinations import ENTRY_POINTS, open_destination
from headwater.destinations.memory import MemoryDestination
from headwater.errors import ConfigurationError
from headwater.schema import Table
from headwater.testing.contract import DestinationContract
from tests.cli.cli_project import CliProject, environment
from tests.contract.memory_driver import MemoryDriver

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "docs" / "destinations" / "arrow_file"


def installed(target: Path) -> Path:
    """Install the package of the documentation into a folder, as `pip install --target` leaves it there."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    with_entry_points(target, project["name"], project["version"], project["entry-points"][ENTRY_POINTS])
    shutil.copy(PACKAGE / "headwater_arrow_file.py", target)
    return target


def with_entry_points(target: Path, name: str, version: str, points: dict[str, str]) -> None:
    info = target / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    lines = "".join(f"{scheme} = {value}\n" for scheme, value in points.items())
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{lines}")


def test_a_third_party_keeps_the_contract_with_a_ten_line_driver(tmp_path: Path) -> None:
    target = installed(tmp_path / "site")
    shutil.copy(PACKAGE / "test_arrow_file.py", target)
    rewritten = "'headwater.testing.contract', 'headwater.testing.migration_contract'"
    (target / "conftest.py").write_text(f"import pytest\npytest.register_assert_rewrite({rewritten})\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", target, target],
        cwd=target, env={**os.environ, "PYTHONPATH": f"{target}:{ROOT}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert passed is not None and int(passed[1]) > 150


def test_a_sync_goes_into_a_destination_that_a_package_brings(tmp_path: Path) -> None:
    target = installed(tmp_path / "site")
    folder = tmp_path / "shop"
    folder.mkdir()
    own = environment(tmp_path / "shadows")
    project = CliProject(folder.resolve(), {**own, "PYTHONPATH": f"{own['PYTHONPATH']}:{target}"})
    project.write("headwater.toml", 'destination = "arrow:files/shop.arrow"\n')
    project.connector(
        "first = state.get('next', 1)\nfor id in (first, first + 1):\n    op.upsert('orders', {'id': id})\n"
        "    op.checkpoint({'next': id + 1})"
    )
    done = [project.debug() for _ in range(2)]
    read = (
        "import sys; from pathlib import Path; from headwater.destinations.memory import Warehouse; "
        "from headwater_arrow_file import read; found = Warehouse(); read(Path(sys.argv[1]), found); "
        "print([row['id'] for row in found.stored['tester', 'orders'].rows.values()], found.commits['tester'].state)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", read, folder / "files" / "shop.arrow"],
        env={**os.environ, "PYTHONPATH": f"{target}:{ROOT}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert [each.code for each in done] == [0, 0], done[0].out + done[0].err + done[1].out + done[1].err
    assert shown.stdout == '[1, 2, 3, 4] {"next": 5}\n'
    assert not project.warehouse.exists()


def opened(url: str, folder: Path) -> object:
    return open_destination(url, folder=folder, connection="tester", memory_mb=400)


def test_an_unknown_kind_is_refused_with_those_that_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path / "site"))
    with pytest.raises(ConfigurationError) as refused:
        opened("mongodb://me:canary@host", tmp_path)

    assert refused.value.message == "destination: 'mongodb:' is of no known kind"
    assert refused.value.hint is not None
    assert "arrow:, duckdb:, memory:, postgres:, postgresql:" in refused.value.hint
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("points",                         "message"),
    [
        ({"odd": "no_such_module:f"},  "odd: cannot be loaded from headwater-odd 1.0 (no_such_module:f): No module"),
        ({"odd": "json:no_such_name"}, "odd: cannot be loaded from headwater-odd 1.0 (json:no_such_name)"),
        ({"duckdb": "json:loads"},     "duckdb: is brought by several packages: headwater (headwater.destinations.du"),
    ],
)  # fmt: skip
def test_a_package_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: dict[str, str], message: str
) -> None:
    with_entry_points(tmp_path / "site", "headwater-odd", "1.0", points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (scheme,) = points
    with pytest.raises(ConfigurationError) as refused:
        opened(f"{scheme}:x", tmp_path)

    assert f"destination: {message}" in refused.value.message


def test_the_example_is_not_installed_here() -> None:
    """Else the tests above would find that one, not the one they install."""
    with pytest.raises(PackageNotFoundError):
        distribution("headwater-arrow-file")


def test_a_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        opened("duckdb:", tmp_path)


class ForgetsWhatColumnsWereGiven(MemoryDestination):
    """Writes names and digits of types down, as a destination did before there was `ColumnType.held`."""

    def describe_table(self, schema: str, name: str) -> Table | None:
        table = super().describe_table(schema, name)
        kinds = {column: replace(kind, held="") for column, kind in table.columns.items()} if table else {}
        return replace(table, columns=kinds) if table else None


class ForgetfulDriver(MemoryDriver):
    def destination(self, connection: str) -> MemoryDestination:
        return ForgetsWhatColumnsWereGiven(connection, warehouse=self.warehouse)


def test_a_destination_that_forgets_what_columns_were_given_is_told_what_to_keep() -> None:
    with pytest.raises(AssertionError, match="store every field of each ColumnType beside the table"):
        DestinationContract().test_a_type_is_described_with_what_its_column_was_given(ForgetfulDriver())
