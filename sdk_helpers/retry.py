"""Call again after a failure, and not too often: backoff with jitter, and a rate limit that threads share.

Needs no sibling module. In a connector.py:

    from sdk_helpers.retry import Backoff, RateLimit, retry

    slow_down = RateLimit(10, per_seconds=1)

    @retry(on=ConnectionError, backoff=Backoff(attempts=8))
    def fetch(day):
        slow_down.wait()
        return warehouse.query("...", day)
"""

import functools
import inspect
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")
Exceptions = type[Exception] | tuple[type[Exception], ...]

logger = logging.getLogger(__name__)


def always(error: Exception) -> bool:
    return True


@dataclass(frozen=True)
class Backoff:
    """How often to try, and how long to wait between two tries.

    attempts              calls in all, the first included
    first_wait_seconds    the longest wait after the first failure; doubled after each further one
    longest_wait_seconds  where the doubling ends
    total_seconds         no new try starts later than this after the first one
    jitter                pass `random.Random(seed)` to repeat a run

    Each wait lies between half of its maximum and all of it, so that many clients do not come back together.
    An error with an attribute `retry_after_seconds` (a number, or None) says itself how long to wait: that is
    obeyed, and where it does not fit into `total_seconds` the error is raised at once.
    """

    attempts: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    total_seconds: float = 900.0
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    jitter: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"Backoff: attempts is {self.attempts}, but the first call counts: at least 1")
        for name in ("first_wait_seconds", "longest_wait_seconds", "total_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"Backoff: {name} is {getattr(self, name)}, but time only goes forward")

    def wait_seconds(self, failures: int, error: Exception) -> float:
        """How long to wait after the `failures`-th failure (1 or more) in a row."""
        demanded = getattr(error, "retry_after_seconds", None)
        # The doubling stops long before a float overflows.
        wait = min(self.first_wait_seconds * 2 ** min(failures - 1, 60), self.longest_wait_seconds)
        if not demanded:  # 0 is what servers make of half a second
            return self.jitter.uniform(wait / 2, wait)
        # Never earlier than demanded; a little later, so that not all who were told the same come at once.
        return float(demanded) + self.jitter.uniform(0, min(wait, demanded) / 10)

    def call(
        self,
        function: Callable[[], Result],
        *,
        on: Exceptions,
        when: Callable[[Exception], bool] = always,
    ) -> Result:
        """Call `function` until it returns, or until trying again is not allowed any more.

        on    the exceptions that are worth another try; every other one is raised at once
        when  looks closer at such an exception: False raises it at once

        The last exception is raised as it came, with a note of how often was tried.
        """
        started = self.clock()
        failures = 0
        while True:
            try:
                return function()
            except on as error:
                failures += 1
                if not when(error):
                    raise
                wait = self.wait_seconds(failures, error)
                spent = self.clock() - started
                if failures >= self.attempts or spent + wait > self.total_seconds:
                    error.add_note(f"Given up after {failures} of {self.attempts} attempts in {spent:.1f} s.")
                    raise
                # The name only: the text of a stranger's exception may hold a secret.
                logger.warning("%s: attempt %d failed, again in %.1f s", type(error).__name__, failures, wait)
            self.sleep(wait)


def retry(
    *,
    on: Exceptions,
    when: Callable[[Exception], bool] = always,
    backoff: Backoff | None = None,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a function so that it is called again when it raises one of `on`; see `Backoff.call`.

    A generator function is refused: calling it runs none of its body, so nothing would ever be tried again.

    >>> answers = iter([ConnectionError("reset"), "rows"])
    >>> @retry(on=ConnectionError, backoff=Backoff(sleep=lambda seconds: None))
    ... def fetch():
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return answer
    >>> fetch()
    'rows'
    """
    chosen = backoff or Backoff()

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"retry: {function.__name__} is a generator or a coroutine, whose body runs after the call.\n"
                "Decorate the function that fetches one page, and call it in the loop."
            )

        @functools.wraps(function)
        def retried(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            return chosen.call(lambda: function(*args, **kwargs), on=on, when=when)

        return retried

    return decorate


class RateLimit:
    """At most `calls` starts in any stretch of `per_seconds`, over all threads that share this object.

    calls  None sets no limit by count: then only `pause` holds callers back

    One object in one process. Several processes need a share each.
    """

    def __init__(
        self,
        calls: int | None,
        *,
        per_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if calls is not None and calls < 1:
            raise ValueError(f"RateLimit: calls is {calls}, so nothing could ever start: at least 1, or None")
        if not per_seconds > 0:
            raise ValueError(f"RateLimit: per_seconds is {per_seconds}: it must be more than 0")
        self._calls = calls
        self._per_seconds = per_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._starts: deque[float] = deque(maxlen=calls or 0)
        self._closed_until = float("-inf")

    def wait(self) -> None:
        """Return when the next call may start, and count it."""
        while True:
            with self._lock:
                now = self._clock()
                opens = self._closed_until
                if self._calls is not None and len(self._starts) == self._calls:
                    opens = max(opens, self._starts[0] + self._per_seconds)
                if opens <= now:
                    self._starts.append(now)
                    return
            # Outside the lock; afterwards look again, for another thread may have been faster.
            self._sleep(opens - now)

    def pause(self, seconds: float) -> None:
        """Let no call start for `seconds` from now; a shorter pause never ends a longer one."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)
