"""Measure headwater's speed beside DuckDB itself and beside other tools, in one run.

Without names everything is measured, at full size; that run writes benchmarks/results/<date>.json and the numbers
of docs/design/speed.md. A part, or another size, is only printed.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import report
from benchmarks.environment import EnvironmentUnavailable
from benchmarks.measurements import MEASUREMENTS, MILLION
from benchmarks.process import MeasurementFailed
from benchmarks.promises import verdicts
from benchmarks.results_page import save
from benchmarks.rounds import run_rounds


def main() -> None:
    """Measure, print, save; exits 1 when a measurement fails, or with --check when a promise is broken."""
    arguments = _arguments()
    by_name = {measurement.name: measurement for measurement in MEASUREMENTS}
    chosen = [by_name[name] for name in dict.fromkeys(arguments.names or by_name)]
    try:
        samples = run_rounds(chosen, scale=arguments.rows / MILLION, rounds=arguments.repeat, tell=report.tell)
    except (EnvironmentUnavailable, MeasurementFailed) as error:
        sys.exit(str(error))
    judged = verdicts(samples)
    measured, promised = report.measured_cells(chosen, samples), report.promised_cells(judged)
    report.print_tables(measured, promised)
    if arguments.rows != MILLION:
        report.tell(f"The promises are about full size; this was {arguments.rows / MILLION:.2%} of it.")
    if arguments.save if arguments.save is not None else _is_whole(arguments):
        report.tell(f"written: {save(samples, judged, measured=measured, promised=promised)}")
    if arguments.check and any(verdict.kept is False for verdict in judged):
        sys.exit(1)


def _is_whole(arguments: argparse.Namespace) -> bool:
    return not arguments.names and arguments.rows == MILLION


def _arguments() -> argparse.Namespace:
    names = [measurement.name for measurement in MEASUREMENTS]
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(names)}")
    parser.add_argument("--rows", type=_positive, default=MILLION, help="instead of 1,000,000; all sizes follow")
    parser.add_argument("--repeat", type=_positive, default=5, help="how many rounds; 5 when left out")
    parser.add_argument(
        "--save", action=argparse.BooleanOptionalAction, help="write the results and the page, or do not"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a promise is broken")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    return arguments


def _positive(text: str) -> int:
    """
    >>> _positive("100,000")
    100000
    """
    number = int(text.replace(",", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    main()
