"""Every row of the fault matrix, played on the real command and a real destination."""

from __future__ import annotations

import pytest

from docs.build import ROOT
from tests.faults.elsewhere import ELSEWHERE, Elsewhere
from tests.faults.matrix import LONG, Fault, matrix
from tests.faults.results import Record, read_results
from tests.faults.shops import Shops

ROWS = matrix()
CASES = [(row, kind) for row in ROWS.values() for kind in row.played()]


@pytest.mark.slow
@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize(("row", "kind"), CASES, ids=[f"{row.id}-{kind}" for row, kind in CASES])
def test_what_is_expected_after_a_fault_holds(row: Fault, kind: str, shops: Shops, record: Record) -> None:
    shop = shops(kind)
    record.begins(row.id, kind)
    row.play(shop)
    record.held(row.id, kind, shop.trials)


def test_the_page_shows_a_result_for_every_row() -> None:
    seen = {(row, kind) for row, held in read_results().items() for kind, trials in held.items() if trials}
    expected = {(row.id, kind) for row in ROWS.values() for kind in row.destinations}

    assert seen == expected, "play the matrix with HEADWATER_FAULTS_WRITE=1: CONTRIBUTING.md"


@pytest.mark.parametrize("row", ELSEWHERE, ids=lambda row: f"{row.id} {row.what}")
def test_a_row_that_other_tests_hold_names_tests_that_are_there(row: Elsewhere) -> None:
    missing = [
        f"{file}::{name}"
        for file, names in row.tests.items()
        for name in names
        if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]

    assert missing == []
