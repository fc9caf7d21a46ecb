"""Keeps the results of a run: results/<date>.json, and the numbers and the picture of docs/design/speed.md."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.environment import peer_interpreter
from benchmarks.machine import commit, machine, versions
from benchmarks.process import ROOT, run
from benchmarks.promises import Samples, Verdict
from benchmarks.report import MEASURED, PROMISED, Cells, markdown_table

RESULTS = Path(__file__).with_name("results")
PAGE = ROOT / "docs" / "design" / "speed.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class PageHasNoMarkers(Exception):
    """The page does not say where the numbers go: it needs one line with each of the two markers."""


def save(samples: Samples, judged: Sequence[Verdict], *, measured: Cells, promised: Cells) -> Path:
    """Write the results of a run, and put them on the page.

    measured, promised  the cells of the two tables

    Errors: PageHasNoMarkers.
    """
    results = _results(samples, judged)
    file = RESULTS / f"{results['date'][:10]}.json"
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    picture = PAGE.with_suffix(".svg")
    run([peer_interpreter("picture"), "-m", "benchmarks.picture", file, picture])
    numbers = _numbers(results, file.name, picture.name, measured=measured, promised=promised)
    PAGE.write_text(between_markers(PAGE.read_text(encoding="utf-8"), numbers), encoding="utf-8")
    return file


def _results(samples: Samples, judged: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "samples": {name: [dataclasses.asdict(sample) for sample in each] for name, each in samples.items()},
        "verdicts": [dataclasses.asdict(verdict) for verdict in judged],
    }


def _numbers(results: dict[str, Any], file: str, picture: str, *, measured: Cells, promised: Cells) -> str:
    on = results["machine"]
    rounds = max(len(each) for each in results["samples"].values())
    using = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    where = (
        f"Measured on {results['date'][:10]} at commit {results['commit'] or 'unknown'}, in {rounds} rounds, on "
        f"{on['processor']} with {on['cores']} cores and {on['memory_mb'] / 1024:.0f} GiB ({on['system']}), "
        f"with Python {on['python']}, {using}. Every single run is in [{file}](../../benchmarks/results/{file})."
    )
    tables = [markdown_table(PROMISED, promised), markdown_table(MEASURED, measured)]
    return "\n\n".join([where, f"![Rows a second, by tool]({picture})", *tables])


def between_markers(page: str, numbers: str) -> str:
    """Replace what stands between the markers of a page.

    Errors: PageHasNoMarkers.

    >>> print(between_markers(f"text\\n{BEGIN}\\nold\\n{END}\\nmore", "new"))
    text
    <!-- measured: begin -->
    <BLANKLINE>
    new
    <BLANKLINE>
    <!-- measured: end -->
    more
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise PageHasNoMarkers(f"the page needs {BEGIN} and, after it, {END}")
    return f"{before}{begin}\n\n{numbers}\n\n{end}{after}"
