"""Positions in a source: watermarks, windows, cursors per table and parent, and newest-first feeds under fire."""

from __future__ import annotations

import doctest
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_helpers import cursors
from sdk_helpers.cursors import (
    AnchorGap,
    AnchorTracker,
    Gap,
    ParentCursors,
    RangeLedger,
    TableCursors,
    Watermark,
    cursor_from_json,
    cursor_to_json,
    instant,
    time_windows,
)

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """What a state is after it was stored, by a store that sorts keys."""
    loaded: dict[str, Any] = json.loads(json.dumps(state, sort_keys=True))
    return loaded


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(cursors).failed == 0


# Cursor values


@pytest.mark.parametrize(
    "value",
    [
        0, -1, 2**70, 1.5, "", "2024", Decimal("1.10"), date(2024, 2, 29), NOON, NOON.replace(tzinfo=None),
        NOON.replace(microsecond=1), UUID(int=7), b"\x00\xff", (NOON, "id"), ((1, 2), 3), (5,),
    ],
)  # fmt: skip
def test_a_cursor_value_comes_back_from_json(value: object) -> None:
    back = cursor_from_json(json.loads(json.dumps(cursor_to_json(value))))

    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), None, object(), Decimal("NaN"), (1, None)])
def test_a_value_without_order_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="cannot be a cursor"):
        cursor_to_json(value)


@pytest.mark.parametrize("value", [None, True, {"time": "x"}, {}])
def test_a_state_that_holds_no_cursor_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        cursor_from_json(value)


def test_an_instant_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        instant("2024-02-29T12:00:00")


# Watermark


@pytest.mark.parametrize(
    ("state", "options", "since"),
    [
        ({}, {}, None),
        ({}, {"start": NOON}, NOON),
        ({}, {"start": NOON, "lookback": timedelta(hours=1)}, NOON),
        ({"high": 7}, {"start": 1}, 7),
        ({"high": 7}, {"lookback": 2}, 5),
        ({"high": cursor_to_json(NOON)}, {"lookback": timedelta(hours=1)}, NOON - timedelta(hours=1)),
        ({"high": cursor_to_json((NOON, 5))}, {"lookback": timedelta(hours=1)}, (NOON - timedelta(hours=1),)),
    ],
)
def test_a_sync_asks_from_the_mark_less_the_lookback(state: Any, options: Any, since: object) -> None:
    assert Watermark(state, **options).since == since


def test_the_mark_of_an_unsorted_source_moves_only_at_the_end() -> None:
    mark = Watermark({"high": 5})
    for value in (9, 3, 7):
        mark.see(value)

    assert mark.state() == {"high": 5}
    assert mark.finish() == {"high": 9}


def test_the_mark_of_an_ascending_source_moves_with_each_row() -> None:
    mark = Watermark({}, ascending=True)
    states = []
    for value in (3, 3, 7):
        mark.see(value)
        states.append(mark.state())

    assert states == [{"high": 3}, {"high": 3}, {"high": 7}]


def test_an_ascending_source_that_goes_back_is_refused() -> None:
    mark = Watermark({}, ascending=True)
    mark.see(7)

    with pytest.raises(ValueError, match="gave 3 after 7, so it is not ascending"):
        mark.see(3)


def test_a_sync_without_rows_keeps_the_mark() -> None:
    assert Watermark({}).finish() == {}
    assert Watermark({"high": 5}, lookback=3).finish() == {"high": 5}


def test_rows_inside_the_lookback_do_not_move_the_mark_back() -> None:
    mark = Watermark({"high": 5}, lookback=3, ascending=True)
    mark.see(3)

    assert mark.state() == {"high": 5}


def test_a_lookback_on_text_is_refused() -> None:
    with pytest.raises(ValueError, match="make it a time or number"):
        Watermark({"high": "2024"}, lookback=timedelta(1))


# Windows


