"""What authors call, under fivetran-connector-sdk 2.13.1 and under headwater: same value, exception and message."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from headwater.compat import fivetran
from headwater.connector import Connector
from headwater.project import Project
from headwater.testing import run_connector
from tests.compat.source_client import served
from tests.mit_sdk.conftest import CONNECTORS
from tests.mit_sdk.connectors.calls.calls import CALLS
from tests.mit_sdk.stream import Operation
from tests.sync.conftest import kind_of_cells as kind_of_cells  # the fixture

Call = tuple[str, str]

# What Python or protobuf says of a wrong value there; here it is named with its place.
SAID_BETTER: dict[Call, str] = {
    ("A-33", "op.upsert('t', None)"): "AttributeError: t: the data of a row must be a dict, got NoneType",
    ("A-33", "op.upsert('t', [{'id': 1}])"): "AttributeError: t: the data of a row must be a dict, got list",
    ("A-33", "op.update('k', None)"): "AttributeError: k: the data of a row must be a dict, got NoneType",
    ("A-33", "op.delete('k', [1])"): "AttributeError: k: the data of a row must be a dict, got list",
    ("A-33", "op.upsert('t', {1: 2})"): "TypeError: t: a column name must be a string, got int: 1",
    ("A-33", "op.upsert('t', {'id': 1, None: 2})"): "TypeError: t: a column name must be a string, got NoneType: None",
    ("A-101", "TextField(1, 'l')"): "TypeError: TextField 1: name must be a string, not 1",
    ("A-101", "TextField('n', 2)"): "TypeError: TextField n: label must be a string, not 2",
    ("A-101", "TextField('n', 'l', description=1)"): "TypeError: TextField n: description must be a string, not 1",
    ("A-101", "ToggleField('n', 'l', required='no')"):
        "TypeError: ToggleField n: required must be True or False, not 'no'",
    ("A-102", "Test.failure(ValueError('m'))"): "TypeError: Test.failure() takes text, got ValueError",
}  # fmt: skip

# What is otherwise on purpose.
OTHERWISE: dict[Call, str] = {
    # The documentation asks for a JSON object, and the next sync is given one.
    ("A-36", "op.checkpoint([1])"): "TypeError: the state must be a dict, not list",
    # There it fails over an attribute of what it was given.
    ("A-101", "DropdownField('n', 'l', fields=['a'])"):
        "TypeError: DropdownField n: fields must hold DropdownFieldParam(",
}  # fmt: skip


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    """The same connector, imported as headwater does, and forgotten again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    known = set(sys.modules)
    fivetran.install()
    yield Project(CONNECTORS / "calls").load_connector()
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.usefixtures("kind_of_cells")
def test_each_call_gives_or_raises_what_it_does_there(
    mit_stream: Callable[..., list[Operation]], connector: Connector
) -> None:
    theirs = answers(mit_stream("calls"))
    run = run_connector(connector)
    ours = {(str(row["rule"]), str(row["call"])): str(row["answer"]) for row in run.rows("answers")}
    otherwise = {call: answer for call, answer in ours.items() if not theirs[call].startswith(answer)}

    assert run.result.error is None
    assert set(theirs) == set(ours) == set(CALLS)
    assert otherwise.keys() == SAID_BETTER.keys() | OTHERWISE.keys()
    assert [call for call, said in (SAID_BETTER | OTHERWISE).items() if not ours[call].startswith(said)] == []
    assert [call for call in SAID_BETTER if kind(ours[call]) != kind(theirs[call])] == []


def test_each_call_gives_or_raises_it_too_when_a_client_has_called_the_connector(
    mit_stream: Callable[..., list[Operation]], connector: Connector
) -> None:
    theirs = answers(mit_stream("calls"))
    with served(connector) as client:
        ours = answers(mit_stream("calls", server=client.address))
    otherwise = {call for call, answer in ours.items() if not theirs[call].startswith(answer)}

    assert set(ours) == set(CALLS)
    assert otherwise - SAID_BETTER.keys() == OTHERWISE.keys()


def answers(operations: list[Operation]) -> dict[Call, str]:
    rows = [each["data"] for each in operations if each.get("table") == "answers"]
    return {(row["rule"][1], row["call"][1]): row["answer"][1] for row in rows}


def kind(answer: str) -> str:
    return answer.partition(":")[0]
