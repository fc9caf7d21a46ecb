"""`headwater alias`: `fivetran` means headwater, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.cli.cli_project import CliProject

ROOT = Path(__file__).parents[2]


class Environment:
    """A new virtual environment that finds headwater and its packages, but not their commands."""

    def __init__(self, path: Path, variables: dict[str, str]) -> None:
        venv.create(path, symlinks=True)
        self._bin = path / "bin"
        [self.packages] = path.glob("lib/*/site-packages")
        (self.packages / "headwater.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
        self._variables = variables

    @property
    def fivetran(self) -> Path:
        return self._bin / "fivetran"

    def run(self, name: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [self._bin / name] if name == "fivetran" else [self._bin / "python", "-m", "headwater", name]
        return subprocess.run(
            [*command, *arguments],
            cwd=cwd or self._bin,
            env=self._variables,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def install(self, name: str, version: str) -> None:
        """Let a package look installed."""
        folder = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def place(tmp_path: Path, project: CliProject) -> Environment:
    assert sys.prefix != sys.base_prefix
    return Environment(tmp_path / "env", project.environment)


def test_fivetran_means_headwater_until_the_alias_is_removed(place: Environment, project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 7})')
    added = [place.run("alias") for _ in range(2)]  # a second time changes nothing
    ran = place.run("fivetran", "debug", str(project.path))
    reset = place.run("fivetran", "reset", "--yes", cwd=project.path)
    removed = [place.run("alias", "--remove") for _ in range(2)]

    assert [each.stdout for each in added] == [f"{place.fivetran} is headwater now\n"] * 2
    assert (ran.returncode, "Sync SUCCEEDED" in ran.stdout) == (0, True)
    assert reset.stdout == "reset successful\n"
    assert [each.stdout for each in removed] == ["fivetran is gone\n", "there was no alias\n"]
    assert not place.fivetran.exists()


@pytest.mark.parametrize("folder", ["with a blank", "e" * 200, 'quo"te é'], ids=["blank", "long", "quote"])
def test_the_alias_runs_wherever_the_environment_lies(tmp_path: Path, project: CliProject, folder: str) -> None:
    place = Environment(tmp_path / folder / "env", project.environment)
    added = place.run("alias")
    said = place.run("fivetran", "version")
    removed = place.run("alias", "--remove")

    assert (added.returncode, added.stderr) == (0, "")
    assert (said.returncode, said.stdout, said.stderr) == (0, "headwater 0.1.0\n", "")
    assert removed.stdout == "fivetran is gone\n"


def test_the_official_package_is_never_replaced(place: Environment) -> None:
    place.install("fivetran-connector-sdk", "2.13.1")
    refused = place.run("alias")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Error: fivetran-connector-sdk 2.13.1 is installed here, and `fivetran` is its command\n"
        "Uninstall it first, or use an environment without it: pip uninstall fivetran-connector-sdk.\n"
    )
    assert not place.fivetran.exists()


def test_somebody_else_s_fivetran_stays(place: Environment) -> None:
    place.fivetran.write_text("#!/bin/sh\n")
    refused = [place.run("alias"), place.run("alias", "--remove")]

    assert [each.returncode for each in refused] == [1, 1]
    assert refused[0].stderr.startswith(f"Error: {place.fivetran} is not headwater's\n")
    assert place.fivetran.read_text() == "#!/bin/sh\n"
