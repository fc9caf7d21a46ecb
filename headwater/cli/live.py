"""What a terminal shows while a sync runs: one line per table, log lines above it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from headwater.log import printable, redact
from headwater.memory import memory_mb
from headwater.sync import Progress

# Over how long the rate is taken, in seconds.
WINDOW_SECONDS = 5.0


@dataclass(slots=True)
class _Rate:
    """Rows per second of one table, lately; also when it last grew."""

    samples: deque[tuple[float, int]] = field(default_factory=deque)
    grew: float = 0.0

    def add(self, now: float, rows: int) -> None:
        if not self.samples or rows > self.samples[-1][1]:
            self.grew = now
        self.samples.append((now, rows))
        while now - self.samples[0][0] > WINDOW_SECONDS:
            self.samples.popleft()

    def per_second(self) -> float:
        (first, before), (last, after) = self.samples[0], self.samples[-1]
        return (after - before) / (last - first) if last > first else 0.0


class LiveTables:
    """A region at the bottom of a terminal that is drawn again and again.

    clock  seconds, monotonic
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream, markup=False, highlight=False, emoji=False)
        # The redirects of rich are off: what a connector prints has come through `AuthorOutput`.
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._clock = clock
        self._rates: dict[str, _Rate] = {}
        self._live.start()

    def print(self, text: str) -> None:
        """Print lines above the region."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, progress: Progress) -> None:
        """Draw where the sync stands."""
        now = self._clock()
        for table, rows in dict(progress.rows).items():
            self._rates.setdefault(table, _Rate(deque([(progress.started, 0)]))).add(now, rows)
        self._live.update(self._drawn(progress, now), refresh=True)

    def stop(self) -> None:
        """Leave the last drawing where it is, and the terminal as it was."""
        self._live.stop()

    def _drawn(self, progress: Progress, now: float) -> Table:
        drawn = Table(box=None, pad_edge=False, show_header=False)
        drawn.add_column(no_wrap=True, overflow="ellipsis")
        drawn.add_column(justify="right", no_wrap=True)
        drawn.add_column(justify="right", no_wrap=True)
        room = max(1, self._console.height - 4)
        newest = sorted(self._rates.items(), key=lambda item: item[1].grew, reverse=True)
        for table, rate in newest[:room]:
            drawn.add_row(
                Text(printable(redact(table))),
                f"{rate.samples[-1][1]:,} rows",
                f"{rate.per_second():,.0f} rows/s",
            )
        if len(newest) > room:
            drawn.add_row(f"and {len(newest) - room} more tables", "", "")
        checkpoint = progress.last_commit
        ago = "no checkpoint yet" if checkpoint is None else f"last checkpoint {now - checkpoint:.0f} s ago"
        drawn.add_row(ago, f"{now - progress.started:.0f} s", f"{memory_mb():,.0f} MB")
        return drawn
