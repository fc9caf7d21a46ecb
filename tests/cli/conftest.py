"""A project folder for each test of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cli_project import CliProject, environment


@pytest.fixture
def project(tmp_path: Path) -> CliProject:
    folder = tmp_path / "shop"
    folder.mkdir()
    return CliProject(folder.resolve(), environment(tmp_path / "shadows"))