def test_windows_cover_the_time_without_gap_or_overlap() -> None:
    windows = list(time_windows(NOON, NOON + timedelta(hours=25), timedelta(hours=6), lookback=timedelta(hours=1)))

    assert (windows[0][0], windows[-1][1]) == (NOON - timedelta(hours=1), NOON + timedelta(hours=25))
    assert all(left[1] == right[0] for left, right in pairwise(windows))
    assert [until - since for since, until in windows] == [timedelta(hours=6)] * 4 + [timedelta(hours=2)]


def test_the_night_of_the_clock_change_has_its_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start, end = datetime(2024, 10, 27, tzinfo=berlin), datetime(2024, 10, 28, tzinfo=berlin)

    assert len(list(time_windows(start, end, timedelta(hours=1)))) == 25


@pytest.mark.parametrize("day", [datetime(2024, 3, 31, 3, 30), datetime(2024, 10, 27, 2, 30, fold=1)])
def test_the_lookback_over_a_clock_change_is_as_long_as_it_says(day: datetime) -> None:
    start = day.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    [(since, until)] = time_windows(start, start, timedelta(hours=9), lookback=timedelta(hours=1))

    assert (until - since, until) == (timedelta(hours=1), start.astimezone(UTC))


def test_no_time_has_no_windows() -> None:
    assert list(time_windows(NOON, NOON, timedelta(1))) == []
    assert list(time_windows(NOON, NOON - timedelta(1), timedelta(1))) == []


@pytest.mark.parametrize(
    ("start", "step"), [(NOON, timedelta(0)), (NOON, timedelta(-1)), (NOON.replace(tzinfo=None), timedelta(1))]
)
def test_windows_that_never_end_or_have_no_zone_are_refused(start: datetime, step: timedelta) -> None:
    with pytest.raises(ValueError, match=r"step must be above zero|need time zones"):
        list(time_windows(start, NOON + timedelta(1), step))


# Tables and parents


def test_each_table_has_its_cursor_and_the_rest_of_the_state_is_kept() -> None:
    tables = TableCursors({"version": 2, "tables": {"a": {"high": 1}, "b": {"high": 2}}})
    tables["a"] = {"high": 9}
    tables.forget("b")

    assert tables["c"] == {}
    assert saved(tables.state()) == {"version": 2, "tables": {"a": {"high": 9}}}


def test_changing_a_given_cursor_does_not_change_the_state() -> None:
    tables = TableCursors({"tables": {"a": {"high": 1}}})
    tables["a"]["high"] = 5

    assert tables["a"] == {"high": 1}


def test_a_run_that_ended_in_the_middle_goes_on_with_the_parents_left() -> None:
    first = ParentCursors({})
    pending = first.pending(["a", "b", "c"])
    first.finish(next(pending), {"high": 1})
    first[next(pending)] = {"high": 2}

    second = ParentCursors(saved(first.state()))

    assert list(second.pending(["a", "b", "c"])) == ["b", "c"]
    assert (second["a"], second["b"], second["c"]) == ({"high": 1}, {"high": 2}, {})


def test_a_new_pass_reads_all_parents_again_and_says_which_are_gone() -> None:
    parents = ParentCursors({})
    for parent in parents.pending(["a", "b"]):
        parents.finish(parent, {"high": parent})
    assert parents.end_pass() == []

    following = ParentCursors(saved(parents.state()))

    assert list(following.pending(["b", "c"])) == ["b", "c"]
    assert following.end_pass() == ["a"]
    assert following["a"] == {}


def test_a_listing_that_broke_off_declares_no_parent_gone() -> None:
    parents = ParentCursors({"pass": 2, "parents": [["a", 1, {}], ["b", 1, {}]]})
    next(parents.pending(["a", "b"]))

    with pytest.raises(ValueError, match="before pending"):
        parents.end_pass()


def test_the_parents_that_changed_least_recently_are_forgotten() -> None:
    parents = ParentCursors({}, cap=2)
    parents.finish(1, {"high": 1})
    parents.finish(2, {"high": 1})
    parents.finish(1, {"high": 2})
    parents.finish(2, {"high": 1})  # unchanged
    parents.finish(3, {"high": 1})

    kept = ParentCursors(saved(parents.state()), cap=2)

    assert (kept[1], kept[2], kept[3], parents.forgotten) == ({"high": 2}, {}, {"high": 1}, 1)


