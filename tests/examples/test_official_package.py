"""Every example, run by fivetran-connector-sdk 2.13.1 itself: the file that runs here runs there, unchanged."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from headwater.testing import ReplayServer
from tests.examples.command import write_configuration
from tests.examples.example import OPERATIONS, Example, find_examples
from tests.examples.rehearsal import NOT_COPIED, filled_in, places
from tests.examples.stand_ins import StandIns
from tests.mit_sdk.stream import EnvironmentUnavailable, stream

# What `fivetran debug` sets for a connector.
DEBUG = {
    "FIVETRAN_DEPLOYMENT_MODEL": "local_debug",
    "FIVETRAN_CONNECTION_ID": "test_connection_id",
    "FIVETRAN_CONNECTION_NAME": "test_connection_name",
}


@pytest.mark.slow
@pytest.mark.parametrize("example", find_examples(), ids=lambda example: example.name)
def test_first_sync_is_the_same_in_the_official_package(
    example: Example, tmp_path: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    if example.missing:
        pytest.skip(f"{example.name} needs {', '.join(example.missing)}, which is not installed")
    for name, value in {**DEBUG, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    project, first = tmp_path / "project", example.syncs[0]
    shutil.copytree(example.folder, project, ignore=NOT_COPIED)
    sources = stand_ins.of(example.needs)
    with ReplayServer(first.replay) if first.replay else nullcontext() as server:
        write_configuration(project, filled_in(example.configuration, places(server, sources)))
        bring_back = [source.remembered() for source in sources]
        for source in sources:
            source.hold(first.seeds)
        try:
            operations = stream(project)
        except EnvironmentUnavailable as reason:
            pytest.skip(f"cannot run fivetran-connector-sdk 2.13.1: {reason}")
        finally:
            for back in bring_back:
                back()
    counts = Counter(f"{operation['op']}s" for operation in operations)
    failures = [operation["message"] for operation in operations if operation["op"] == "failure"]

    assert {name: counts[name] for name in OPERATIONS} == first.writes, failures
    assert bool(failures) == bool(first.exit_code), failures
