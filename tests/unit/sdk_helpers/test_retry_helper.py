"""Retry and rate limit, on a clock that only sleeping moves."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sdk_helpers.retry import Backoff, RateLimit, retry
from tests.unit.sdk_helpers.loopback import Clock

SEED = 20261101


class Busy(Exception):
    def __init__(self, retry_after_seconds: float | None = None) -> None:
        super().__init__("busy")
        self.retry_after_seconds = retry_after_seconds


def backoff(clock: Clock, **options: Any) -> Backoff:
    return Backoff(sleep=clock.sleep, clock=clock.monotonic, jitter=random.Random(SEED), **options)


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "rows"

    return call


def test_a_call_that_succeeds_is_made_once_and_waits_for_nothing() -> None:
    clock = Clock()

    assert backoff(clock).call(failing(), on=Busy) == "rows"
    assert clock.sleeps == []


def test_waits_double_up_to_the_longest_and_keep_within_half_of_it() -> None:
    clock = Clock()

    policy = backoff(clock, attempts=7, first_wait_seconds=1, longest_wait_seconds=8)
    result = policy.call(failing(*[Busy() for _ in range(6)]), on=Busy)

    assert result == "rows"
    assert len(clock.sleeps) == 6
    for wait, longest in zip(clock.sleeps, [1, 2, 4, 8, 8, 8], strict=True):
        assert longest / 2 <= wait <= longest


def test_two_clients_do_not_wait_the_same_time() -> None:
    first, second = (Backoff(jitter=random.Random(seed)).wait_seconds(3, Busy()) for seed in (1, 2))

    assert first != second


def test_the_last_error_is_raised_with_a_note_of_the_attempts() -> None:
    clock = Clock()
    errors = [Busy(), Busy(), Busy()]

    with pytest.raises(Busy) as raised:
        backoff(clock, attempts=3).call(failing(*errors), on=Busy)

    assert raised.value is errors[2]
    assert raised.value.__notes__ == [f"Given up after 3 of 3 attempts in {clock.seconds:.1f} s."]


@pytest.mark.parametrize(
    ("error",         "on",                   "when"),
    [
        (KeyError("x"), Busy,                 lambda error: True),
        (Busy(),        (Busy, KeyError),     lambda error: False),
    ],
)  # fmt: skip
def test_an_error_that_no_wait_can_mend_is_raised_at_once(error: Exception, on: Any, when: Any) -> None:
    clock = Clock()

    with pytest.raises(type(error)):
        backoff(clock).call(failing(error), on=on, when=when)

    assert clock.sleeps == []


def test_a_demanded_wait_is_kept_and_little_more() -> None:
    clock = Clock()

    backoff(clock).call(failing(Busy(120)), on=Busy)

    assert 120 <= clock.seconds <= 120.1


def test_a_demanded_wait_of_nothing_is_no_reason_to_hammer() -> None:
    clock = Clock()

    backoff(clock).call(failing(Busy(0), Busy(0)), on=Busy)

    assert clock.seconds >= 0.5 + 1


def test_a_demanded_wait_that_is_too_long_raises_at_once() -> None:
    clock = Clock()

    with pytest.raises(Busy):
        backoff(clock, total_seconds=60).call(failing(Busy(61)), on=Busy)

    assert clock.sleeps == []


def test_no_attempt_starts_after_the_total_time() -> None:
    clock = Clock()
    policy = backoff(clock, attempts=1000, first_wait_seconds=10, longest_wait_seconds=10, total_seconds=100)

    with pytest.raises(Busy):
        policy.call(failing(*[Busy() for _ in range(1000)]), on=Busy)

    assert clock.seconds <= 100


def test_a_thousand_failures_do_not_overflow_the_wait() -> None:
    assert Backoff().wait_seconds(5000, Busy()) <= 60


def test_a_generator_function_is_refused() -> None:
    with pytest.raises(TypeError, match="fetches one page"):

        @retry(on=Busy)
        def pages() -> Iterator[int]:
            yield 1


def test_the_decorator_keeps_name_and_arguments() -> None:
    @retry(on=Busy)
    def add(a: int, *, b: int) -> int:
        """Sum."""
        return a + b

    assert (add.__name__, add.__doc__, add(1, b=2)) == ("add", "Sum.", 3)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait_seconds": -1}, {"total_seconds": float("nan")}])
def test_a_backoff_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**wrong)


def test_no_stretch_of_time_holds_more_calls_than_allowed() -> None:
    clock = Clock()
    limit = RateLimit(3, per_seconds=10, clock=clock.monotonic, sleep=clock.sleep)
    starts = []
    for gap in [0, 0, 4, 0, 0, 7, 0, 0, 0]:
        clock.seconds += gap
        limit.wait()
        starts.append(clock.seconds)

    assert starts == [0, 0, 4, 10, 10, 17, 20, 20, 27]


def test_a_pause_holds_everyone_and_a_shorter_one_does_not_end_it() -> None:
    clock = Clock()
    limit = RateLimit(None, clock=clock.monotonic, sleep=clock.sleep)
    limit.pause(30)
    limit.pause(5)

    limit.wait()

    assert clock.seconds == 30


def test_threads_share_one_rate_limit() -> None:
    limit = RateLimit(5, per_seconds=0.2)
    starts: list[float] = []

    def work() -> None:
        for _ in range(5):
            limit.wait()
            starts.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    starts.sort()

    assert len(starts) == 20
    # Each is noted a little after its start, by a thread that may have been held up.
    assert all(later - earlier > 0.15 for earlier, later in zip(starts, starts[5:], strict=False))


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"calls": 1, "per_seconds": 0}])
def test_a_rate_limit_that_lets_nothing_through_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="RateLimit"):
        RateLimit(**wrong)