# RangeLedger: the vectors of the specification (numbers are cursor values, newest is largest)

UP = LOW = None
TWO = [[20, 25], [30, 35]]
TOP = [[40, 49], [54, 59]]
ALL = (None, None)


def ledger_of(covered: list[list[int]], bottom: bool, **options: Any) -> RangeLedger:
    return RangeLedger({"v": 1, "covered": covered, "floor": None, "bottom": bottom}, **{"unique": True, **options})


VECTORS = [
    # id, covered before, bottom, gap, newest and oldest on the page, exhausted, covered after, gaps after, bottom
    ("L1",   [],               False, ALL,        (49, 44), False, [[44, 49]],           [(49, UP), (LOW, 44)], False),
    ("L2",   [[44, 49]],       False, (None, 44), (43, 40), True,  [[40, 49]],           [(49, UP)], True),
    ("L3",   [[40, 49]],       True,  (49, None), (59, 54), False, TOP,                  [(59, UP), (49, 54)], True),
    ("L4",   TOP,              True,  (59, None), None,     True,  TOP,                  [(59, UP), (49, 54)], True),
    ("L5",   TOP,              True,  (49, 54),   (53, 50), True,  [[40, 59]],           [(59, UP)], True),
    ("L6",   [[44, 49]],       False, (None, 44), None,     True,  [[44, 49]],           [(49, UP)], True),
    ("L8",   [[10, 15], *TWO], True,  (25, 30),   (29, 26), True,  [[10, 15], [20, 35]], [(35, UP), (15, 20)], True),
    ("L9",   TWO,              True,  (25, 30),   (29, 28), False, [[20, 25], [28, 35]], [(35, UP), (25, 28)], True),
    ("L10",  TWO,              True,  (25, 30),   None,     True,  [[20, 35]],           [(35, UP)], True),
    ("L11",  [[20, 35]],       True,  (35, None), (40, 36), True,  [[20, 40]],           [(40, UP)], True),
    ("L11'", [[20, 35]],       True,  (35, None), (40, 36), False, [[20, 40]],           [(40, UP)], True),
]  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector[0]))
@pytest.mark.parametrize("unique", [True, False], ids=["unique", "shared"])
@pytest.mark.parametrize("times", [1, 2])
def test_the_vectors_of_the_specification(vector: Any, unique: bool, times: int) -> None:
    _, covered, was_bottom, gap, page, exhausted, expected, gaps, bottom = vector
    values = [] if page is None else list(range(page[1], page[0] + 1))
    if not unique and not exhausted:
        # Shared values: the last value of a page is not done. One record more makes the same ranges.
        values = [*values, min(values) - 1]
        if gap[0] is not None and values[-1] <= gap[0]:
            values = values[:-1]
            expected = [[20, 35], [37, 40]]
            gaps = [(40, UP), (35, 37)]
    ledger = ledger_of(covered, was_bottom, unique=unique)
    for _ in range(times):
        ledger.page(Gap(*gap), values, exhausted=exhausted)
    again = RangeLedger(saved(ledger.state()), unique=unique)

    assert ledger.state() == {"v": 1, "covered": expected, "floor": None, "bottom": bottom}
    assert ledger.gaps() == [Gap(*each) for each in gaps] == again.gaps()


def test_an_empty_ledger_wants_everything() -> None:  # L0
    ledger = RangeLedger({}, unique=True)

    assert ledger.gaps() == [Gap(None, None)]
    assert ledger.state() == {"v": 1, "covered": [], "floor": None, "bottom": False}


def test_an_empty_feed_is_read_from_the_start_next_time() -> None:
    ledger = RangeLedger({}, unique=True)
    ledger.page(Gap(None, None), [], exhausted=True)

    assert ledger.gaps() == [Gap(None, None)]


def test_an_empty_page_in_the_middle_changes_nothing() -> None:
    ledger = ledger_of([[40, 49]], False)

    assert ledger.page(Gap(None, 40), [], exhausted=False) == Gap(None, 40)
    assert ledger.state()["covered"] == [[40, 49]]


