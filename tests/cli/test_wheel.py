"""The wheel, as a user gets it: built, installed into an empty environment, and used from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built(tmp_path_factory.mktemp("dist"))


def _built(folder: Path, environment: dict[str, str] | None = None) -> Path:
    _run([UV, "build", "-q", "--wheel", "--out-dir", folder, REPOSITORY], environment=environment)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed `headwater`, with the packages it asks for and no others."""
    return _installed(wheel, tmp_path_factory.mktemp("environment") / "venv")


def _installed(wheel: Path, environment: Path) -> Path:
    _run([UV, "venv", "-q", "--python", sys.executable, environment])
    _run([UV, "pip", "install", "-q", "--python", environment / "bin" / "python", wheel])
    return environment / "bin" / "headwater"


def _run(arguments: list[str | Path], folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "HEADWATER_PURE_PYTHON")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    kept |= environment or {}
    done = subprocess.run(arguments, cwd=folder, env=kept, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_types_and_the_templates_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names} == {"headwater", "sdk_helpers", "headwater-0.1.0.dist-info"}
    assert {"headwater/py.typed", "headwater/headwater.schema.json"} <= set(names)
    assert "headwater/templates/quickstart/hello/connector.py" in names
    assert [name for name in names if "/files/" in name or "__pycache__" in name or name.endswith(".db")] == []


@pytest.mark.slow
def test_the_wheel_holds_the_compiled_part_for_every_python_from_3_11_on(wheel: Path, command: Path) -> None:
    compiled = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".so", ".pyd"))]

    assert wheel.name.startswith("headwater-0.1.0-cp311-abi3-")
    assert sorted(name.split(".")[0] for name in compiled) == ["headwater/_cells", "headwater/_integer_set"]
    assert _run([command, "version"]) == "headwater 0.1.0\n"


@pytest.mark.slow
def test_without_a_c_compiler_the_wheel_is_python_alone_says_so_and_runs(tmp_path: Path) -> None:
    wheel = _built(tmp_path / "dist", {"CC": "/bin/false"})
    command = _installed(wheel, tmp_path / "venv")
    _run([command, "init", "hello", "--template", "quickstart/hello"], tmp_path)

    assert wheel.name == "headwater-0.1.0-py3-none-any.whl"
    assert _run([command, "version"]) == (
        "headwater 0.1.0\nwithout its compiled part: rows are taken more slowly, with the same results "
        "(it was installed without a C compiler)\n"
    )
    assert "Sync SUCCEEDED" in _run([command, "debug", "hello"], tmp_path)
    assert "hello, world!" in _run([command, "show", "hello", "hello"], tmp_path)


@pytest.mark.slow
def test_the_installed_command_makes_a_project_and_runs_it(command: Path, tmp_path: Path) -> None:
    _run([command, "init", "hello", "--template", "quickstart/hello"], tmp_path)
    first = _run([command, "debug", "hello"], tmp_path)
    rows = _run([command, "show", "hello", "hello"], tmp_path)

    assert "Sync SUCCEEDED" in first
    assert "hello, world!" in rows


@pytest.mark.slow
def test_the_installed_singer_target_loads_a_record(command: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"destination": "duckdb:warehouse.db"}')
    (tmp_path / "messages.jsonl").write_text(
        '{"type": "SCHEMA", "stream": "orders", "schema": {"properties": {"id": {"type": "integer"}}}}\n'
        '{"type": "RECORD", "stream": "orders", "record": {"id": 1}}\n'
        '{"type": "STATE", "value": {"id": 1}}\n'
    )

    target = command.with_name("target-headwater")
    states = _run([target, "--config", "config.json", "--input", "messages.jsonl"], tmp_path)

    assert states == '{"id": 1}\n'
    assert (tmp_path / "warehouse.db").exists()
