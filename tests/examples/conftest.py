"""The option that rewrites `expected/`, and the connection between the parametrised tests and the examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.command import Interpreters
from tests.examples.example import Example
from tests.examples.rehearsal import Rehearsal, rehearsed
from tests.examples.stand_ins import StandIns


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-expected",
        action="store_true",
        help="write what the examples leave into their expected/ folders; read the difference before committing",
    )


@pytest.fixture(scope="session")
def stand_ins() -> Iterator[StandIns]:
    with StandIns() as stand_ins:
        yield stand_ins


@pytest.fixture(scope="session")
def interpreters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interpreters]:
    with Interpreters(tmp_path_factory.mktemp("not_installed")) as interpreters:
        yield interpreters


@pytest.fixture(scope="module")
def rehearsal(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    interpreters: Interpreters,
    stand_ins: StandIns,
) -> Iterator[Rehearsal]:
    """The undisturbed syncs of one example, run once for all tests of it."""
    example: Example = request.param
    if example.missing:
        pytest.skip(f"{example.name} needs {', '.join(example.missing)}, which is not installed")
    folder: Path = tmp_path_factory.mktemp(example.folder.name)
    with rehearsed(example, folder, interpreters, stand_ins.of(example.needs)) as rehearsal:
        yield rehearsal