@pytest.mark.parametrize("values", [[52, 51, 49, 48], [52, 49]])
def test_a_page_that_reaches_delivered_values_closes_the_gap(values: list[int]) -> None:
    ledger = ledger_of([[40, 49]], True)

    assert ledger.page(Gap(49, None), values, exhausted=False) is None
    assert ledger.state()["covered"] == [[40, 52]]


def test_whole_numbers_next_to_each_other_leave_no_gap_but_fractions_do() -> None:
    whole, fractions = ledger_of([[40, 49], [50, 59]], True), RangeLedger({}, unique=True)
    fractions.page(Gap(None, None), [5.0, 4.0], exhausted=False)
    fractions.page(Gap(5.0, None), [7.0, 6.0], exhausted=False)

    assert whole.state()["covered"] == [[40, 59]]
    assert fractions.state()["covered"] == [[4.0, 5.0], [6.0, 7.0]]


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2 of a range ledger"):
        RangeLedger({"v": 2}, unique=True)


def test_a_source_that_ignores_the_bound_is_noticed() -> None:
    with pytest.raises(ValueError, match="the source ignores the bound"):
        ledger_of([[40, 49]], False).page(Gap(None, 40), [49, 45], exhausted=False)


def test_a_whole_page_of_one_value_is_refused_because_it_would_come_for_ever() -> None:
    with pytest.raises(ValueError, match=r"page on \(value, id\)"):
        RangeLedger({}, unique=False).page(Gap(None, None), [7, 7, 7], exhausted=False)


@pytest.mark.parametrize(
    ("floor", "covered", "bottom", "gaps"),
    [
        (None, [[30, 35], [50, 59]], False, [(59, None), (35, 50), (None, 30)]),
        (20, [[30, 35], [50, 59]], False, [(59, None), (35, 50), (None, 30)]),
        (30, [[30, 35], [50, 59]], False, [(59, None), (35, 50)]),
        (40, [[30, 35], [50, 59]], False, [(59, None), (35, 50)]),
        (50, [[30, 35], [50, 59]], False, [(59, None)]),
        (99, [[30, 35], [50, 59]], False, [(59, None)]),
    ],
)
def test_nothing_below_the_floor_is_asked_for(floor: Any, covered: Any, bottom: bool, gaps: Any) -> None:
    assert ledger_of(covered, bottom, floor=floor).gaps() == [Gap(*gap) for gap in gaps]


def test_a_page_that_passes_the_floor_ends_the_feed_there() -> None:
    ledger = RangeLedger({}, unique=True, floor=45)

    assert ledger.page(Gap(None, None), [49, 47, 44], exhausted=False) is None
    assert ledger.state() == {"v": 1, "covered": [[45, 49]], "floor": 45, "bottom": True}


def test_a_lower_floor_opens_the_feed_below_again() -> None:
    state = {"v": 1, "covered": [[45, 49]], "floor": 45, "bottom": True}

    assert RangeLedger(state, unique=True, floor=30).gaps() == [Gap(49, None), Gap(None, 45)]
    assert RangeLedger(state, unique=True).gaps() == [Gap(49, None), Gap(None, 45)]
    assert RangeLedger(state, unique=True, floor=47).gaps() == [Gap(49, None)]


@pytest.mark.parametrize(
    ("covered", "bottom", "reopened", "gaps"),
    [
        ([[0, 49]], True, [[0, 39]], [(39, None)]),
        ([[0, 20], [30, 49]], True, [[0, 20], [30, 39]], [(39, None), (20, 30)]),
        ([[0, 20], [45, 49]], True, [[0, 20]], [(20, None)]),
        ([[45, 49]], True, [[39, 39]], [(39, None)]),
        ([[45, 49]], False, [], [(None, None)]),
        ([], False, [], [(None, None)]),
    ],
)
def test_the_lookback_opens_the_newest_stretch_again(covered: Any, bottom: bool, reopened: Any, gaps: Any) -> None:
    ledger = ledger_of(covered, bottom, lookback=10)

    assert ledger.state()["covered"] == reopened
    assert ledger.gaps() == [Gap(*gap) for gap in gaps]


