"""What one run of one measurement gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One run.

    rows             how many rows went through
    seconds          the part of its time that is compared; docs/design/speed.md says which part that is
    process_seconds  the whole process, from its start to its end
    peak_mb          the most memory it had resident, in MiB
    """

    rows: int
    seconds: float
    process_seconds: float
    peak_mb: float

    @property
    def microseconds_a_row(self) -> float:
        """
        >>> Sample(rows=1000, seconds=0.5, process_seconds=0.7, peak_mb=80).microseconds_a_row
        500.0
        """
        return self.seconds / self.rows * 1e6
