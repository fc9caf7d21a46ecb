"""Mistakes put into the product on purpose: the matrix must notice each of them, or it could not fail."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest

from tests.faults.killing import PAGE_2_LOADED, PAGE_2_PRINTED, Step
from tests.faults.long_segments import SHORTENED
from tests.faults.matrix import DUCKDB, POSTGRES
from tests.faults.neighbours import zombie
from tests.faults.shops import Shops
from tests.faults.warehouses import Disagreement


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake, and what it does to a sync that is killed after its Nth commit: where rows and state lie apart."""

    name: str
    kind: str
    commit: int
    said: str


MUTANTS = (
    Mutant("state after rows, duckdb", DUCKDB, 4, "appended: too many 3 rows"),
    Mutant("state after rows, postgres", POSTGRES, 5, "appended: too many 3 rows"),
    Mutant("state before rows, duckdb", DUCKDB, 4, "appended: lost 3 rows"),
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_state_in_a_second_transaction_is_noticed(mutant: Mutant, shops: Shops) -> None:
    shop = shops(mutant.kind)
    step = Step("one of two commits has taken place", "after", "DESTINATION._end", mutant.commit)
    shop.run(fault=step.fault(shop, signal.SIGKILL) | {"mutant": mutant.name}).require(-signal.SIGKILL)

    with pytest.raises(Disagreement, match=mutant.said):
        shop.require_one_checkpoint()
    with pytest.raises(Disagreement, match=mutant.said):
        shop.require_undisturbed()


@pytest.mark.slow
def test_a_copy_that_takes_the_name_before_the_state_is_in_it_is_noticed(shops: Shops) -> None:
    shop = shops(DUCKDB)
    mistake = {"set": SHORTENED, "mutant": "copy before state, duckdb"}
    shop.run(fault=PAGE_2_LOADED.fault(shop, signal.SIGKILL) | mistake).require(-signal.SIGKILL)

    with pytest.raises(Disagreement, match="appended: too many 3 rows"):
        shop.require_one_checkpoint()


@pytest.mark.slow
def test_a_missing_fence_is_noticed(shops: Shops) -> None:
    with pytest.raises(Disagreement, match="appended: too many 3 rows"):
        zombie(PAGE_2_PRINTED, shops(POSTGRES), mutant="no fence, postgres")