def test_a_second_look_that_was_interrupted_is_finished_by_the_next_run() -> None:
    ledger = ledger_of([[0, 49]], True, lookback=10)
    ledger.page(ledger.gaps()[0], [60, 59], exhausted=False)

    following = RangeLedger(saved(ledger.state()), unique=True)

    assert following.gaps() == [Gap(60, None), Gap(39, 59)]


@st.composite
def pages_of_a_feed(draw: st.DrawFn) -> tuple[list[int], list[tuple[Gap, list[int], bool]]]:
    """A feed of ids and the pages, newest first, that tile any of its gaps, in any order, some twice."""
    feed = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=30)), reverse=True)
    pages: list[tuple[Gap, list[int], bool]] = []
    gap, rest = Gap(None, None), feed
    while rest:
        size = draw(st.integers(1, 7))
        page, rest = rest[:size], rest[size:]
        pages.append((gap, page, not rest))
        gap = Gap(None, page[-1])
    chosen = draw(st.lists(st.sampled_from(pages), max_size=12))
    return feed, chosen


@given(pages_of_a_feed(), st.randoms(use_true_random=False))
def test_pages_in_any_order_and_number_give_the_same_state(drawn: Any, shuffler: random.Random) -> None:
    _, pages = drawn
    other = [*pages, *pages]
    shuffler.shuffle(other)
    states = []
    for order in (pages, other):
        ledger = RangeLedger({}, unique=True)
        for gap, values, exhausted in order:
            ledger.page(gap, values, exhausted=exhausted)
        states.append(ledger.state())

    assert states[0] == states[1]


@given(pages_of_a_feed())
def test_ranges_are_what_was_delivered_and_gaps_are_the_rest(drawn: Any) -> None:
    """Checked against plain sets of whole numbers from -1 to 61."""
    feed, pages = drawn
    line = set(range(-1, 62))
    ledger = RangeLedger({}, unique=True)
    delivered: set[int] = set()
    bottom = False
    for gap, values, exhausted in pages:
        ledger.page(gap, values, exhausted=exhausted)
        top = values[0] if gap.high is None else gap.high
        delivered |= set(range(values[-1], top + 1))
        bottom |= exhausted
    state = RangeLedger(saved(ledger.state()), unique=True).state()
    covered = {value for low, high in state["covered"] for value in range(low, high + 1)}
    open_values = [
        {value for value in line if (low is None or value > low) and (high is None or value < high)}
        for low, high in ledger.gaps()
    ]
    below = {value for value in line if bottom and value < min(delivered)}

    assert covered == delivered
    assert state == ledger.state()
    assert sum(map(len, open_values)) == len(set().union(*open_values))
    assert set().union(*open_values) == line - covered - below
    assert set(feed) <= covered | set().union(*open_values)


# The fuzz: random feeds, inserts at the head, deletions at the source, crashes, late and tied records


class Feed:
    """A newest-first feed in a random history; values grow by hundreds, so late ones fit in between."""

    def __init__(self, seed: int, *, deletes: float = 0, late: float = 0, ties: bool = False) -> None:
        self.random = random.Random(seed)
        self.deletes, self.late, self.ties = deletes, late, ties
        self.top = 0
        self.records: dict[int, int] = {}  # id: value
        self.number = 0
        self.insert(self.random.randint(0, 30))

    def insert(self, count: int) -> None:
        for _ in range(count):
            self.top += self.random.choice([0, 0, 100]) if self.ties else 100
            value = self.top
            if self.random.random() < self.late:
                value -= self.random.randint(1, 250)
            self.number += 1
            self.records[self.number] = value

    def live(self) -> None:
        """What happens at the source between two runs."""
        self.records = {each: value for each, value in self.records.items() if self.random.random() >= self.deletes}
        self.insert(self.random.randint(0, 12))

    def newest_first(self) -> list[tuple[int, int]]:
        return sorted(((value, each) for each, value in self.records.items()), reverse=True)


