"""The option `schema`: any name will do, and another one is another connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cli_project import CliProject, environment

# What DuckDB calls its databases: the file, the memory beside it, its own.
TAKEN = ["warehouse", "memory", "temp", "system", "main", "original"]


@pytest.fixture
def project(tmp_path: Path) -> CliProject:
    folder = tmp_path / "shop"
    folder.mkdir()
    return CliProject(folder, environment(tmp_path / "shadows"))


def test_a_schema_may_be_called_as_a_database_of_duckdb_is(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1})\nop.checkpoint({})\nop.update("orders", {"id": 1, "a": "x"})')
    shown = []
    for schema in TAKEN:
        project.write("headwater.toml", f'schema = "{schema}"\n')
        synced = project.debug()
        rows = project.run("show", f"{schema}.orders", "--columns", "id,a", "--csv")
        shown.append((schema, synced.code, rows.out))

    assert shown == [(schema, 0, "id,a\n1,x\n") for schema in TAKEN]


@pytest.mark.parametrize("schema", ["_headwater", "information_schema", "pg_catalog"])
def test_a_schema_of_the_database_s_own_is_refused(project: CliProject, schema: str) -> None:
    project.connector("pass").write("headwater.toml", f'schema = "{schema}"\n')
    outcome = project.debug()

    assert outcome.code == 1
    assert f"schema is '{schema}', which belongs to the database or to headwater" in outcome.out


def test_another_schema_starts_from_nothing_and_the_first_goes_on_where_it_was(project: CliProject) -> None:
    project.connector('n = state.get("n", 0)\nop.upsert("orders", {"id": n})\nop.checkpoint({"n": n + 1})')
    said = []
    for schema in ("one", "two", "one"):
        project.write("headwater.toml", f'schema = "{schema}"\n')
        outcome = project.debug()
        said.append((outcome.code, outcome.out.partition("Previous state:\n")[2].partition("\n")[0]))

    assert said == [(0, "{}"), (0, "{}"), (0, '{"n": 1}')]
