"""Fetch in several threads, emit and checkpoint in one.

Needs no sibling module. Operations stay in the main thread, so a checkpoint covers exactly what was emitted
before it, and `finished_through` names the last item before which nothing is missing. In a connector.py:

    from sdk_helpers.threads import fetch_in_threads

    def orders_of(company_id):                                    # runs in a worker: fetches, emits nothing
        return client.get_json(f"companies/{company_id}/orders")

    company_ids = [i for i in all_company_ids() if i > state.get("company_id", 0)]     # in ascending order
    for fetched in fetch_in_threads(orders_of, company_ids, threads=4):
        for order in fetched.value:
            op.upsert("orders", order)
        state["company_id"] = fetched.finished_through
        op.checkpoint(state)
"""

import inspect
import reprlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


class Waits(Protocol):
    """A rate limit: `wait` returns when the next call may start (`sdk_helpers.retry.RateLimit` is one)."""

    def wait(self) -> None: ...


@dataclass(frozen=True)
class Fetched(Generic[Item, Value]):
    """What `fetch` returned for one item.

    finished_through  the last of the items that have all been given out, from the first one on, this one
                      included: once its value is emitted, a state that says "done up to here" is true.
                      None while the very first item is missing.
    """

    item: Item
    value: Value
    finished_through: Item | None


def fetch_in_threads(
    fetch: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    threads: int = 4,
    in_order: bool = True,
    rate_limit: Waits | None = None,
) -> Iterator[Fetched[Item, Value]]:
    """Call `fetch` for each of `items` in worker threads, and give the results to the calling thread.

    items       read as needed, in the calling thread: it may be endless
    threads     calls at a time; at most twice as many items are in hand, results included
    in_order    True: as in `items`, so a slow one holds back those behind it. False: as they come.
    rate_limit  asked before each call

    The first error stops everything: no new call starts, the running ones are waited for, and that error is
    raised, with a note of its item. Leaving the loop early does the same, without the error. What was not
    given out is for the next sync to fetch again.

    >>> [(fetched.item, fetched.value) for fetched in fetch_in_threads(str.upper, "abc", threads=2)]
    [('a', 'A'), ('b', 'B'), ('c', 'C')]
    """
    if threads < 1:
        raise ValueError(f"fetch_in_threads: threads is {threads}: at least 1")
    return _Fetching(fetch, threads, rate_limit).results(items, in_order=in_order)


class _Fetching(Generic[Item, Value]):
    """One run of `fetch_in_threads`: what is in hand, by position in `items`."""

    def __init__(self, fetch: Callable[[Item], Value], threads: int, rate_limit: Waits | None) -> None:
        self._fetch = fetch
        self._threads = threads
        self._rate_limit = rate_limit
        self._over = threading.Event()
        self._in_hand: dict[int, tuple[Item, Future[Value]]] = {}  # oldest first
        self._given_ahead: dict[int, Item] = {}  # given out, but something before them is missing
        self._finished = 0  # so many at the start are all given out
        self._finished_through: Item | None = None

    def results(self, items: Iterable[Item], *, in_order: bool) -> Iterator[Fetched[Item, Value]]:
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="fetch")
        upcoming = enumerate(items)
        try:
            self._fill(pool, upcoming)
            while self._in_hand:
                for position in self._ready(in_order):
                    yield self._give(position)
                self._fill(pool, upcoming)
        finally:
            self._over.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _fill(self, pool: ThreadPoolExecutor, upcoming: Iterator[tuple[int, Item]]) -> None:
        while len(self._in_hand) < 2 * self._threads:
            following = next(upcoming, None)
            if following is None:
                return
            position, item = following
            self._in_hand[position] = (item, pool.submit(self._call, item))

    def _call(self, item: Item) -> Value:
        if self._rate_limit is not None:
            self._rate_limit.wait()
        if self._over.is_set():  # it was still waiting for its turn when the first error came
            raise CancelledError
        value = self._fetch(item)
        if inspect.isgenerator(value):
            raise TypeError(
                "fetch_in_threads: fetch returned a generator, whose work would be done in the main thread.\n"
                "Return a list."
            )
        return value

    def _ready(self, in_order: bool) -> list[int]:
        """Wait until something can be given out, and say which positions; an error is raised at once."""
        while True:
            done = [position for position, (_, future) in self._in_hand.items() if future.done()]
            for position in done:
                self._raise_error(*self._in_hand[position])
            oldest = next(iter(self._in_hand))
            ready = [position for position in done if position == oldest or not in_order]
            if ready:
                return ready
            running = [future for position, (_, future) in self._in_hand.items() if position not in done]
            wait(running, return_when=FIRST_COMPLETED)

    @staticmethod
    def _raise_error(item: Item, future: Future[Value]) -> None:
        error = future.exception()
        if error is not None:
            error.add_note(f"while fetching {reprlib.repr(item)}")
            raise error

    def _give(self, position: int) -> Fetched[Item, Value]:
        item, future = self._in_hand.pop(position)
        self._given_ahead[position] = item
        while self._finished in self._given_ahead:
            self._finished_through = self._given_ahead.pop(self._finished)
            self._finished += 1
        return Fetched(item, future.result(), self._finished_through)