Run = Callable[[dict[str, Any], Counter[int], int | None], dict[str, Any]]


def history(feed: Feed, run: Run, *, crashes: float = 0) -> tuple[set[int], int]:
    """Give the records missed (alive at the end, never delivered) and the number delivered twice."""
    delivered: Counter[int] = Counter()
    state: dict[str, Any] = {}
    for _ in range(40):
        before = state
        state = saved(run(state, delivered, 3))
        if feed.random.random() < crashes:
            state = before  # the rows were stored, the state was not
        feed.live()
    run(state, delivered, None)
    return set(feed.records) - set(delivered), sum(count - 1 for count in delivered.values())


def read_with_ledger(feed: Feed, page_size: int = 5, most_ranges: int = 2, **options: Any) -> Run:
    unique = options["unique"]

    def run(state: dict[str, Any], delivered: Counter[int], batches: int | None) -> dict[str, Any]:
        ledger = RangeLedger(state, **options)
        left = batches
        for given_gap in ledger.gaps():
            gap: Gap | None = given_gap
            while gap is not None and left != 0:
                wanted = [
                    (value, each)
                    for value, each in feed.newest_first()
                    if (gap.high is None or value < gap.high)
                    and (gap.low is None or value > gap.low or (value == gap.low and not unique))
                ]
                page = wanted[:page_size]
                delivered.update(each for _, each in page)
                gap = ledger.page(gap, [value for value, _ in page], exhausted=len(wanted) <= page_size)
                left = None if left is None else left - 1
        assert len(ledger.state()["covered"]) <= most_ranges
        return ledger.state()

    return run


def read_with_anchors(feed: Feed, page_size: int = 5) -> Run:
    def run(state: dict[str, Any], delivered: Counter[int], batches: int | None) -> dict[str, Any]:
        tracker = AnchorTracker(state, exists=lambda anchor: int(anchor) in feed.records)
        left = batches
        for given_gap in tracker.gaps():
            gap: AnchorGap | None = given_gap
            while gap is not None and left != 0:
                ids = [str(each) for _, each in feed.newest_first()]
                # A source that is asked below a deleted record has no answer: index() raises.
                wanted = ids if gap.older_than is None else ids[ids.index(gap.older_than) + 1 :]
                page = wanted[:page_size]
                met = next((at for at, each in enumerate(page) if delivered[int(each)]), len(page))
                delivered.update(map(int, page[:met]))
                gap = tracker.page(gap, page, exhausted=len(wanted) <= page_size)
                left = None if left is None else left - 1
            if left == 0:
                break
        return tracker.state()

    return run


@pytest.mark.parametrize("deletes", [0, 0.02, 0.10, 0.30])
def test_random_feeds_with_deletions_come_whole_and_once(deletes: float) -> None:
    results = []
    for seed in range(300):
        feed = Feed(seed, deletes=deletes)
        results.append(history(feed, read_with_ledger(feed, unique=True)))

    assert results == [(set(), 0)] * 300


def test_random_feeds_with_crashes_miss_nothing() -> None:
    missed = []
    for seed in range(300):
        feed = Feed(seed, deletes=0.05)
        missed.append(history(feed, read_with_ledger(feed, most_ranges=6, unique=True), crashes=0.10)[0])

    assert missed == [set()] * 300


def test_random_feeds_with_tied_values_miss_nothing() -> None:
    missed = []
    for seed in range(100):
        feed = Feed(seed, deletes=0.05, ties=True)
        missed.append(history(feed, read_with_ledger(feed, page_size=25, most_ranges=6, unique=False), crashes=0.10)[0])

    assert missed == [set()] * 100


def test_random_feeds_with_late_records_miss_nothing_within_the_lookback() -> None:
    missed = []
    for seed in range(100):
        feed = Feed(seed, deletes=0.05, late=0.2)
        missed.append(
            history(feed, read_with_ledger(feed, most_ranges=6, unique=False, lookback=2000), crashes=0.10)[0]
        )

    assert missed == [set()] * 100


