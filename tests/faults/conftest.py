"""The projects that the fault matrix is played on, and what is taken down of it."""

# ruff: noqa: E402 - pytest explains the assertions of what is imported after it was told to

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.register_assert_rewrite(*(f"tests.faults.{path.stem}" for path in Path(__file__).parent.glob("[a-z]*.py")))

from tests.contract.postgres_driver import server as server  # the fixture
from tests.faults.results import Record
from tests.faults.shop import Shop
from tests.faults.shops import Shops, Undisturbed
from tests.faults.warehouses import Tables, require_same
from tests.faults.workload import PAGES


@pytest.fixture(scope="session")
def record() -> Iterator[Record]:
    made = Record()
    yield made
    made.write()


@pytest.fixture(scope="session")
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Give the tables after each page, from syncs that nothing disturbs: one for each page, and one for all."""
    known: dict[str, Sequence[Tables]] = {}

    def tables(kind: str) -> Sequence[Tables]:
        if kind not in known:
            with ExitStack() as stack:
                shops = Shops(tmp_path_factory.mktemp(f"undisturbed-{kind}"), request, stack, lambda _: ())
                known[kind] = _tables_after_each_page(shops(kind, "pages"))
                at_once = shops(kind, "at-once")
                at_once.run().require(0)
                require_same(at_once.warehouse.tables(), known[kind][PAGES])
        return known[kind]

    return tables


@pytest.fixture
def shops(request: pytest.FixtureRequest, tmp_path: Path, undisturbed: Undisturbed) -> Iterator[Shops]:
    with ExitStack() as stack:
        yield Shops(tmp_path, request, stack, undisturbed)


def _tables_after_each_page(shop: Shop) -> Sequence[Tables]:
    tables: list[Tables] = [{}]
    for page in range(1, PAGES + 1):
        shop.page(page)
        tables.append(shop.warehouse.tables())
    return tables
