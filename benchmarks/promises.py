"""What headwater promises about its speed: ratios of two things measured in one run, never absolute times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.sample import Sample

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a promise came out.

    value       of the medians
    low, high   of the single rounds
    kept        None where nothing is promised
    """

    title: str
    promise: str
    value: float
    low: float
    high: float
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """The time a row of `over` takes, divided by the time a row of `under` takes.

    under          measurements whose times are added up
    whole_process  take the time of the process of `over`, instead of the part that is compared
    """

    title: str
    over: str
    under: tuple[str, ...]
    at_most: float | None = None
    at_least: float | None = None
    whole_process: bool = False

    @property
    def promise(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:g} x"
        return f"at least {self.at_least:g} x" if self.at_least is not None else "for information"

    def verdict(self, samples: Samples) -> Verdict | None:
        """Compare the medians; None when a part of the ratio was not measured.

        >>> def took(*seconds): return [Sample(1000, each, each, 80) for each in seconds]
        >>> samples = {"a": took(5, 6, 9), "b": took(2, 1, 2), "c": took(1, 1, 1)}
        >>> Ratio("a beside b and c", "a", ("b", "c"), at_most=2).verdict(samples)
        Verdict(title='a beside b and c', promise='at most 2 x', value=2.0, low=1.6666666666666667, high=3.0, kept=True)
        """
        if not all(name in samples for name in (self.over, *self.under)):
            return None
        over = [self._cost(sample) for sample in samples[self.over]]
        under = [[sample.microseconds_a_row for sample in samples[name]] for name in self.under]
        value = median(over) / sum(median(costs) for costs in under)
        rounds = [cost / sum(costs) for cost, *costs in zip(over, *under, strict=False)]
        return Verdict(self.title, self.promise, value, min(rounds), max(rounds), self._kept(value))

    def _cost(self, sample: Sample) -> float:
        return sample.process_seconds / sample.rows * 1e6 if self.whole_process else sample.microseconds_a_row

    def _kept(self, value: float) -> bool | None:
        if self.at_most is not None:
            return value <= self.at_most
        return value >= self.at_least if self.at_least is not None else None


@dataclass(frozen=True, slots=True)
class Memory:
    """The most memory a measurement may have resident, in MiB."""

    title: str
    of: str
    at_most_mb: float

    def verdict(self, samples: Samples) -> Verdict | None:
        """
        >>> Memory("all in one", "a", 1024).verdict({"a": [Sample(1000, 5, 6, 700), Sample(1000, 5, 6, 900)]})
        Verdict(title='all in one', promise='at most 1024 MiB', value=900, low=700, high=900, kept=True)
        """
        if self.of not in samples:
            return None
        peaks = [sample.peak_mb for sample in samples[self.of]]
        highest = max(peaks)
        promise = f"at most {self.at_most_mb:g} MiB"
        return Verdict(self.title, promise, highest, min(peaks), highest, highest <= self.at_most_mb)


FLOOR = ("loop", "insert")

PROMISES: tuple[Ratio | Memory, ...] = (
    Ratio("dict rows, beside the floor", "rows", FLOOR, at_most=2.0),
    Ratio("dict rows, the whole process, beside the floor", "rows", FLOOR, whole_process=True),
    Ratio("an Arrow table, beside DuckDB's INSERT of it", "arrow", ("insert",), at_most=1.3),
    Ratio("a checkpoint every 1,000 rows, beside every 100,000", "checkpoint_1000", ("rows",), at_most=3.0),
    Ratio("eight threads, beside one", "eight_threads", ("rows",), at_most=1.0),
    Ratio("eight threads in step, beside one", "in_step", ("rows",)),
    Ratio("changes into 10 million rows, beside 1 million", "changed_10m", ("changed_1m",), at_most=2.0),
    Memory("20 million rows with one checkpoint: resident memory", "one_checkpoint", 1024),
    Ratio("dlt with its defaults, beside headwater", "dlt_rows", ("rows",), at_least=80),
    Ratio("dlt's best row path, beside headwater", "dlt_pages", ("rows",), at_least=10),
    Ratio("a singer-sdk tap into target-duckdb, beside headwater", "singer", ("rows",), at_least=15),
    Ratio("the stream of Fivetran's SDK 2.13.1, thrown away, beside headwater", "mit_sdk", ("rows",), at_least=15),
)


def verdicts(samples: Samples) -> list[Verdict]:
    """Judge every promise whose parts were all measured."""
    found = (promise.verdict(samples) for promise in PROMISES)
    return [verdict for verdict in found if verdict is not None]