@pytest.mark.parametrize("deletes", [0, 0.02, 0.10, 0.30])
def test_random_feeds_of_opaque_ids_miss_nothing(deletes: float) -> None:
    missed = []
    for seed in range(100):
        feed = Feed(seed, deletes=deletes)
        missed.append(history(feed, read_with_anchors(feed), crashes=0.05)[0])

    assert missed == [set()] * 100


# AnchorTracker


class Mailbox:
    """A feed of opaque ids, given newest first."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = [str(each) for each in ids]

    def exists(self, anchor: str) -> bool:
        return anchor in self.ids

    def page(self, gap: AnchorGap, size: int) -> tuple[list[str], bool]:
        start = 0 if gap.older_than is None else self.ids.index(gap.older_than) + 1
        return self.ids[start : start + size], start + size >= len(self.ids)


def read_pages(state: dict[str, Any], ids: Sequence[int], pages: list[int]) -> tuple[list[list[str]], dict[str, Any]]:
    """Read pages of these sizes, and give what each held."""
    mailbox, sizes = Mailbox(ids), iter(pages)
    got: list[list[str]] = []
    tracker = AnchorTracker(state, exists=mailbox.exists, anchors=3)
    for given_gap in tracker.gaps():
        gap: AnchorGap | None = given_gap
        while gap is not None:
            size = next(sizes, None)
            if size is None:
                return got, saved(tracker.state())
            page, last = mailbox.page(gap, size)
            got.append(page)
            gap = tracker.page(gap, page, exhausted=last)
    return got, saved(tracker.state())


def numbers(start: int, end: int) -> list[str]:
    return [str(each) for each in range(start, end + 1)]


def test_a_feed_of_opaque_ids_is_read_over_several_runs() -> None:
    """The course of Verida's own test: newer records have lower numbers, and come first."""
    _, state = read_pages({}, range(40, 50), [6])
    two, state = read_pages(state, range(30, 50), [6])
    assert [[each["newest"][0], each["oldest"][0]] for each in state["stretches"]] == [["30", "35"], ["40", "45"]]

    three, state = read_pages(state, range(30, 50), [6, 6])
    assert [[each["newest"][0], each["oldest"][0]] for each in state["stretches"]] == [["30", "45"]]

    four, state = read_pages(state, range(30, 50), [6, 6])
    five, state = read_pages(state, range(30, 50), [6, 6])

    assert two == [numbers(30, 35)]
    assert three == [numbers(30, 35), numbers(36, 41)]
    assert four == [numbers(30, 35), numbers(46, 49)]
    assert five == [numbers(30, 35)]
    assert (len(state["stretches"]), state["bottom"]) == (1, True)


def test_an_empty_page_loses_no_position() -> None:
    _, state = read_pages({}, range(40, 50), [6])
    tracker = AnchorTracker(state, exists=lambda anchor: True, anchors=3)
    gap = AnchorGap("45")

    assert tracker.page(gap, [], exhausted=False) == gap
    assert saved(tracker.state()) == state


def test_a_deleted_anchor_is_replaced_by_its_neighbour() -> None:
    _, state = read_pages({}, range(40, 50), [6])
    left = [each for each in range(40, 50) if each not in (40, 44, 45)]
    got, _ = read_pages(state, left, [2, 6])

    assert got == [["41", "42"], numbers(46, 49)]


def test_a_stretch_whose_anchors_are_all_deleted_is_read_again() -> None:
    _, state = read_pages({}, range(40, 60), [12])
    left = [44, 45, 46, *range(52, 60)]
    got, after = read_pages(state, left, [20])

    assert got == [[str(each) for each in left]]
    assert (len(after["stretches"]), after["bottom"]) == (1, True)


def test_a_gap_that_was_not_given_is_refused() -> None:
    with pytest.raises(ValueError, match="is not open"):
        AnchorTracker({}, exists=lambda anchor: True).page(AnchorGap("7"), ["6"], exhausted=False)


def test_other_time_zones_give_the_same_cursor() -> None:
    assert cursor_to_json(NOON) == cursor_to_json(NOON.astimezone(timezone(timedelta(hours=-7))))
