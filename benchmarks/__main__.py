"""Measure headwater's speed beside DuckDB itself and beside other tools, in one run.

Without names everything is measured, at full size; that run writes benchmarks/results/<date>.json and the numbers
of docs/design/speed.md. A part, or another size, is only printed.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import report
from benchmarks.measurements import MEASUREMENTS, MILLION
from benchmarks.promises import verdicts
from benchmarks.rounds import run_rounds


def main() -> None:
    arguments = _arguments()
    by_name = {measurement.name: measurement for measurement in MEASUREMENTS}
    chosen = [by_name[name] for name in dict.fromkeys(arguments.names or by_name)]
    samples = run_rounds(chosen, scale=arguments.rows / MILLION, rounds=arguments.repeat, tell=report.tell)
    judged = verdicts(samples)
    report.print_tables(chosen, samples, judged)
    whole = not arguments.names and arguments.rows == MILLION
    if arguments.save if arguments.save is not None else whole:
        report.save(chosen, samples, judged)
    if arguments.check and any(verdict.kept is False for verdict in judged):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    names = [measurement.name for measurement in MEASUREMENTS]
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(names)}")
    parser.add_argument("--rows", type=_positive, default=MILLION, help="instead of 1,000,000; all sizes follow")
    parser.add_argument("--repeat", type=_positive, default=5, help="how many rounds")
    parser.add_argument("--save", action=argparse.BooleanOptionalAction, help="write the results and the page, or not")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a promise is broken")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in names:
            parser.error(f"there is no measurement {name!r}; there are: {', '.join(names)}")
    return arguments


def _positive(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    main()
