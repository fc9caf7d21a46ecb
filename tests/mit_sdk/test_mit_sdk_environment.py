"""The environment of the MIT package: built from a closed list, and refused if anything else got in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mit_sdk import stream


def test_the_requirements_name_2_13_1_and_no_other_package_of_fivetran_s_sdk() -> None:
    lines = stream.REQUIREMENTS.read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]

    assert [pin for pin in pins if pin.startswith("fivetran")] == ["fivetran-connector-sdk==2.13.1"]
    assert [pin for pin in pins if "==" not in pin] == []


def test_a_forbidden_package_stops_every_use_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("fivetran_connector_sdk-2.13.1", "fivetran_connector_sdk_core-1.0.0"):
        (site / f"{name}.dist-info").mkdir(parents=True)
    wanted = stream.requirements_digest()
    (tmp_path / "built-from").write_text(wanted)
    monkeypatch.setattr(stream, "ENVIRONMENT", tmp_path)

    with pytest.raises(stream.ForbiddenPackage, match=r"fivetran_connector_sdk_core-1\.0\.0"):
        stream.python()


def test_an_environment_that_cannot_be_built_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "requirements.txt"
    missing.write_text("no-such-package-of-headwater @ file:///nowhere/at/all.whl\n")
    monkeypatch.setattr(stream, "ENVIRONMENT", tmp_path / "mit_sdk")
    monkeypatch.setattr(stream, "REQUIREMENTS", missing)

    with pytest.raises(stream.EnvironmentUnavailable, match=r"(?s)`uv pip install .*all\.whl"):
        stream.python()
