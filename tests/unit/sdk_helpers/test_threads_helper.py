"""Parallel fetch with real threads."""

import threading
import time
from collections.abc import Iterator

import pytest

from sdk_helpers.retry import RateLimit
from sdk_helpers.threads import Fetched, fetch_in_threads
from tests.unit.sdk_helpers.loopback import Clock


def fetch_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fetch")]


def test_results_come_in_order_though_the_first_is_the_slowest() -> None:
    release = threading.Event()

    def square(n: int) -> int:
        if n == 0:
            release.wait(5)
        if n == 3:
            release.set()
        return n * n

    results = list(fetch_in_threads(square, range(10), threads=4))

    assert results == [Fetched(n, n * n, n) for n in range(10)]


def test_as_they_come_nothing_waits_and_a_checkpoint_never_passes_a_missing_item() -> None:
    release = threading.Event()

    def fetch(name: str) -> str:
        if name == "b":
            assert release.wait(5)
        return name.upper()

    seen = []
    for fetched in fetch_in_threads(fetch, "abcd", threads=2, in_order=False):
        seen.append(fetched)
        if len(seen) == 3:
            release.set()
    early, last = seen[:3], seen[3]

    assert {fetched.item for fetched in early} == {"a", "c", "d"}
    assert {fetched.finished_through for fetched in early} <= {None, "a"}
    assert early[-1].finished_through == "a"
    assert last == Fetched("b", "B", "d")


def test_nothing_runs_before_the_first_result_is_asked_for() -> None:
    called: list[int] = []
    results = fetch_in_threads(called.append, range(3))

    assert called == []
    assert len(list(results)) == 3


def test_at_most_so_many_run_at_a_time_and_twice_as_many_are_in_hand() -> None:
    running, most, taken = 0, 0, 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        nonlocal taken
        for n in range(50):
            taken += 1
            yield n

    def fetch(n: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        return n

    ahead = [taken - fetched.item for fetched in fetch_in_threads(fetch, items(), threads=3)]

    assert most <= 3
    assert max(ahead) <= 6


@pytest.mark.parametrize("in_order", [True, False])
def test_the_first_error_stops_all_and_is_raised_with_its_item(in_order: bool) -> None:
    started: list[int] = []

    def fetch(n: int) -> int:
        started.append(n)
        if n == 5:
            raise LookupError("no such company")
        return n

    emitted = []
    with pytest.raises(LookupError) as raised:
        for fetched in fetch_in_threads(fetch, range(10_000), threads=2, in_order=in_order):
            emitted.append(fetched.item)  # the rows before the error count, too

    assert raised.value.__notes__ == ["while fetching 5"]
    assert 5 not in emitted
    assert len(started) < 20
    assert fetch_threads() == []


def test_an_error_is_raised_while_the_oldest_item_is_still_running() -> None:
    release = threading.Event()

    def fetch(n: int) -> int:
        if n == 0:
            assert release.wait(5)
        elif n == 1:
            threading.Timer(0.05, release.set).start()
            raise LookupError("second")
        return n

    with pytest.raises(LookupError, match="second"):
        list(fetch_in_threads(fetch, range(4), threads=2))

    assert fetch_threads() == []


@pytest.mark.parametrize("ending", ["error", "leaving"])
def test_who_still_waits_for_the_rate_limit_calls_nothing_any_more(ending: str) -> None:
    ended = threading.Event()
    passes = threading.Semaphore(1)
    called: list[int] = []

    class Limit:
        """Lets one call through, and the others when the loop is over."""

        def wait(self) -> None:
            if not passes.acquire(blocking=False):
                assert ended.wait(10)

    def fetch(item: int) -> int:
        called.append(item)
        threading.Timer(0.5, ended.set).start()
        if ending == "error":
            raise LookupError("no such company")
        return item

    results = fetch_in_threads(fetch, range(100), threads=4, in_order=False, rate_limit=Limit())
    if ending == "error":
        with pytest.raises(LookupError):
            next(results)
    else:
        next(results)
        results.close()  # type: ignore[attr-defined]  # an Iterator to authors; closing is what `break` does

    assert len(called) == 1
    assert fetch_threads() == []


def test_leaving_the_loop_ends_the_threads() -> None:
    results = fetch_in_threads(lambda n: n, range(1000), threads=3)
    next(results)
    results.close()  # type: ignore[attr-defined]  # an Iterator to authors; closing is what `break` does

    assert fetch_threads() == []


def test_an_error_of_the_items_themselves_is_raised_and_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("list of companies")

    with pytest.raises(OSError, match="list of companies"):
        list(fetch_in_threads(lambda n: n, items()))

    assert fetch_threads() == []


def test_a_fetch_that_returns_a_generator_is_refused() -> None:
    with pytest.raises(TypeError, match="Return a list"):
        list(fetch_in_threads(lambda n: (row for row in [n]), [1]))


def test_all_threads_keep_to_one_rate_limit() -> None:
    clock = Clock()
    limit = RateLimit(2, per_seconds=1, clock=clock.monotonic, sleep=clock.sleep)

    results = list(fetch_in_threads(lambda n: n, range(10), threads=4, rate_limit=limit))

    assert [fetched.item for fetched in results] == list(range(10))
    assert clock.seconds >= 4


@pytest.mark.parametrize("items", [[], range(0)])
def test_no_items_give_no_results(items: list[int]) -> None:
    assert list(fetch_in_threads(lambda n: n, items)) == []


def test_less_than_one_thread_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        fetch_in_threads(lambda n: n, [1], threads=0)
