"""Rounds: every measurement once, then every measurement again, so that a slow minute slows them all.

Each round has an order of its own: a machine is slower after some seconds of hard work, and what always came after the
same measurement would always be the slower one.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measurements import Measurement
from benchmarks.process import ROOT
from benchmarks.sample import Sample


def run_rounds(
    measurements: Sequence[Measurement],
    *,
    scale: float,
    rounds: int,
    tell: Callable[[str], None],
) -> dict[str, list[Sample]]:
    """Give each measurement's samples, one per round.

    scale  part of the full size: 0.1 for a tenth of the rows
    tell   told what is going on
    """
    samples: dict[str, list[Sample]] = {measurement.name: [] for measurement in measurements}
    with _workspace() as workspace:
        shared = workspace / "shared"
        shared.mkdir()
        for measurement in measurements:
            tell(f"preparing {measurement.name}")
            measurement.prepare(shared, scaled(measurement, scale))
        for number in range(1, rounds + 1):
            for measurement in _order(measurements, number):
                if measurement.once and number > 1:
                    continue
                folder = workspace / f"{measurement.name}_{number}"
                folder.mkdir()
                sample = measurement.run(folder, shared, scaled(measurement, scale))
                shutil.rmtree(folder)
                samples[measurement.name].append(sample)
                tell(f"round {number} of {rounds}: {measurement.name} {sample.seconds:.3f} s")
    return samples


def _order(measurements: Sequence[Measurement], number: int) -> Sequence[Measurement]:
    """Give the order of a round, the same in each run."""
    return random.Random(number).sample(measurements, len(measurements))


def scaled(measurement: Measurement, scale: float) -> int:
    """How many rows a measurement gets, at least 1."""
    return max(1, round(measurement.rows * scale))


@contextmanager
def _workspace() -> Iterator[Path]:
    """Make a folder on the disk of the project: /tmp is memory on some machines, and there fsync costs nothing."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench_", dir=build) as folder:
        yield Path(folder)
