"""What a run of the benchmarks leaves: tables to look at, the numbers as JSON, and a page of the documentation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.measurements import Measurement
from benchmarks.promises import Samples, Verdict
from benchmarks.sample import Sample

MEASURED = ("measured", "rows", "seconds", "fastest to slowest", "rows a second", "process s", "peak MiB")
PROMISED = ("compared", "promised", "measured", "in single rounds", "kept")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_tables(measurements: Sequence[Measurement], samples: Samples, judged: Sequence[Verdict]) -> None:
    console = Console()
    console.print(_table(MEASURED, measured_cells(measurements, samples)))
    if judged:
        console.print(_table(PROMISED, promised_cells(judged)))


def _table(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    table = Table()
    for position, name in enumerate(names):
        table.add_column(name, justify="right" if position else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    return table


def measured_cells(measurements: Sequence[Measurement], samples: Samples) -> list[list[str]]:
    return [[measurement.title, *_numbers(samples[measurement.name])] for measurement in measurements]


def _numbers(samples: Sequence[Sample]) -> list[str]:
    """
    >>> _numbers([Sample(1000, 0.5, 0.75, 80), Sample(1000, 0.25, 0.5, 90)])
    ['1,000', '0.375', '0.250 to 0.500', '2,667', '0.6', '90']
    """
    seconds = [sample.seconds for sample in samples]
    return [
        f"{samples[0].rows:,}",
        f"{median(seconds):.3f}",
        f"{min(seconds):.3f} to {max(seconds):.3f}",
        f"{samples[0].rows / median(seconds):,.0f}",
        f"{median(sample.process_seconds for sample in samples):.1f}",
        f"{max(sample.peak_mb for sample in samples):.0f}",
    ]


def promised_cells(judged: Sequence[Verdict]) -> list[list[str]]:
    return [
        [
            verdict.title,
            verdict.promise,
            f"{verdict.value:.2f}",
            f"{verdict.low:.2f} to {verdict.high:.2f}",
            {True: "yes", False: "NO", None: ""}[verdict.kept],
        ]
        for verdict in judged
    ]
