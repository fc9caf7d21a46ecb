"""The numbers of the benchmarks: ratios, verdicts, tables, the page."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from benchmarks import promises, report, results_page
from benchmarks.measurements import MEASUREMENTS, Measurement
from benchmarks.promises import Memory, Ratio, Verdict
from benchmarks.rounds import run_rounds
from benchmarks.rows import JSON_TYPES, KEY, arrow_table, rows
from benchmarks.sample import Sample


def took(*seconds: float, rows: int = 1000) -> list[Sample]:
    return [Sample(rows, each, each + 1, 80) for each in seconds]


@pytest.mark.parametrize(
    ("ratio",                                        "kept"),
    [
        (Ratio("", "a", ("b",), at_most=2.0),        True),
        (Ratio("", "a", ("b",), at_most=1.99),       False),
        (Ratio("", "a", ("b",), at_least=2.0),       True),
        (Ratio("", "a", ("b",), at_least=2.01),      False),
        (Ratio("", "a", ("b",)),                     None),
    ],
)  # fmt: skip
def test_a_promise_is_kept_up_to_its_limit(ratio: Ratio, kept: bool | None) -> None:
    verdict = ratio.verdict({"a": took(4.0), "b": took(2.0)})

    assert verdict is not None
    assert (verdict.value, verdict.kept) == (2.0, kept)


def test_each_round_has_an_order_of_its_own_and_the_same_in_each_run() -> None:
    came: list[str] = []

    def measured(name: str) -> Measurement:
        def run(folder: Path, shared: Path, rows: int) -> Sample:
            came.append(name)
            return took(1, rows=rows)[0]

        return Measurement(name, name, 10, run)

    measurements = [measured(name) for name in "abcdefgh"]
    for _ in range(2):
        run_rounds(measurements, scale=1, rounds=2, tell=lambda text: None)

    first, second, *again = ("".join(came[start : start + 8]) for start in range(0, 32, 8))
    assert (sorted(first), sorted(second)) == (list("abcdefgh"), list("abcdefgh"))
    assert first != second
    assert again == [first, second]


def test_a_ratio_compares_medians_and_shows_the_rounds_they_hide() -> None:
    samples = {"slow": took(6, 60, 8), "one": took(1, 10, 1), "other": took(3, 5, 1)}

    verdict = Ratio("slow beside both", "slow", ("one", "other"), at_most=2).verdict(samples)

    assert verdict == Verdict("slow beside both", "at most 2 x", 8 / (1 + 3), 6 / 4, 8 / 2, kept=True)


def test_a_ratio_compares_the_time_of_a_row_whatever_the_number_of_rows() -> None:
    samples = {"peer": took(10, rows=100), "own": took(5, rows=1000)}

    verdict = Ratio("", "peer", ("own",), at_least=10).verdict(samples)

    assert verdict is not None
    assert verdict.value == pytest.approx(20)


def test_the_whole_process_is_compared_where_that_is_asked_for() -> None:
    verdict = Ratio("", "a", ("b",), whole_process=True).verdict({"a": took(3), "b": took(2)})

    assert verdict is not None
    assert verdict.value == pytest.approx((3 + 1) / 2)


def test_nothing_is_judged_of_which_a_part_was_not_measured() -> None:
    assert promises.verdicts({"loop": took(1), "rows": took(1)}) == []


def test_memory_is_judged_by_its_highest_peak() -> None:
    peaks = [Sample(1, 1, 1, peak_mb) for peak_mb in (900, 1100, 800)]

    assert Memory("m", "a", 1024).verdict({"a": peaks}) == Verdict("m", "at most 1024 MiB", 1100, 800, 1100, kept=False)


def test_every_promise_is_about_things_that_are_measured() -> None:
    measured = {measurement.name for measurement in MEASUREMENTS}
    named = {
        name
        for promise in promises.PROMISES
        for name in ([promise.of] if isinstance(promise, Memory) else [promise.over, *promise.under])
    }

    assert named == measured


def test_the_rows_are_the_same_as_dicts_and_as_arrow() -> None:
    columns, *_ = {tuple(row) for row in rows(250)}

    assert columns == tuple(JSON_TYPES)
    assert arrow_table(250).to_pylist() == list(rows(250))
    assert len({row[KEY] for row in rows(250)}) == 250


def test_a_page_without_markers_is_refused() -> None:
    for page in ("no marker", results_page.BEGIN, f"{results_page.END} before {results_page.BEGIN}"):
        with pytest.raises(results_page.PageHasNoMarkers):
            results_page.between_markers(page, "numbers")


def test_the_page_has_its_markers() -> None:
    page = results_page.PAGE.read_text(encoding="utf-8")
    page_without = results_page.between_markers(page, "")

    assert results_page.between_markers(page, "numbers").count("numbers") == page_without.count("numbers") + 1


def test_tables_have_a_cell_under_every_name() -> None:
    measured = report.measured_cells(MEASUREMENTS[:2], {"loop": took(1), "insert": took(1, 2)})
    promised = report.promised_cells([Verdict("a", "at most 2 x", 1, 1, 1, kept=None)])

    assert [len(cells) for cells in measured] == [len(report.MEASURED)] * 2
    assert [len(cells) for cells in promised] == [len(report.PROMISED)]


@pytest.mark.parametrize(
    "module", ["__main__", "picture", "process", "promises", "report", "results_page", "rows", "sample"]
)
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"benchmarks.{module}"))

    assert (found.failed, found.attempted > 0) == (0, True)
