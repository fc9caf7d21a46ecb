"""What is shown of a run: tables, on the terminal and in Markdown."""

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

Cells = Sequence[Sequence[str]]


def tell(text: str) -> None:
    """Say how far a run has come, beside the output proper."""
    print(text, file=sys.stderr, flush=True)


def print_tables(measured: Cells, promised: Cells) -> None:
    # Without a terminal rich would fold the tables into 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(_table(MEASURED, measured))
    if promised:
        console.print(_table(PROMISED, promised))


def _table(names: Sequence[str], cells: Cells) -> Table:
    table = Table()
    for position, name in enumerate(names):
        table.add_column(name, justify="right" if position else "left")
    for row in cells:
        table.add_row(*row)
    return table


def markdown_table(names: Sequence[str], cells: Cells) -> str:
    """
    >>> print(markdown_table(("what", "how many"), [["a|b", "1"]]))
    | what | how many |
    |---|--:|
    | a\\|b | 1 |
    """
    lines = [names, *cells]
    first, *rest = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n".join([first, "|---|" + "--:|" * (len(names) - 1), *rest])


def measured_cells(measurements: Sequence[Measurement], samples: Samples) -> list[list[str]]:
    """Give the cells of the table of everything that was measured, under the names in MEASURED."""
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
    """
    >>> promised_cells([Verdict("a beside b", "at most 2 x", 1.5, 1.25, 2.25, kept=True)])
    [['a beside b', 'at most 2 x', '1.50', '1.25 to 2.25', 'yes']]
    """
    return [
        [
            verdict.title,
            verdict.promise,
            _number(verdict.value),
            f"{_number(verdict.low)} to {_number(verdict.high)}",
            {True: "yes", False: "NO", None: ""}[verdict.kept],
        ]
        for verdict in judged
    ]


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < 20 else f"{value:,.0f}"
