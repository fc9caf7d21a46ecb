"""Our server and that of fivetran-connector-sdk 2.13.1, both called by the client of that package."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.compat import fivetran
from headwater.connector import Connector
from headwater.project import Project
from tests.compat.source_client import served
from tests.mit_sdk.stream import EnvironmentUnavailable, Operation, python, stream

CONNECTORS = Path(__file__).parents[1] / "mit_sdk" / "connectors"


@pytest.fixture(autouse=True)
def mit_environment() -> None:
    try:
        python()
    except EnvironmentUnavailable as reason:
        pytest.skip(f"cannot compare with fivetran-connector-sdk 2.13.1: {reason}")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a connector as headwater does, and forget it again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    known = set(sys.modules)

    def project(name: str) -> Connector:
        fivetran.install()
        return Project(CONNECTORS / name).load_connector()

    yield project
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["values", "protocol"])
def test_the_stream_is_that_of_2_13_1(load: Any, name: str) -> None:
    theirs = stream(CONNECTORS / name)
    with served(load(name)) as client:
        ours = stream(CONNECTORS / name, server=client.address)

    assert theirs[1:] != []
    assert lines(ours) == lines(theirs)


def test_a_failing_update_streams_what_came_before_and_the_same_first_line(load: Any) -> None:
    theirs = stream(CONNECTORS / "operations", state={"fail": True})
    with served(load("operations")) as client:
        ours = stream(CONNECTORS / "operations", state={"fail": True}, server=client.address)

    assert lines(ours[:-1]) == lines(theirs[:-1])
    assert [first_line(theirs[-1]), first_line(ours[-1])] == [
        "Exception iterating responses: failed while executing update() error: the source is gone",
        "failed while executing update() error: the source is gone",
    ]


def first_line(failure: Operation) -> str:
    return str(failure["message"]).split("\n")[0]


def lines(operations: list[Operation]) -> list[str]:
    return [json.dumps(operation, sort_keys=True) for operation in operations]  # as text, in which NaN equals NaN
